#include "services/reconciler/checkout_peer.h"

#include <utility>

#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/status/status.h"

namespace billmesh::reconciler {
namespace {

namespace pb = ::billing::checkout::v1;

// Statuses that we don't know are no end.
Recovered Read(const pb::RecoverOperationResponse& response) {
  switch (response.operation_status()) {
    case pb::OPERATION_STATUS_SUCCEEDED:
      return {true, "succeeded", ""};
    case pb::OPERATION_STATUS_FAILED:
      return {true, "failed", response.failure_code()};
    case pb::OPERATION_STATUS_EXPIRED:
      return {true, "expired", response.failure_code()};
    default:
      return {false, "pending", ""};
  }
}

}  // namespace

struct GrpcCheckoutPeer::Impl {
  std::unique_ptr<pb::CheckoutService::Stub> stub;
};

GrpcCheckoutPeer::GrpcCheckoutPeer(std::shared_ptr<grpc::Channel> channel) : impl_(std::make_unique<Impl>()) {
  impl_->stub = pb::CheckoutService::NewStub(std::move(channel));
}

GrpcCheckoutPeer::~GrpcCheckoutPeer() = default;

absl::StatusOr<Recovered> GrpcCheckoutPeer::RecoverOperation(const std::string& operation_id, absl::Duration timeout) {
  pb::RecoverOperationRequest request;
  request.set_operation(operation_id);
  pb::RecoverOperationResponse response;
  grpc::ClientContext context;
  rpc::PrepareContext(context, timeout);
  RETURN_IF_ERROR(rpc::FromGrpc(impl_->stub->RecoverOperation(&context, request, &response)));
  return Read(response);
}

}  // namespace billmesh::reconciler
