#include "tests/fault/crash_world.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/status/status.h"
#include "common/testing/test_database.h"

namespace billmesh::crash {
namespace {

// A call that waits longer than this waits for nothing: the daemon's own bound on a provider call is shorter.
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr int kKilled = 128 + SIGKILL;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "crash world: %s\n", what.c_str());
  std::abort();
}

// As TestDatabase does it, in the mesh's own database.
constexpr char kMovableClock[] = R"sql(
  CREATE TABLE billing.test_clock (offset_interval interval NOT NULL);
  INSERT INTO billing.test_clock (offset_interval) VALUES ('0');
  GRANT SELECT ON billing.test_clock TO PUBLIC;
  CREATE OR REPLACE FUNCTION billing.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    AS 'SELECT clock_timestamp() + (SELECT c.offset_interval FROM billing.test_clock c)';
)sql";

}  // namespace

CrashWorld::CrashWorld() {
  // A copy: a build beside a long campaign must not change what it plays with.
  binary_ = mesh_.work_directory() + "/billmesh-checkout-faulty";
  std::filesystem::copy_file(testing::RequiredEnv("BILLMESH_BIN_DIR") + "/tests/fault/billmesh-checkout-faulty",
                             binary_);
  passages_ = mesh_.work_directory() + "/passages";
  mesh_.Stop("reconciler");
  mesh_.Stop("checkout");
  mesh_.Value(kMovableClock);
  HealDaemon();
}

void CrashWorld::StartDaemon(const std::string& faults) {
  daemon_.reset();
  armed_ = !faults.empty();
  auto environment = mesh_.EnvironmentOf("checkout");
  if (armed_) environment["BILLMESH_FAULTS"] = faults;
  // Two sendings a call, soon after another: what the client's own retries would heal is not what this is about.
  environment["PROVIDER_ATTEMPTS"] = "2";
  environment["PROVIDER_BACKOFF_BASE"] = "10ms";
  environment["PROVIDER_BACKOFF_MAX"] = "20ms";
  environment["BILLMESH_FAULTS_LOG"] = passages_;
  daemon_ = std::make_unique<testing::Process>(std::vector<std::string>{binary_}, environment,
                                               mesh_.work_directory() + "/checkout.log");
  testing::WaitUntil([&] { return mesh_.Ready("checkout") || !daemon_->running(); }, absl::Seconds(30));
  if (!mesh_.Ready("checkout")) Die("the checkout daemon doesn't become ready; see " + mesh_.work_directory());
  Connect();
}

// Anew for each daemon: a channel that saw its server die waits before it tries again.
void CrashWorld::Connect() {
  const auto channel = [&](const char* name) {
    return rpc::MakeChannel(mesh_.grpc_address("checkout"),
                            {mesh_.Identity("ca.pem"), mesh_.Identity(absl::StrCat(name, ".pem")),
                             mesh_.Identity(absl::StrCat(name, ".key"))});
  };
  const auto service = channel("service");
  checkout_ = pb::CheckoutService::NewStub(service);
  account_ = pb::AccountService::NewStub(service);
  recovery_ = pb::CheckoutService::NewStub(channel("reconciler"));
}

bool CrashWorld::DaemonDied() {
  const auto code = daemon_->Wait(absl::Seconds(2));
  if (code.has_value() && *code != kKilled) Die(absl::StrCat("the checkout daemon ended with ", *code));
  return code.has_value();
}

void CrashWorld::HealDaemon() {
  if (!DaemonRuns() || armed_) StartDaemon("");
}

void CrashWorld::MoveClocks(absl::Duration by) {
  const int64_t seconds = absl::ToInt64Seconds(by);
  mesh_.Value(absl::StrCat("UPDATE billing.test_clock SET offset_interval = offset_interval + interval '1 second' * ",
                           seconds));
  Sim("POST", "clock", {{"advance_s", seconds}});
}

nlohmann::json CrashWorld::Sim(const std::string& method, const std::string& path, const nlohmann::json& body) {
  const testing::HttpAnswer answer =
      mesh_.Send(method, absl::StrCat(mesh_.sim_url(), "/_sim/", path), body.is_null() ? "" : body.dump(),
                 {{"Content-Type", "application/json"}});
  if (answer.status >= 300 || answer.status == 0)
    Die(absl::StrCat("simulator: ", method, " ", path, ": ", answer.body));
  return answer.json();
}

nlohmann::json CrashWorld::EffectsSince(int64_t seq) {
  return Sim("GET", absl::StrCat("ledger?kind=effect&limit=10000&since=", seq)).at("entries");
}

nlohmann::json CrashWorld::WritesSince(int64_t seq) {
  const nlohmann::json requests = Sim("GET", absl::StrCat("ledger?kind=request&limit=10000&since=", seq)).at("entries");
  nlohmann::json writes = nlohmann::json::array();
  for (const nlohmann::json& request : requests) {
    if (request.at("method") != "GET") writes.push_back(request);
  }
  return writes;
}

nlohmann::json CrashWorld::Object(const std::string& id) {
  const nlohmann::json events = Sim("GET", "events?object=" + id).at("data");
  return events.empty() ? nlohmann::json(nullptr) : events.back().at("data").at("object");
}

void CrashWorld::ForgetPassages() { std::ofstream(passages_, std::ios::trunc); }

std::set<std::string> CrashWorld::Passages() {
  std::ifstream in(passages_);
  std::set<std::string> passed;
  for (std::string line; std::getline(in, line);) passed.insert(line);
  return passed;
}

std::string CrashWorld::NewEntity() {
  const std::string name = absl::StrCat("crash-", ++entities_);
  pb::EnsureEntityRequest request;
  request.set_kind(billing::types::v1::ENTITY_KIND_WORKSPACE);
  request.set_ref(name);
  request.set_slug(name);
  request.set_display_name(name);
  pb::EnsureEntityResponse response;
  const CallEnd end = Call(*account_, &pb::AccountService::Stub::EnsureEntity, request, response);
  if (!end.ok()) Die("no workspace could be made: " + end.code);
  return response.entity().entity_id();
}

void CrashWorld::Prepare(grpc::ClientContext& context) { rpc::PrepareContext(context, kCallTimeout); }

CallEnd CrashWorld::Ended(const grpc::Status& status) {
  if (status.ok()) return {true, "ok"};
  const Reason reason = ReasonOf(rpc::FromGrpc(status));
  if (reason == Reason::FAILURE_REASON_PEER_UNAVAILABLE) return {false, status.error_message()};
  if (reason == Reason::FAILURE_REASON_UNSPECIFIED) return {true, absl::StrCat("gRPC: ", status.error_message())};
  return {true, CodeOf(reason)};
}

}  // namespace billmesh::crash
