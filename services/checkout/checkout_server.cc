#include "services/checkout/checkout_server.h"

#include <array>
#include <functional>
#include <utility>

#include "common/rpc/call.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

namespace v1 = billing::checkout::v1;

constexpr char kStartCheckout[] = "/billing.checkout.v1.CheckoutService/StartCheckout";
constexpr char kGetCheckout[] = "/billing.checkout.v1.CheckoutService/GetCheckout";
constexpr char kCancelCheckout[] = "/billing.checkout.v1.CheckoutService/CancelCheckout";
constexpr char kRecoverOperation[] = "/billing.checkout.v1.CheckoutService/RecoverOperation";
constexpr char kCreatePortalSession[] = "/billing.checkout.v1.CheckoutService/CreatePortalSession";
constexpr char kCreatePaymentLink[] = "/billing.checkout.v1.CheckoutService/CreatePaymentLink";
constexpr char kCancelSubscription[] = "/billing.checkout.v1.CheckoutService/CancelSubscription";
constexpr char kResumeSubscription[] = "/billing.checkout.v1.CheckoutService/ResumeSubscription";
constexpr char kSetAddOn[] = "/billing.checkout.v1.CheckoutService/SetAddOn";
constexpr char kSyncPaymentMethods[] = "/billing.checkout.v1.CheckoutService/SyncPaymentMethods";

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

// A number that we don't know is none.
CancelTiming TimingOf(v1::CancelTiming timing) {
  if (timing == v1::CANCEL_TIMING_AT_PERIOD_END) return CancelTiming::kAtPeriodEnd;
  return timing == v1::CANCEL_TIMING_NOW ? CancelTiming::kNow : CancelTiming::kUnset;
}

CheckoutOrder OrderOf(const v1::StartCheckoutRequest& request) {
  return {request.plan_code(), request.success_path(), request.cancel_path(), request.seats()};
}
CancelCheckoutOrder OrderOf(const v1::CancelCheckoutRequest& request) { return {request.operation()}; }
PortalOrder OrderOf(const v1::CreatePortalSessionRequest& request) { return {request.return_path()}; }
PaymentLinkOrder OrderOf(const v1::CreatePaymentLinkRequest& request) {
  PaymentLinkOrder order;
  order.item_code = request.item_code();
  if (request.has_ad_hoc()) {
    order.ad_hoc =
        AdHocItem{request.ad_hoc().name(), request.ad_hoc().unit_amount_minor(), request.ad_hoc().currency()};
  }
  order.quantity = request.quantity();
  order.success_path = request.success_path();
  return order;
}
CancelSubscriptionOrder OrderOf(const v1::CancelSubscriptionRequest& request) { return {TimingOf(request.timing())}; }
ResumeSubscriptionOrder OrderOf(const v1::ResumeSubscriptionRequest&) { return {}; }
SetAddOnOrder OrderOf(const v1::SetAddOnRequest& request) { return {request.plan_code(), request.quantity()}; }

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

void Fill(const CancelCheckoutAnswer& answer, v1::CancelCheckoutResponse& response) {
  response.set_operation(answer.operation);
  response.set_session_status(Convert<v1::CheckoutSessionStatus>(kSessionStatusNumbers, answer.session_status));
}

void Fill(const OperationView& view, v1::RecoverOperationResponse& response) {
  response.set_operation_status(Convert<v1::OperationStatus>(kOperationStatuses, view.status));
  response.set_failure_code(view.failure_code);
}

void Fill(const PortalAnswer& answer, v1::CreatePortalSessionResponse& response) {
  response.set_operation(answer.operation);
  response.set_url(answer.url);
}

void Fill(const PaymentLinkAnswer& answer, v1::CreatePaymentLinkResponse& response) {
  response.set_operation(answer.operation);
  response.set_url(answer.url);
}

// Cancelling and resuming answer alike.
template <typename Response>
void Fill(const SubscriptionChangeAnswer& answer, Response& response) {
  response.set_operation(answer.operation);
  response.set_status(answer.status);
  response.set_cancel_at_period_end(answer.cancel_at_period_end);
}

void Fill(const SubscriptionChangeAnswer& answer, v1::SetAddOnResponse& response) {
  response.set_operation(answer.operation);
  response.set_status(answer.status);
  response.set_quantity(answer.quantity);
}

}  // namespace

