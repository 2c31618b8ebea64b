#include "services/edge/grpc_forwarder.h"

#include <future>

#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/auth/identity.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

using billing::checkout::v1::CheckoutService;
using billing::checkout::v1::GetCheckoutRequest;
using billing::checkout::v1::GetCheckoutResponse;

constexpr char kGetCheckout[] = "/billing.checkout.v1.CheckoutService/GetCheckout";

class FakeSigner : public auth::AssertionSigner {
 public:
  absl::StatusOr<std::string> Sign(const auth::UserIdentity& user) override {
    if (user.subject == "unsignable") return absl::InternalError("no key");
    return "assertion-of-" + user.subject;
  }
};

// Says back what came with the call.
class EchoCheckout : public CheckoutService::Service {
 public:
  grpc::Status GetCheckout(grpc::ServerContext* context, const GetCheckoutRequest* request,
                           GetCheckoutResponse* response) override {
    const auto metadata = [&](const char* key) {
      const auto it = context->client_metadata().find(key);
      return it == context->client_metadata().end() ? std::string() : std::string(it->second.data(), it->second.size());
    };
    if (request->operation() == "refuse") {
      return rpc::ToGrpc(Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such operation", {{"what", "operation"}}));
    }
    if (request->operation() == "hang") {
      started.set_value();
      while (!context->IsCancelled()) std::this_thread::yield();
      return grpc::Status::CANCELLED;
    }
    response->set_operation(request->operation());
    response->set_url(metadata(auth::kUserAssertionHeader));
    response->set_plan_code(metadata("x-request-id"));
    response->set_failure_code(metadata("traceparent"));
    return grpc::Status::OK;
  }
  std::promise<void> started;
};

class GrpcForwarderTest : public testing::Test {
 protected:
  GrpcForwarderTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    grpc_server_ = builder.BuildAndStart();
    forwarder_ = std::make_unique<GrpcForwarder>(
        std::map<std::string, std::shared_ptr<grpc::Channel>>{{"checkout", grpc_server_->InProcessChannel({})}},
        signer_);
  }
  ~GrpcForwarderTest() override {
    forwarder_.reset();
    grpc_server_->Shutdown();
  }
  static ForwardCall CallOf(const std::string& operation) {
    GetCheckoutRequest request;
    request.set_operation(operation);
    return {"checkout",
            kGetCheckout,
            request.SerializeAsString(),
            auth::UserIdentity{"user-1", {}},
            {"request-0001", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
            absl::Seconds(10)};
  }
  std::future<absl::StatusOr<std::string>> Start(ForwardCall call) {
    auto answered = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
    forwarder_->Forward(std::move(call),
                        [answered](absl::StatusOr<std::string> answer) { answered->set_value(std::move(answer)); });
    return answered->get_future();
  }
  absl::StatusOr<std::string> Send(ForwardCall call) { return Start(std::move(call)).get(); }

  FakeSigner signer_;
  EchoCheckout service_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<GrpcForwarder> forwarder_;
};

TEST_F(GrpcForwarderTest, CallsAnyMethodByNameWithAssertionAndTrace) {
  const auto answer = Send(CallOf("op-1"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  GetCheckoutResponse response;
  ASSERT_TRUE(response.ParseFromString(*answer));
  EXPECT_EQ(response.operation(), "op-1");
  EXPECT_EQ(response.url(), "assertion-of-user-1");
  EXPECT_EQ(response.plan_code(), "request-0001");
  EXPECT_EQ(response.failure_code(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST_F(GrpcForwarderTest, WithoutAUserThereIsNoAssertion) {
  ForwardCall call = CallOf("op-1");
  call.user.reset();
  GetCheckoutResponse response;
  ASSERT_TRUE(response.ParseFromString(Send(std::move(call)).value()));
  EXPECT_EQ(response.url(), "");
}

TEST_F(GrpcForwarderTest, RefusalsKeepTheirReason) {
  const auto answer = Send(CallOf("refuse"));
  EXPECT_EQ(ReasonOf(answer.status()), Reason::FAILURE_REASON_NOT_FOUND);
  EXPECT_EQ(MetadataOf(answer.status())["what"], "operation");
}

TEST_F(GrpcForwarderTest, ADeadlineEndsTheCall) {
  ForwardCall call = CallOf("hang");
  call.timeout = absl::Milliseconds(50);
  EXPECT_EQ(ReasonOf(Send(std::move(call)).status()), Reason::FAILURE_REASON_DEADLINE_EXCEEDED);
}

TEST_F(GrpcForwarderTest, ADaemonThatIsAwayIsUnavailable) {
  forwarder_ = std::make_unique<GrpcForwarder>(
      std::map<std::string, std::shared_ptr<grpc::Channel>>{
          {"checkout", grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials())}},
      signer_);
  EXPECT_EQ(ReasonOf(Send(CallOf("op-1")).status()), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
}

TEST_F(GrpcForwarderTest, FaultsBeforeTheCallAreAnswersToo) {
  ForwardCall nowhere = CallOf("op-1");
  nowhere.daemon = "nobody";
  EXPECT_EQ(Send(std::move(nowhere)).status().code(), absl::StatusCode::kInternal);
  ForwardCall unsigned_call = CallOf("op-1");
  unsigned_call.user->subject = "unsignable";
  EXPECT_EQ(Send(std::move(unsigned_call)).status().code(), absl::StatusCode::kInternal);
}

TEST_F(GrpcForwarderTest, DestructionCancelsWhatRunsAndAnswersIt) {
  auto answer = Start(CallOf("hang"));
  service_.started.get_future().wait();
  forwarder_.reset();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_FALSE(answer.get().ok());
}

}  // namespace
}  // namespace billmesh::edge
