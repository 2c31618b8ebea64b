#include "services/checkout/checkout_service.h"

#include <utility>

#include "common/auth/entity_access.h"
#include "common/auth/method_policy.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"
#include "services/checkout/blocking_rules.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {

absl::StatusOr<std::string> CheckoutService::ResolveOwner(const auth::Caller& caller,
                                                          const billing::types::v1::EntitySelector& selector,
                                                          std::string_view permission) {
  return db::RunInTransaction(deps_.pool, db::Scope::System("resolve_entity"),
                              [&](db::Tx& tx) -> absl::StatusOr<std::string> {
                                ASSIGN_OR_RETURN(const auth::ResolvedEntity entity,
                                                 auth::ResolveEntity(tx, deps_.env, caller, selector, permission));
                                return entity.entity_id;
                              });
}

absl::StatusOr<CheckoutAnswer> CheckoutService::StartCheckout(const auth::Caller& caller,
                                                              const billing::types::v1::EntitySelector& selector,
                                                              const std::string& client_key,
                                                              const CheckoutOrder& order) {
  WriteRequest request;
  ASSIGN_OR_RETURN(request.entity_id, ResolveOwner(caller, selector, auth::kBillingManage));
  request.actor = caller.AuditActor();
  request.client_key = client_key;
  ASSIGN_OR_RETURN(request.canonical_request, EncodeOrder(order));
  request.fingerprint = Fingerprint(request.canonical_request);
  ASSIGN_OR_RETURN(const std::string response, deps_.kernel.Run(deps_.action, request));
  return DecodeAnswer(response);
}

absl::StatusOr<CheckoutView> CheckoutService::GetCheckout(const auth::Caller& caller,
                                                          const billing::types::v1::EntitySelector& selector,
                                                          const std::string& operation) {
  ASSIGN_OR_RETURN(const std::string entity_id, ResolveOwner(caller, selector, auth::kBillingRead));
  return db::RunInTransaction(
      deps_.pool, db::Scope::Tenant(entity_id), [&](db::Tx& tx) -> absl::StatusOr<CheckoutView> {
        std::optional<Operation> found;
        if (IsUuid(operation)) {
          ASSIGN_OR_RETURN(found, FindOperation(tx, entity_id, deps_.action.name(), operation));
        }
        if (!found.has_value()) {
          return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such checkout of this entity", {{"what", "operation"}});
        }
        ASSIGN_OR_RETURN(const auto session, FindSessionOf(tx, found->operation_key));
        ASSIGN_OR_RETURN(const absl::Time now, tx.Now());
        CheckoutView view{found->id, found->status, found->failure_code, found->plan_code, {}, "", {}};
        if (session.has_value()) {
          view.session_status = session->status;
          view.expires_at = session->expires_at;
          if (IsUrlSafe(session->status, session->expires_at, now)) view.url = session->url;
        }
        return view;
      });
}

}  // namespace billmesh::checkout