template <typename Request, typename Response, typename Order, typename Answer>
grpc::ServerUnaryReactor* CheckoutServer::Write(grpc::CallbackServerContext* context, const char* method,
                                                const Request* request, Response* response,
                                                absl::StatusOr<Answer> (checkout::CheckoutService::*use_case)(
                                                    const auth::Caller&, const checkout::CheckoutService::Selector&,
                                                    const std::string&, const Order&)) {
  return rpc::Blocking(
      calls_, context, method, [this, request, response, use_case](const rpc::CallContext& call) -> absl::Status {
        RETURN_IF_ERROR(CheckClientKey(request->idempotency_key()));
        const Order order = OrderOf(*request);
        RETURN_IF_ERROR(CheckOrder(order));
        ASSIGN_OR_RETURN(const Answer answer,
                         std::invoke(use_case, service_, call.caller, request->entity(), request->idempotency_key(), order));
        Fill(answer, *response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CheckoutServer::StartCheckout(grpc::CallbackServerContext* context,
                                                        const v1::StartCheckoutRequest* request,
                                                        v1::StartCheckoutResponse* response) {
  return Write(context, kStartCheckout, request, response, &checkout::CheckoutService::StartCheckout);
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

grpc::ServerUnaryReactor* CheckoutServer::CancelCheckout(grpc::CallbackServerContext* context,
                                                         const v1::CancelCheckoutRequest* request,
                                                         v1::CancelCheckoutResponse* response) {
  return Write(context, kCancelCheckout, request, response, &checkout::CheckoutService::CancelCheckout);
}

grpc::ServerUnaryReactor* CheckoutServer::RecoverOperation(grpc::CallbackServerContext* context,
                                                           const v1::RecoverOperationRequest* request,
                                                           v1::RecoverOperationResponse* response) {
  return rpc::Blocking(
      calls_, context, kRecoverOperation, [this, request, response](const rpc::CallContext& call) -> absl::Status {
        ASSIGN_OR_RETURN(const OperationView view, service_.RecoverOperation(call.caller, request->operation()));
        Fill(view, *response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CheckoutServer::CreatePortalSession(grpc::CallbackServerContext* context,
                                                              const v1::CreatePortalSessionRequest* request,
                                                              v1::CreatePortalSessionResponse* response) {
  return Write(context, kCreatePortalSession, request, response, &checkout::CheckoutService::CreatePortalSession);
}

grpc::ServerUnaryReactor* CheckoutServer::CreatePaymentLink(grpc::CallbackServerContext* context,
                                                            const v1::CreatePaymentLinkRequest* request,
                                                            v1::CreatePaymentLinkResponse* response) {
  return Write(context, kCreatePaymentLink, request, response, &checkout::CheckoutService::CreatePaymentLink);
}

grpc::ServerUnaryReactor* CheckoutServer::CancelSubscription(grpc::CallbackServerContext* context,
                                                             const v1::CancelSubscriptionRequest* request,
                                                             v1::CancelSubscriptionResponse* response) {
  return Write(context, kCancelSubscription, request, response, &checkout::CheckoutService::CancelSubscription);
}

grpc::ServerUnaryReactor* CheckoutServer::ResumeSubscription(grpc::CallbackServerContext* context,
                                                             const v1::ResumeSubscriptionRequest* request,
                                                             v1::ResumeSubscriptionResponse* response) {
  return Write(context, kResumeSubscription, request, response, &checkout::CheckoutService::ResumeSubscription);
}

grpc::ServerUnaryReactor* CheckoutServer::SetAddOn(grpc::CallbackServerContext* context,
                                                   const v1::SetAddOnRequest* request, v1::SetAddOnResponse* response) {
  return Write(context, kSetAddOn, request, response, &checkout::CheckoutService::SetAddOn);
}

grpc::ServerUnaryReactor* CheckoutServer::SyncPaymentMethods(grpc::CallbackServerContext* context,
                                                             const v1::SyncPaymentMethodsRequest* request,
                                                             v1::SyncPaymentMethodsResponse* response) {
  return rpc::Blocking(
      calls_, context, kSyncPaymentMethods, [this, request, response](const rpc::CallContext& call) -> absl::Status {
        ASSIGN_OR_RETURN(const SyncedMethods synced, service_.SyncPaymentMethods(call.caller, request->entity()));
        response->set_count(synced.count);
        response->set_complete(synced.complete);
        return absl::OkStatus();
      });
}

}  // namespace billmesh::checkout
