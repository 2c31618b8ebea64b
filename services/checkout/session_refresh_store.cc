#include "services/checkout/session_refresh_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {

absl::StatusOr<std::optional<std::string>> TakeRefreshTurn(db::Tx& tx, std::string_view operation_key,
                                                           absl::Duration pause) {
  // Whoever waits for the row of another's turn reads it again afterwards, and finds the turn taken.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    UPDATE billing.checkout_sessions s
    SET refreshed_at = billing.now()
    WHERE s.operation_key = $1 AND s.provider_session_id IS NOT NULL
      AND (s.status IN ('open', 'completed_pending_subscription')
           OR (s.status = 'completed_reconciled'
               AND EXISTS (SELECT 1 FROM billing.subscriptions p
                           WHERE p.entity_id = s.entity_id AND p.operation_key = s.operation_key AND p.status = 'incomplete')))
      AND (s.refreshed_at IS NULL OR s.refreshed_at <= billing.now() - $2::interval)
    RETURNING s.provider_session_id
  )sql",
                                                  {operation_key, db::Param::Interval(pause)}));
  if (rows.empty()) return std::optional<std::string>();
  return std::optional<std::string>(rows[0].Text(0));
}

}  // namespace billmesh::checkout
