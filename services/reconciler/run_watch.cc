#include "services/reconciler/run_watch.h"

#include <optional>

#include "absl/time/time.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"

namespace billmesh::reconciler {

absl::Status MeasureRuns(db::Pool& pool, const RunKey& key) {
  ASSIGN_OR_RETURN(
      const std::optional<absl::Time> done,
      db::RunInTransaction(pool, db::Scope::System("run_watch"), [&](db::Tx& tx) { return ReadLastDone(tx, key); }));
  telemetry::GetGauge("billmesh_reconciliation_last_done_timestamp_seconds",
                      "When a run of the scope last came to its end; 0 if none ever did", {{"scope", key.scope}})
      .Set(absl::ToDoubleSeconds(done.value_or(absl::UnixEpoch()) - absl::UnixEpoch()));
  return absl::OkStatus();
}

}  // namespace billmesh::reconciler
