#include "services/checkout/payment_method_sync_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {

absl::StatusOr<KnownMethods> ReadKnownMethods(db::Tx& tx, std::string_view entity_id, std::string_view provider,
                                              int limit) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT l.provider_customer_id, m.provider_payment_method_id
    FROM billing.entity_customers l
    LEFT JOIN billing.payment_methods m
      ON m.entity_id = l.entity_id AND m.provider = l.provider AND m.provider_customer_id = l.provider_customer_id
        AND m.detached_at IS NULL
    WHERE l.entity_id = $1 AND l.provider = $2 AND l.ended_at IS NULL
    ORDER BY m.provider_created_at DESC, m.id DESC
    LIMIT $3
  )sql",
                                                  {entity_id, provider, limit}));
  KnownMethods known;
  for (int n = 0; n < rows.size(); ++n) {
    known.customer_id = rows[n].Text(0);
    if (const auto method = rows[n].OptText(1)) known.method_ids.push_back(*method);
  }
  return known;
}

}  // namespace billmesh::checkout
