#include "services/reconciler/pending_store.h"

#include "common/status/status.h"

namespace billmesh::reconciler {

absl::StatusOr<std::vector<StaleOperation>> ReadStaleOperations(db::Tx& tx, std::string_view env,
                                                                std::string_view provider, absl::Time stale_at,
                                                                const std::optional<RowPlace>& after, int limit) {
  // Always a place, so that the one plan reads its index from there.
  const RowPlace place = after.value_or(RowPlace{absl::UnixEpoch(), "00000000-0000-0000-0000-000000000000"});
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT o.id, o.action, coalesce(o.lease_until, o.created_at)
    FROM billing.request_idempotency o
    WHERE o.status = 'pending' AND o.env = $1 AND o.provider = $2
      AND coalesce(o.lease_until, o.created_at) <= $3
      AND (coalesce(o.lease_until, o.created_at), o.id) > ($4::timestamptz, $5::uuid)
    ORDER BY coalesce(o.lease_until, o.created_at), o.id
    LIMIT $6
  )sql",
                                                  {env, provider, stale_at, place.at, place.id, limit}));
  std::vector<StaleOperation> operations;
  for (int n = 0; n < rows.size(); ++n) {
    operations.push_back({rows[n].Text(0), rows[n].Text(1), rows[n].Time(2)});
  }
  return operations;
}

}  // namespace billmesh::reconciler
