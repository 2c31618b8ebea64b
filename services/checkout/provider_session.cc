#include "services/checkout/provider_session.h"

#include <utility>

#include "common/status/status.h"
#include "services/checkout/customer_store.h"
#include "services/checkout/session_transitions.h"

namespace billmesh::checkout {

absl::StatusOr<std::optional<SessionRow>> ApplyProviderSession(db::Tx& tx, IdGenerator& ids, const SessionRow& stored,
                                                               const provider::CheckoutSession& said,
                                                               std::optional<absl::Time> said_at,
                                                               const MoveCause& cause) {
  if (stored.provider_session_id != said.id) return std::optional<SessionRow>();
  ASSIGN_OR_RETURN(const bool projected,
                   IsSubscriptionProjected(tx, stored.entity_id, stored.operation_key, said.subscription_id));
  const auto status = StatusFor(said.status, projected);
  if (!status.has_value()) return std::optional<SessionRow>();
  SessionRow desired = stored;
  desired.status = *status;
  if (said.customer_id.has_value()) desired.provider_customer_id = said.customer_id;
  if (said.subscription_id.has_value()) desired.provider_subscription_id = said.subscription_id;
  desired.url = *status == SessionStatus::kOpen ? said.url.value_or("") : "";
  desired.expires_at = said.expires_at;
  desired.provider_updated_at = said_at;
  ASSIGN_OR_RETURN(SessionRow kept, UpsertSession(tx, ids, stored, std::move(desired), cause));
  return std::optional<SessionRow>(std::move(kept));
}

}  // namespace billmesh::checkout
