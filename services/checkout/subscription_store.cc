#include "services/checkout/subscription_store.h"

#include <utility>

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

absl::StatusOr<std::optional<std::string>> FirstText(absl::StatusOr<db::Result> rows) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<std::string>();
  return std::optional<std::string>((*rows)[0].Text(0));
}

}  // namespace

absl::StatusOr<std::optional<CurrentSubscription>> FindCurrentSubscription(db::Tx& tx, std::string_view entity_id,
                                                                           std::string_view provider) {
  // One statement, so that subscription and items come from one snapshot.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT s.provider_subscription_id, s.status, s.cancel_at_period_end, s.provider_updated_at,
           i.provider_item_id, i.provider_price_id, coalesce(i.quantity, 0)
    FROM billing.subscriptions s
    LEFT JOIN billing.subscription_items i ON i.subscription_id = s.id AND i.entity_id = s.entity_id
    WHERE s.entity_id = $1 AND s.provider = $2 AND s.is_current
    ORDER BY i.id
  )sql",
                                                  {entity_id, provider}));
  if (rows.empty()) return std::optional<CurrentSubscription>();
  CurrentSubscription subscription{rows[0].Text(0), rows[0].Text(1), rows[0].Bool(2), rows[0].Time(3), {}};
  for (int n = 0; n < rows.size(); ++n) {
    const db::Row row = rows[n];
    if (row.IsNull(4)) continue;  // a subscription without items
    subscription.items.push_back({row.Text(4), row.Text(5), row.Int(6)});
  }
  return std::optional<CurrentSubscription>(std::move(subscription));
}

absl::StatusOr<std::optional<std::string>> FindPendingChange(db::Tx& tx, std::string_view entity_id) {
  return FirstText(tx.Exec(R"sql(
    SELECT o.id
    FROM billing.request_idempotency o
    WHERE o.entity_id = $1 AND o.action IN ('cancel_subscription', 'resume_subscription', 'set_add_on')
      AND o.status = 'pending'
  )sql",
                           {entity_id}));
}

absl::StatusOr<std::optional<std::string>> FindLastAddOnAnswer(db::Tx& tx, std::string_view entity_id,
                                                               std::string_view plan_code) {
  return FirstText(tx.Exec(R"sql(
    SELECT o.response
    FROM billing.request_idempotency o
    WHERE o.entity_id = $1 AND o.action = 'set_add_on' AND o.plan_code = $2 AND o.status = 'succeeded'
    ORDER BY o.completed_at DESC, o.id DESC
    LIMIT 1
  )sql",
                           {entity_id, plan_code}));
}

}  // namespace billmesh::checkout
