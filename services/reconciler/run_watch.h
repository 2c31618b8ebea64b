// When a run of a scope last came to its end, as the database has it: so that it is known whichever process ran it, and
// also where none ever did.
#pragma once

#include "absl/status/status.h"
#include "common/db/pool.h"
#include "services/reconciler/run_store.h"

namespace billmesh::reconciler {

// One reading into billmesh_reconciliation_last_done_timestamp_seconds{scope}: seconds since 1970, 0 where no run is
// done yet. When it fails, the gauge keeps its value, which then ages by itself. Thread safe.
absl::Status MeasureRuns(db::Pool& pool, const RunKey& key);

}  // namespace billmesh::reconciler
