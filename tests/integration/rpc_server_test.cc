// The contract of common/rpc over real mTLS: who is let in, what is answered when there is no room or no time, and how
// a server ends. The service is generated from an ordinary contract, so that its methods are in the policy table.
#include "common/rpc/server.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "billing/reconciler/v1/operations.grpc.pb.h"
#include "common/auth/method_policy.h"
#include "common/auth/user_assertion.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "common/testing/process.h"
#include "common/testing/test_database.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"

namespace billmesh::rpc {
namespace {

namespace pb = ::billing::reconciler::v1;

// Far beyond what any call here takes: one that runs into it fails its test.
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

// The system's clocks, the monotonic one moved ahead at will.
class MovedClock : public Clock {
 public:
  absl::Time Now() override { return system_.Now(); }
  absl::Duration Monotonic() override { return system_.Monotonic() + absl::Seconds(ahead_seconds_.load()); }
  void Advance(absl::Duration by) { ahead_seconds_ += absl::ToInt64Seconds(by); }

 private:
  SystemClock system_;
  std::atomic<int64_t> ahead_seconds_ = 0;
};

// Holds who passes until it is opened.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  // Whether somebody came to the gate, within the limit.
  bool Reached() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, absl::ToChronoSeconds(kPatience), [this] { return reached_; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false, open_ = false;  // guarded by mutex_
};

class TestService : public pb::OperationsService::CallbackService {
 public:
  TestService(CallHost& calls, std::function<void()> work) : calls_(calls), work_(std::move(work)) {}

  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context, const pb::ListDeadLettersRequest*,
                                            pb::ListDeadLettersResponse* response) override {
    return Blocking(calls_, context, "/billing.reconciler.v1.OperationsService/ListDeadLetters",
                    [this, response](const CallContext& call) {
                      work_();
                      response->set_next_page_token(call.caller.AuditActor());
                      return absl::OkStatus();
                    });
  }
  // Served under a name that nobody put into the policy table.
  grpc::ServerUnaryReactor* RequeueJob(grpc::CallbackServerContext* context, const pb::RequeueJobRequest*,
                                       pb::RequeueJobResponse*) override {
    return Inline(calls_, context, "/billing.reconciler.v1.OperationsService/NobodyListedThis", [this](const auto&) {
      work_();
      return absl::OkStatus();
    });
  }

 private:
  CallHost& calls_;
  const std::function<void()> work_;
};

struct Answer {
  absl::Status status;
  std::string actor;
};

class RpcServerTest : public ::testing::Test {
 protected:
  RpcServerTest() : identity_(testing::RequiredEnv("BILLMESH_DEV_DIR")) {
    auto verifier = auth::AssertionVerifier::Create(identity_ + "/assertion.jwks.json", clock_);
    EXPECT_TRUE(verifier.ok()) << verifier.status();
    verifier_ = std::move(*verifier);
    calls_ = std::make_unique<CallHost>(clock_, executor_, verifier_.get());
    service_ = std::make_unique<TestService>(*calls_, [this] {
      ++ran_;
      if (work_waits_) gate_.Pass();
    });
    auto server = Server::Start({.listen = "127.0.0.1:0", .tls = Files(identity_, "reconciler")}, {service_.get()});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
    address_ = absl::StrCat("127.0.0.1:", server_->port());
  }
  ~RpcServerTest() override {
    gate_.Open();
    server_->Drain(absl::Seconds(1));
    if (!foreign_.empty()) std::filesystem::remove_all(foreign_);
  }

  // A holder's certificate of one CA, trusting the CA of the mesh.
  TlsFiles Files(const std::string& directory, const std::string& name) const {
    return {identity_ + "/ca.pem", directory + "/" + name + ".pem", directory + "/" + name + ".key"};
  }
  std::shared_ptr<grpc::Channel> ChannelAs(const std::string& name) const {
    return MakeChannel(address_, Files(identity_, name));
  }
  // The directory of another CA that signed the operator's name.
  const std::string& Foreign() {
    if (foreign_.empty()) {
      std::string pattern = (std::filesystem::temp_directory_path() / "billmesh-foreign.XXXXXX").string();
      EXPECT_NE(mkdtemp(pattern.data()), nullptr);
      foreign_ = pattern;
      const auto made = testing::RunCommand(
          {testing::RequiredEnv("BILLMESH_SOURCE_ROOT") + "/deploy/local/dev_identity", "certificate", "--name",
           "operator", "--uri", "spiffe://billmesh/operator/local", "--dir", foreign_},
          {});
      EXPECT_EQ(made.exit_code, 0) << made.output;
    }
    return foreign_;
  }

