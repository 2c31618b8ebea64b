// The guardrails of checkout that are a state of the database (OBS-2): measured from time to time into
// billmesh_guardrail_level{code}. billmesh_checkout_watch_up says whether these levels are to be believed.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/db/pool.h"
#include "services/reconciler/checkout_watch_store.h"

namespace billmesh::reconciler {

// One reading. When it fails, the levels keep their values and billmesh_checkout_watch_up is 0. Thread safe.
absl::Status MeasureCheckout(db::Pool& pool, const std::string& env, const WatchLimits& limits);

}  // namespace billmesh::reconciler
