#include "services/checkout/checkout_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/auth/entity_access.h"
#include "common/auth/method_policy.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"
#include "services/checkout/blocking_rules.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {
namespace {

absl::Status NoSuchOperation(std::string_view message) {
  return Fail(Reason::FAILURE_REASON_NOT_FOUND, message, {{"what", "operation"}});
}

// Whether asking the provider may change what is known: of a session that blocks, or of one whose subscription is here,
// but perhaps not yet as it became by the payment (session_refresh_store.h decides).
bool MayBeUnsettled(SessionStatus status) { return Blocks(status) || status == SessionStatus::kCompletedReconciled; }

// Who may ask for any amount: those who set prices elsewhere, not the buyers.
bool MaySetAmounts(const auth::Caller& caller) {
  return caller.kind == auth::CallerKind::kService || caller.kind == auth::CallerKind::kOperator;
}

}  // namespace

absl::StatusOr<std::string> CheckoutService::ResolveOwner(const auth::Caller& caller, const Selector& selector,
                                                          std::string_view permission) {
  return db::RunInTransaction(deps_.pool, db::Scope::System("resolve_entity"),
                              [&](db::Tx& tx) -> absl::StatusOr<std::string> {
                                ASSIGN_OR_RETURN(const auth::ResolvedEntity entity,
                                                 auth::ResolveEntity(tx, deps_.env, caller, selector, permission));
                                return entity.entity_id;
                              });
}

absl::StatusOr<std::string> CheckoutService::Write(const auth::Caller& caller, const Selector& selector,
                                                   const std::string& client_key, const Action& action,
                                                   absl::StatusOr<std::string> order) {
  WriteRequest request;
  ASSIGN_OR_RETURN(request.canonical_request, std::move(order));
  ASSIGN_OR_RETURN(request.entity_id, ResolveOwner(caller, selector, auth::kBillingManage));
  request.actor = caller.AuditActor();
  request.client_key = client_key;
  request.fingerprint = Fingerprint(request.canonical_request);
  return deps_.kernel.Run(action, request);
}

absl::StatusOr<CheckoutAnswer> CheckoutService::StartCheckout(const auth::Caller& caller, const Selector& selector,
                                                              const std::string& client_key,
                                                              const CheckoutOrder& order) {
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.checkout, EncodeOrder(order)));
  return DecodeAnswer(response);
}

absl::StatusOr<CancelCheckoutAnswer> CheckoutService::CancelCheckout(const auth::Caller& caller,
                                                                     const Selector& selector,
                                                                     const std::string& client_key,
                                                                     const CancelCheckoutOrder& order) {
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.cancel_checkout, EncodeOrder(order)));
  return DecodeCancelCheckoutAnswer(response);
}

absl::StatusOr<PortalAnswer> CheckoutService::CreatePortalSession(const auth::Caller& caller, const Selector& selector,
                                                                  const std::string& client_key,
                                                                  const PortalOrder& order) {
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.portal, EncodeOrder(order)));
  return DecodePortalAnswer(response);
}

absl::StatusOr<PaymentLinkAnswer> CheckoutService::CreatePaymentLink(const auth::Caller& caller,
                                                                     const Selector& selector,
                                                                     const std::string& client_key,
                                                                     const PaymentLinkOrder& order) {
  if (order.ad_hoc.has_value() && !MaySetAmounts(caller)) {
    return Fail(Reason::FAILURE_REASON_PERMISSION_DENIED, "only services and operators may set an amount");
  }
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.payment_link, EncodeOrder(order)));
  return DecodePaymentLinkAnswer(response);
}

absl::StatusOr<SubscriptionChangeAnswer> CheckoutService::CancelSubscription(const auth::Caller& caller,
                                                                             const Selector& selector,
                                                                             const std::string& client_key,
                                                                             const CancelSubscriptionOrder& order) {
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.cancel_subscription, EncodeOrder(order)));
  return DecodeSubscriptionChangeAnswer(response);
}

