#include "services/checkout/checkout_server.h"

#include <array>
#include <utility>

#include "common/rpc/call.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

namespace v1 = billing::checkout::v1;

constexpr char kStartCheckout[] = "/billing.checkout.v1.CheckoutService/StartCheckout";
constexpr char kGetCheckout[] = "/billing.checkout.v1.CheckoutService/GetCheckout";

constexpr std::array<std::pair<OperationStatus, v1::OperationStatus>, 4> kOperationStatuses = {{
    {OperationStatus::kPending, v1::OPERATION_STATUS_PENDING},
    {OperationStatus::kSucceeded, v1::OPERATION_STATUS_SUCCEEDED},
    {OperationStatus::kFailed, v1::OPERATION_STATUS_FAILED},
    {OperationStatus::kExpired, v1::OPERATION_STATUS_EXPIRED},
}};

constexpr std::array<std::pair<SessionStatus, v1::CheckoutSessionStatus>, 6> kSessionStatusNumbers = {{
    {SessionStatus::kOpen, v1::CHECKOUT_SESSION_STATUS_OPEN},
    {SessionStatus::kCompletedPendingSubscription, v1::CHECKOUT_SESSION_STATUS_COMPLETED_PENDING_SUBSCRIPTION},
    {SessionStatus::kRecoveryVerificationPending, v1::CHECKOUT_SESSION_STATUS_RECOVERY_VERIFICATION_PENDING},
    {SessionStatus::kCompletedReconciled, v1::CHECKOUT_SESSION_STATUS_COMPLETED_RECONCILED},
    {SessionStatus::kExpired, v1::CHECKOUT_SESSION_STATUS_EXPIRED},
    {SessionStatus::kAbandoned, v1::CHECKOUT_SESSION_STATUS_ABANDONED},
}};

// The number of the first value is that of UNSPECIFIED everywhere.
template <typename Number, typename Table, typename Key>
Number Convert(const Table& table, Key key) {
  for (const auto& [from, to] : table) {
    if (from == key) return to;
  }
  return static_cast<Number>(0);
}

CheckoutOrder OrderOf(const v1::StartCheckoutRequest& request) {
  return {request.plan_code(), request.success_path(), request.cancel_path(), request.seats()};
}

void Fill(const CheckoutAnswer& answer, v1::StartCheckoutResponse& response) {
  response.set_operation(answer.operation);
  response.set_url(answer.url);
  response.set_checkout_session_id(answer.checkout_session_id);
  response.mutable_expires_at()->set_seconds(answer.expires_at_unix_seconds);
}

void Fill(const CheckoutView& view, v1::GetCheckoutResponse& response) {
  response.set_operation(view.operation);
  response.set_operation_status(Convert<v1::OperationStatus>(kOperationStatuses, view.operation_status));
  response.set_failure_code(view.failure_code);
  response.set_plan_code(view.plan_code);
  if (view.session_status.has_value()) {
    response.set_session_status(Convert<v1::CheckoutSessionStatus>(kSessionStatusNumbers, *view.session_status));
  }
  response.set_url(view.url);
  if (view.expires_at.has_value()) response.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(*view.expires_at));
}

}  // namespace

grpc::ServerUnaryReactor* CheckoutServer::StartCheckout(grpc::CallbackServerContext* context,
                                                        const v1::StartCheckoutRequest* request,
                                                        v1::StartCheckoutResponse* response) {
  return rpc::Blocking(
      calls_, context, kStartCheckout, [this, request, response](const rpc::CallContext& call) -> absl::Status {
        const CheckoutOrder order = OrderOf(*request);
        RETURN_IF_ERROR(CheckClientKey(request->idempotency_key()));
        RETURN_IF_ERROR(CheckOrder(order));
        ASSIGN_OR_RETURN(const CheckoutAnswer answer,
                         service_.StartCheckout(call.caller, request->entity(), request->idempotency_key(), order));
        Fill(answer, *response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CheckoutServer::GetCheckout(grpc::CallbackServerContext* context,
                                                      const v1::GetCheckoutRequest* request,
                                                      v1::GetCheckoutResponse* response) {
  return rpc::Blocking(calls_, context, kGetCheckout,
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         ASSIGN_OR_RETURN(const CheckoutView view,
                                          service_.GetCheckout(call.caller, request->entity(), request->operation()));
                         Fill(view, *response);
                         return absl::OkStatus();
                       });
}

}  // namespace billmesh::checkout
