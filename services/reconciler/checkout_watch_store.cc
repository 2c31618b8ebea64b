#include "services/reconciler/checkout_watch_store.h"

#include "common/status/status.h"

namespace billmesh::reconciler {
namespace {

absl::Status ReadOperations(db::Tx& tx, std::string_view env, const WatchLimits& limits, CheckoutState& state) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(R"sql(
    SELECT count(*) FILTER (WHERE o.pending_since <= t.now - 2 * $2::interval),
           count(*) FILTER (WHERE o.provider_idempotency_replay_deadline_at > t.now
                              AND o.provider_idempotency_replay_deadline_at <= t.now + $3::interval),
           count(*) FILTER (WHERE o.provider_idempotency_replay_deadline_at <= t.now)
    FROM billing.request_idempotency o, (SELECT billing.now() AS now) t
    WHERE o.env = $1 AND o.status = 'pending'
  )sql",
                           {env, db::Param::Interval(limits.checkout_lease), db::Param::Interval(limits.replay_near)}));
  state.overdue_operations = rows[0].Int(0);
  state.near_deadline = rows[0].Int(1);
  state.past_deadline = rows[0].Int(2);
  return absl::OkStatus();
}

// Each state by itself: of the many open sessions only the late ones are read.
absl::Status ReadSessions(db::Tx& tx, std::string_view env, const WatchLimits& limits, CheckoutState& state) {
  ASSIGN_OR_RETURN(const db::Result holds, tx.Exec(R"sql(
    SELECT count(*), coalesce(extract(epoch FROM billing.now() - min(s.created_at)) * 1000, 0)::bigint
    FROM billing.checkout_sessions s
    WHERE s.env = $1 AND s.mode = 'subscription' AND s.status = 'recovery_verification_pending'
  )sql",
                                                   {env}));
  ASSIGN_OR_RETURN(const db::Result open, tx.Exec(R"sql(
    SELECT count(*)
    FROM billing.checkout_sessions s
    WHERE s.env = $1 AND s.mode = 'subscription' AND s.status = 'open'
      AND s.expires_at <= billing.now() - $2::interval
  )sql",
                                                  {env, db::Param::Interval(limits.session_grace)}));
  ASSIGN_OR_RETURN(const db::Result completed, tx.Exec(R"sql(
    SELECT count(*)
    FROM billing.checkout_sessions s
    WHERE s.env = $1 AND s.mode = 'subscription' AND s.status = 'completed_pending_subscription'
      AND s.completed_at <= billing.now() - $2::interval
  )sql",
                                                       {env, db::Param::Interval(limits.completion_within)}));
  state.holds = holds[0].Int(0);
  state.oldest_hold = absl::Milliseconds(holds[0].Int(1));
  state.open_over_sla = open[0].Int(0);
  state.completion_over_sla = completed[0].Int(0);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckoutState> ReadCheckoutState(db::Tx& tx, std::string_view env, const WatchLimits& limits) {
  CheckoutState state;
  RETURN_IF_ERROR(ReadOperations(tx, env, limits, state));
  RETURN_IF_ERROR(ReadSessions(tx, env, limits, state));
  return state;
}

}  // namespace billmesh::reconciler