absl::StatusOr<SubscriptionChangeAnswer> CheckoutService::ResumeSubscription(const auth::Caller& caller,
                                                                             const Selector& selector,
                                                                             const std::string& client_key,
                                                                             const ResumeSubscriptionOrder& order) {
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.resume_subscription, EncodeOrder(order)));
  return DecodeSubscriptionChangeAnswer(response);
}

absl::StatusOr<SubscriptionChangeAnswer> CheckoutService::SetAddOn(const auth::Caller& caller, const Selector& selector,
                                                                   const std::string& client_key,
                                                                   const SetAddOnOrder& order) {
  ASSIGN_OR_RETURN(const std::string response,
                   Write(caller, selector, client_key, deps_.actions.set_add_on, EncodeOrder(order)));
  return DecodeSubscriptionChangeAnswer(response);
}

absl::StatusOr<CheckoutView> CheckoutService::GetCheckout(const auth::Caller& caller, const Selector& selector,
                                                          const std::string& operation) {
  ASSIGN_OR_RETURN(const std::string entity_id, ResolveOwner(caller, selector, auth::kBillingRead));
  ASSIGN_OR_RETURN(StoredCheckout stored, ReadCheckout(entity_id, operation));
  if (!stored.unsettled_operation_key.empty()) {
    RETURN_IF_ERROR(deps_.refresher.Refresh(entity_id, stored.unsettled_operation_key));
    ASSIGN_OR_RETURN(stored, ReadCheckout(entity_id, operation));
  }
  return std::move(stored.view);
}

absl::StatusOr<CheckoutService::StoredCheckout> CheckoutService::ReadCheckout(const std::string& entity_id,
                                                                              const std::string& operation) {
  return db::RunInTransaction(
      deps_.pool, db::Scope::Tenant(entity_id), [&](db::Tx& tx) -> absl::StatusOr<StoredCheckout> {
        std::optional<Operation> found;
        if (IsUuid(operation)) {
          ASSIGN_OR_RETURN(found, FindOperation(tx, entity_id, kCheckoutAction, operation));
        }
        if (!found.has_value()) return NoSuchOperation("no such checkout of this entity");
        ASSIGN_OR_RETURN(const auto session, FindSessionOf(tx, found->operation_key));
        ASSIGN_OR_RETURN(const absl::Time now, tx.Now());
        StoredCheckout stored{{found->id, found->status, found->failure_code, found->plan_code, {}, "", {}}, ""};
        if (session.has_value()) {
          stored.view.session_status = session->status;
          stored.view.expires_at = session->expires_at;
          if (IsUrlSafe(session->status, session->expires_at, now)) stored.view.url = session->url;
          if (MayBeUnsettled(session->status)) stored.unsettled_operation_key = found->operation_key;
        }
        return stored;
      });
}

absl::StatusOr<SyncedMethods> CheckoutService::SyncPaymentMethods(const auth::Caller& caller,
                                                                  const Selector& selector) {
  ASSIGN_OR_RETURN(const std::string entity_id, ResolveOwner(caller, selector, auth::kBillingManage));
  return deps_.methods.Sync(entity_id);
}

absl::StatusOr<OperationView> CheckoutService::RecoverOperation(const auth::Caller& caller,
                                                                const std::string& operation) {
  if (!IsUuid(operation)) return NoSuchOperation("no such operation");
  ASSIGN_OR_RETURN(const auto owner,
                   db::RunInTransaction(deps_.pool, db::Scope::System("recover_operation"),
                                        [&](db::Tx& tx) { return FindOperationOwner(tx, deps_.env, operation); }));
  if (!owner.has_value()) return NoSuchOperation("no such operation");
  const Action* const action = deps_.actions.Find(owner->action);
  // Claimed by another version of this daemon, which has to end it.
  if (action == nullptr) return absl::InternalError(absl::StrCat("no action ", owner->action));
  return deps_.kernel.Recover(*action, owner->entity_id, operation, caller.AuditActor());
}

}  // namespace billmesh::checkout
