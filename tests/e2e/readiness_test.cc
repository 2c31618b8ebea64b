// Whether the built daemons tell the truth about themselves: faults of the configuration at once (CFG-2), and what makes
// them not ready (CFG-4), with ENT-8's exception.
#include <algorithm>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "common/rpc/server.h"
#include "common/testing/test_database.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

namespace pb = billing::entitlements::v1;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::HttpAnswer;
using testing::Mesh;
using testing::WaitUntil;
using Environment = std::map<std::string, std::string>;

constexpr const char* kWithDatabase[] = {"checkout", "webhook", "entitlements", "reconciler"};
constexpr absl::Duration kSoon = absl::Seconds(20);
constexpr int kFaultExitCode = 2;

class ReadinessTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new Mesh; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }

  static bool AllReady() {
    return mesh_->Ready("edge") && std::all_of(std::begin(kWithDatabase), std::end(kWithDatabase),
                                               [](const char* daemon) { return mesh_->Ready(daemon); });
  }
  static std::string Readyz(const std::string& daemon) {
    return mesh_->Send("GET", mesh_->probe_url(daemon) + "/readyz").body;
  }
  // What the daemon says before it ends; the same at boot and with --check-config.
  static std::string Faults(const std::string& daemon, const Environment& changes) {
    Environment environment = mesh_->EnvironmentOf(daemon);
    for (const auto& [name, value] : changes) environment[name] = value;
    std::string said;
    for (const char* flag : {"", " --check-config"}) {
      const auto result = testing::RunCommand({"sh", "-c", absl::StrCat("exec ", mesh_->BinaryOf(daemon), flag, " 2>&1")},
                                              environment, absl::Seconds(5));
      EXPECT_EQ(result.exit_code, kFaultExitCode) << daemon << flag << ": " << result.output;
      EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << daemon << flag << ": " << result.output;
      if (!said.empty()) {
        EXPECT_EQ(result.output, said) << daemon;
      }
      said = result.output;
    }
    return said;
  }
  static std::string GarbageFile() {
    const std::string path = mesh_->work_directory() + "/garbage";
    std::ofstream(path) << "garbage";
    return path;
  }
  // A check by another service.
  static grpc::Status Check(const std::string& entity, pb::CheckResponse& response) {
    const rpc::TlsFiles tls{mesh_->Identity("ca.pem"), mesh_->Identity("service.pem"), mesh_->Identity("service.key")};
    const auto stub = pb::EntitlementsService::NewStub(rpc::MakeChannel(mesh_->grpc_address("entitlements"), tls));
    pb::CheckRequest request;
    request.set_entity_id(entity);
    request.set_key("projects");
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Seconds(5));
    return stub->Check(&context, request, &response);
  }

  static Mesh* mesh_;
};

Mesh* ReadinessTest::mesh_ = nullptr;

TEST_F(ReadinessTest, GarbageInFilesEndsADaemonWithOneLineThatNamesThemAll) {
  const std::string garbage = GarbageFile();
  for (const char* daemon : kWithDatabase) {
    const std::string faults = Faults(daemon, {{"TLS_CA_FILE", garbage},
                                               {"TLS_CERT_FILE", garbage},
                                               {"TLS_KEY_FILE", garbage},
                                               {"USER_ASSERTION_JWKS_FILE", garbage},
                                               {"DATABASE_URL", "mysql://u:hunter2@h/d"}});
    for (const char* variable :
         {"TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "USER_ASSERTION_JWKS_FILE", "DATABASE_URL"}) {
      EXPECT_THAT(faults, HasSubstr(variable)) << daemon;
    }
    EXPECT_THAT(faults, Not(HasSubstr("hunter2")));
  }
  const std::string faults = Faults("edge", {{"TLS_CA_FILE", garbage},
                                             {"TLS_CERT_FILE", garbage},
                                             {"TLS_KEY_FILE", garbage},
                                             {"USER_ASSERTION_KEY_FILE", garbage},
                                             {"JWT_JWKS", garbage}});
  for (const char* name : {"TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "USER_ASSERTION_KEY_FILE", "--jwt-jwks"}) {
    EXPECT_THAT(faults, HasSubstr(name));
  }
}

TEST_F(ReadinessTest, AnothersPrivateKeyEndsADaemonAtOnce) {
  for (const char* daemon : {"checkout", "webhook", "entitlements", "reconciler", "edge"}) {
    EXPECT_THAT(Faults(daemon, {{"TLS_KEY_FILE", mesh_->Identity("service.key")}}),
                HasSubstr("is not the private key of the certificate"));
  }
}

TEST_F(ReadinessTest, ALiveKeyIsNeverSentInClear) {
  for (const char* daemon : {"checkout", "reconciler"}) {
    const std::string faults = Faults(daemon, {{"BILLING_ENV", "live"},
                                               {"STRIPE_SECRET_KEY", "sk_live_hunter2"},
                                               {"STRIPE_API_BASE", "http://127.0.0.1:1"}});
    EXPECT_THAT(faults, HasSubstr("STRIPE_API_BASE must be https://"));
    EXPECT_THAT(faults, Not(HasSubstr("hunter2")));
  }
}

TEST_F(ReadinessTest, AnotherSchemaVersionIsNotReadyUntilItIsGone) {
  const int version = std::stoi(mesh_->Value("SELECT max(version) FROM billing.schema_migrations"));
  const std::string later = std::to_string(version + 1);
  ASSERT_TRUE(AllReady());
  mesh_->Value("INSERT INTO billing.schema_migrations (version, name, sha256) VALUES (" + later + ", 'later', 'x')");
  const std::string reason = absl::StrCat("schema version is ", later, ", this daemon needs ", version);
  for (const char* daemon : kWithDatabase) {
    EXPECT_TRUE(WaitUntil([&] { return absl::StrContains(Readyz(daemon), reason); }, kSoon)) << daemon << ": " << Readyz(daemon);
    EXPECT_FALSE(mesh_->Ready(daemon)) << daemon;
  }
  mesh_->Value("DELETE FROM billing.schema_migrations WHERE version = " + later);
  EXPECT_TRUE(WaitUntil(AllReady, kSoon));
}

TEST_F(ReadinessTest, WithPostgresAwayEntitlementsAnswersFromMemoryAndStaysReady) {
  const std::string known = mesh_->AddWorkspace("known", "user_known");
  const std::string unknown = mesh_->AddWorkspace("unknown", "user_unknown");
  pb::CheckResponse before;
  ASSERT_TRUE(Check(known, before).ok());
  EXPECT_TRUE(before.granted());
  EXPECT_FALSE(before.stale());

  mesh_->StopPostgres();
  for (const char* daemon : {"checkout", "webhook", "reconciler"}) {
    EXPECT_TRUE(WaitUntil([&] { return !mesh_->Ready(daemon); }, kSoon)) << daemon;
  }
  pb::CheckResponse away;
  EXPECT_TRUE(WaitUntil([&] { return Check(known, away).ok() && away.stale(); }, kSoon));
  EXPECT_TRUE(away.granted());
  EXPECT_EQ(away.revision(), before.revision());
  pb::CheckResponse none;
  EXPECT_EQ(Check(unknown, none).error_code(), grpc::StatusCode::UNAVAILABLE) << "what isn't in memory isn't made up";
  EXPECT_TRUE(mesh_->Ready("entitlements"));

  mesh_->StartPostgres();
  EXPECT_TRUE(WaitUntil(AllReady, kSoon));
  EXPECT_TRUE(WaitUntil([&] { return Check(unknown, none).ok() && !none.stale(); }, kSoon));
}

}  // namespace
}  // namespace billmesh