  static Answer List(const std::shared_ptr<grpc::Channel>& channel, const std::string& assertion = "") {
    grpc::ClientContext context;
    PrepareContext(context, kPatience, assertion);
    pb::ListDeadLettersResponse response;
    const grpc::Status status =
        pb::OperationsService::NewStub(channel)->ListDeadLetters(&context, pb::ListDeadLettersRequest(), &response);
    return {FromGrpc(status), response.next_page_token()};
  }
  static grpc::StatusCode CallUnlisted(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    PrepareContext(context, kPatience);
    pb::RequeueJobResponse response;
    return pb::OperationsService::NewStub(channel)
        ->RequeueJob(&context, pb::RequeueJobRequest(), &response)
        .error_code();
  }
  std::string Assertion(const std::vector<std::string>& permissions) {
    auto signer = auth::AssertionSigner::Create(identity_ + "/assertion.key", clock_);
    EXPECT_TRUE(signer.ok()) << signer.status();
    return *(*signer)->Sign({"ann", permissions});
  }

  const std::string identity_;
  MovedClock clock_;
  Gate gate_;
  std::atomic<int> ran_ = 0;
  std::atomic<bool> work_waits_ = false;
  Executor executor_{1, 1};
  std::unique_ptr<auth::AssertionVerifier> verifier_;
  std::unique_ptr<CallHost> calls_;
  std::unique_ptr<TestService> service_;
  std::unique_ptr<Server> server_;
  std::string address_, foreign_;
};

// Bytes of a call without generated code: the standard services of gRPC aren't among our contracts.
grpc::ByteBuffer Buffer(const std::string& bytes) {
  grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}
std::string Bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// HealthCheckResponse.status of the whole server as it is on the wire: field 1, 1 SERVING, 2 NOT_SERVING. -1 for no
// answer.
int Health(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  PrepareContext(context, kPatience);
  const grpc::ByteBuffer request = Buffer("");
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  grpc::GenericStub(channel).UnaryCall(&context, kHealthCheck, {}, &request, &response,
                                       [&](grpc::Status status) { done.set_value(std::move(status)); });
  const std::string bytes = done.get_future().get().ok() ? Bytes(response) : "";
  return bytes.size() == 2 && bytes[0] == 0x08 ? bytes[1] : -1;
}

// ServerReflectionResponse to a request for the list of services; empty for no answer.
std::string ListServices(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  PrepareContext(context, kPatience);
  grpc::CompletionQueue queue;
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = grpc::GenericStub(channel).PrepareCall(&context, kReflection, &queue);
  grpc::ByteBuffer response;
  call->StartCall(nullptr);
  if (!done()) return "";
  call->Write(Buffer(std::string("\x3a\x01*", 3)), nullptr);  // field 7, list_services: "*"
  if (!done()) return "";
  call->Read(&response, nullptr);
  if (!done()) return "";
  grpc::Status status;
  call->WritesDone(nullptr);
  done();
  call->Finish(&status, nullptr);
  done();
  return status.ok() ? Bytes(response) : "";
}

TEST_F(RpcServerTest, ACertificateOfTheMeshIsLetInUnderItsName) {
  const Answer answer = List(ChannelAs("operator"));
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.actor, "service:spiffe://billmesh/operator/local");
}

