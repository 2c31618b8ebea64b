#include "services/reconciler/checkout_peer.h"

#include <map>
#include <string>

#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::reconciler {
namespace {

namespace pb = ::billing::checkout::v1;

// Answers by the operation's name.
class Checkout final : public pb::CheckoutService::Service {
 public:
  grpc::Status RecoverOperation(grpc::ServerContext*, const pb::RecoverOperationRequest* request,
                                pb::RecoverOperationResponse* response) override {
    static const std::map<std::string, pb::OperationStatus> kStatuses = {{"pending", pb::OPERATION_STATUS_PENDING},
                                                                         {"succeeded", pb::OPERATION_STATUS_SUCCEEDED},
                                                                         {"failed", pb::OPERATION_STATUS_FAILED},
                                                                         {"expired", pb::OPERATION_STATUS_EXPIRED}};
    const auto found = kStatuses.find(request->operation());
    if (found == kStatuses.end()) {
      return rpc::ToGrpc(Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such operation", {{"what", "operation"}}));
    }
    response->set_operation_status(found->second);
    response->set_failure_code("checkout_provider_error");
    return grpc::Status::OK;
  }
};

class CheckoutPeerTest : public ::testing::Test {
 protected:
  CheckoutPeerTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&checkout_);
    server_ = builder.BuildAndStart();
    peer_ = std::make_unique<GrpcCheckoutPeer>(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials()));
  }
  absl::StatusOr<Recovered> Recover(const std::string& operation, absl::Duration timeout = absl::Seconds(10)) {
    return peer_->RecoverOperation(operation, timeout);
  }
  int port_ = 0;
  Checkout checkout_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<GrpcCheckoutPeer> peer_;
};

TEST_F(CheckoutPeerTest, SaysWhatBecameOfAnOperation) {
  for (const char* status : {"succeeded", "failed", "expired"}) {
    const auto recovered = Recover(status);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_TRUE(recovered->ended);
    EXPECT_EQ(recovered->status, status);
    EXPECT_EQ(recovered->failure_code, recovered->status == "succeeded" ? "" : "checkout_provider_error");
  }
  const auto pending = Recover("pending");
  ASSERT_TRUE(pending.ok()) << pending.status();
  EXPECT_FALSE(pending->ended);
}

TEST_F(CheckoutPeerTest, FailuresKeepTheirReason) {
  EXPECT_EQ(ReasonOf(Recover("unknown").status()), Reason::FAILURE_REASON_NOT_FOUND);
  server_->Shutdown();
  EXPECT_EQ(ReasonOf(Recover("pending", absl::Seconds(2)).status()), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
}

}  // namespace
}  // namespace billmesh::reconciler
