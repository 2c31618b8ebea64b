// Whether what the database says of itself lets a daemon be ready (CFG-4).
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/db/pool.h"

namespace billmesh::daemon {

struct ProbeLimits {
  int schema_version = 0;         // exactly this one
  absl::Duration clock_skew_max;  // either way, this much included
};

// FAILED_PRECONDITION in words for /readyz. `now`: this process' clock when the probe was answered.
absl::Status CheckProbe(const db::Pool::Probe& probe, absl::Time now, const ProbeLimits& limits);

}  // namespace billmesh::daemon