TEST_F(RpcServerTest, AClientWithoutACertificateIsRefused) {
  const auto read = [this](const std::string& name) {
    std::ifstream file(identity_ + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("billmesh");
  grpc::SslCredentialsOptions options{.pem_root_certs = read("ca.pem")};
  const auto channel = grpc::CreateCustomChannel(address_, grpc::SslCredentials(options), arguments);
  EXPECT_EQ(List(channel).status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Health(channel), -1);
  EXPECT_EQ(ran_, 0);
  // It was the certificate that was missing: the same client with one is let in.
  options.pem_private_key = read("operator.key");
  options.pem_cert_chain = read("operator.pem");
  EXPECT_TRUE(List(grpc::CreateCustomChannel(address_, grpc::SslCredentials(options), arguments)).status.ok());
}

TEST_F(RpcServerTest, ACertificateOfAForeignCaIsRefusedWhateverNameItHas) {
  const auto channel = MakeChannel(address_, Files(Foreign(), "operator"));
  EXPECT_EQ(ReasonOf(List(channel).status), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
  EXPECT_EQ(Health(channel), -1);
  EXPECT_EQ(ran_, 0);
}

TEST_F(RpcServerTest, AClientRefusesAServerOfAForeignCa) {
  // It trusts the mesh, so that only the client's own look at its certificate is left.
  auto impostor = Server::Start({.listen = "127.0.0.1:0", .tls = Files(Foreign(), "operator")}, {service_.get()});
  ASSERT_TRUE(impostor.ok()) << impostor.status();
  const auto channel = MakeChannel(absl::StrCat("127.0.0.1:", (*impostor)->port()), Files(identity_, "operator"));
  EXPECT_EQ(ReasonOf(List(channel).status), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
  EXPECT_EQ(ran_, 0);
}

TEST_F(RpcServerTest, HealthIsWhatTheServerWasToldAndNotServingAtFirst) {
  const auto channel = ChannelAs("service");
  EXPECT_EQ(Health(channel), 2);
  server_->SetServing(true);
  EXPECT_EQ(Health(channel), 1);
  server_->SetServing(false);
  EXPECT_EQ(Health(channel), 2);
}

TEST_F(RpcServerTest, ReflectionNamesTheServices) {
  EXPECT_NE(ListServices(ChannelAs("service")).find("billing.reconciler.v1.OperationsService"), std::string::npos);
}

TEST_F(RpcServerTest, AMethodThatIsNotInThePolicyTableIsDeniedToEverybody) {
  for (const char* name : {"edge", "checkout", "webhook", "entitlements", "reconciler", "operator", "service"}) {
    EXPECT_EQ(CallUnlisted(ChannelAs(name)), grpc::StatusCode::PERMISSION_DENIED) << name;
  }
  EXPECT_EQ(ran_, 0);
}

TEST_F(RpcServerTest, AServiceMayNotCallAnOperatorsMethod) {
  const Answer answer = List(ChannelAs("service"));
  EXPECT_EQ(ToGrpc(answer.status).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ReasonOf(answer.status), Reason::FAILURE_REASON_PERMISSION_DENIED);
  EXPECT_EQ(ran_, 0);
}

TEST_F(RpcServerTest, OnlyTheEdgeMaySpeakForAUser) {
  const std::string assertion = Assertion({std::string(auth::kBillingOperator)});
  for (const char* name : {"operator", "service", "checkout"}) {
    const Answer answer = List(ChannelAs(name), assertion);
    EXPECT_EQ(ToGrpc(answer.status).error_code(), grpc::StatusCode::UNAUTHENTICATED) << name;
    EXPECT_EQ(ReasonOf(answer.status), Reason::FAILURE_REASON_UNAUTHENTICATED) << name;
  }
  EXPECT_EQ(ran_, 0);
  const Answer answer = List(ChannelAs("edge"), assertion);
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.actor, "user:ann");
}

TEST_F(RpcServerTest, ACallWhoseDeadlinePassedInTheQueueIsNotBegun) {
  ASSERT_TRUE(executor_.TrySubmit([this] { gate_.Pass(); }));
  ASSERT_TRUE(gate_.Reached());
  auto answer = std::async(std::launch::async, [this] { return List(ChannelAs("operator")); });
  ASSERT_TRUE(testing::WaitUntil([this] { return executor_.queued() == 1; }));
  // By the server's clock only: the client still waits, and so sees what the server says.
  clock_.Advance(kPatience + absl::Seconds(1));
  gate_.Open();
  const absl::Status status = answer.get().status;
  EXPECT_EQ(ToGrpc(status).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_NE(status.message().find("before the call was begun"), std::string::npos) << status;
  EXPECT_EQ(ran_, 0);
}

TEST_F(RpcServerTest, AFullExecutorAnswersOverloadedAtOnce) {
  ASSERT_TRUE(executor_.TrySubmit([this] { gate_.Pass(); }));
  ASSERT_TRUE(gate_.Reached());
  ASSERT_TRUE(executor_.TrySubmit([] {}));
  // The gate is closed: an answer that waited for room would never come.
  const absl::Status status = List(ChannelAs("operator")).status;
  EXPECT_EQ(ToGrpc(status).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CodeOf(ReasonOf(status)), "overloaded");
  EXPECT_EQ(ran_, 0);
}

TEST_F(RpcServerTest, DrainLetsARunningCallFinishAndTakesNoNewOnes) {
  work_waits_ = true;
  auto answer = std::async(std::launch::async, [this] { return List(ChannelAs("operator")); });
  ASSERT_TRUE(gate_.Reached());
  ASSERT_EQ(CallUnlisted(ChannelAs("operator")), grpc::StatusCode::PERMISSION_DENIED) << "it still takes calls";
  auto drained = std::async(std::launch::async, [this] { server_->Drain(kPatience); });
  EXPECT_TRUE(
      testing::WaitUntil([this] { return CallUnlisted(ChannelAs("operator")) == grpc::StatusCode::UNAVAILABLE; }));
  gate_.Open();
  EXPECT_TRUE(answer.get().status.ok());
  drained.get();
  EXPECT_EQ(ran_, 1);
}

TEST_F(RpcServerTest, AnAddressInUseIsAnErrorThatNamesIt) {
  const auto second = Server::Start({.listen = address_, .tls = Files(identity_, "reconciler")}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(address_), std::string::npos) << second.status();
}

}  // namespace
}  // namespace billmesh::rpc
