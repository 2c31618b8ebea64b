#include "services/reconciler/checkout_watch.h"

#include "common/status/status.h"
#include "common/telemetry/metrics.h"

namespace billmesh::reconciler {

namespace {

absl::Status Measure(db::Pool& pool, const std::string& env, const WatchLimits& limits) {
  ASSIGN_OR_RETURN(const CheckoutState state,
                   db::RunInTransaction(pool, db::Scope::System("checkout_watch"),
                                        [&](db::Tx& tx) { return ReadCheckoutState(tx, env, limits); }));
  const auto set = [](const char* code, double level) { telemetry::GuardrailLevel(code, level); };
  set("BILLING_PENDING_OPERATION_OVERDUE", static_cast<double>(state.overdue_operations));
  set("BILLING_REPLAY_DEADLINE_NEAR", static_cast<double>(state.near_deadline));
  set("BILLING_REPLAY_DEADLINE_PASSED", static_cast<double>(state.past_deadline));
  set("BILLING_CHECKOUT_HOLDS", static_cast<double>(state.holds));
  set("BILLING_CHECKOUT_HOLD_AGE_SECONDS", absl::ToDoubleSeconds(state.oldest_hold));
  set("BILLING_CHECKOUT_OPEN_OVER_SLA", static_cast<double>(state.open_over_sla));
  set("BILLING_CHECKOUT_COMPLETION_OVER_SLA", static_cast<double>(state.completion_over_sla));
  return absl::OkStatus();
}

}  // namespace

absl::Status MeasureCheckout(db::Pool& pool, const std::string& env, const WatchLimits& limits) {
  absl::Status measured = Measure(pool, env, limits);
  telemetry::GetGauge("billmesh_checkout_watch_up",
                      "1 if the levels of checkout are those of the last look, 0 if it failed")
      .Set(measured.ok() ? 1 : 0);
  return measured;
}

}  // namespace billmesh::reconciler
