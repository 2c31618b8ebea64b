// Retry delays: exponential with full jitter, bounded.
#pragma once

#include "absl/time/time.h"
#include "common/ids/id_generator.h"

namespace billmesh::lease {

struct Backoff {
  absl::Duration base;
  absl::Duration max;
};

// The delay before attempt number `attempt` + 1 (attempt counts from 1): half of min(base × 2^(attempt−1), max) for certain,
// the other half at random, so that retries of many don't meet.
absl::Duration DelayAfter(const Backoff& backoff, int64_t attempt, IdGenerator& ids);

}  // namespace billmesh::lease
