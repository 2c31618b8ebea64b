#include "services/checkout/customer_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {

absl::StatusOr<std::optional<std::string>> LiveCustomer(db::Tx& tx, std::string_view entity_id,
                                                        std::string_view provider) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT c.provider_customer_id
    FROM billing.entity_customers c
    WHERE c.entity_id = $1 AND c.provider = $2 AND c.ended_at IS NULL
  )sql",
                                                  {entity_id, provider}));
  if (rows.empty()) return std::optional<std::string>();
  return std::optional<std::string>(rows[0].Text(0));
}

absl::StatusOr<bool> LinkCustomer(db::Tx& tx, IdGenerator& ids, std::string_view entity_id, std::string_view provider,
                                  std::string_view provider_customer_id) {
  ASSIGN_OR_RETURN(const db::Result inserted, tx.Exec(R"sql(
    INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (entity_id, provider) WHERE ended_at IS NULL DO NOTHING
  )sql",
                                                      {ids.NewId(), entity_id, provider, provider_customer_id}));
  return inserted.affected() == 1;
}

absl::StatusOr<bool> HasOtherLiveSubscription(db::Tx& tx, std::string_view entity_id, std::string_view operation_key,
                                              const std::optional<std::string>& provider_subscription_id) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT EXISTS (
      SELECT 1
      FROM billing.subscriptions s
      WHERE s.entity_id = $1 AND s.status NOT IN ('canceled', 'incomplete_expired') AND s.operation_key IS DISTINCT FROM $2
        AND s.provider_subscription_id IS DISTINCT FROM $3)
  )sql",
                                                  {entity_id, operation_key, provider_subscription_id}));
  return rows[0].Bool(0);
}

absl::StatusOr<bool> IsSubscriptionProjected(db::Tx& tx, std::string_view entity_id, std::string_view operation_key,
                                             const std::optional<std::string>& provider_subscription_id) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT EXISTS (
      SELECT 1
      FROM billing.subscriptions s
      WHERE s.entity_id = $1 AND (s.operation_key = $2 OR s.provider_subscription_id = $3))
  )sql",
                                                  {entity_id, operation_key, provider_subscription_id}));
  return rows[0].Bool(0);
}

}  // namespace billmesh::checkout
