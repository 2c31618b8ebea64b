#include "common/lease/backoff.h"

#include <algorithm>

namespace billmesh::lease {

absl::Duration DelayAfter(const Backoff& backoff, int64_t attempt, IdGenerator& ids) {
  const int64_t doublings = std::clamp<int64_t>(attempt - 1, 0, 40);
  const absl::Duration full = std::min(backoff.base * static_cast<double>(int64_t{1} << doublings), backoff.max);
  const int64_t half_us = absl::ToInt64Microseconds(full) / 2;
  return absl::Microseconds(half_us + static_cast<int64_t>(ids.Uniform(static_cast<uint64_t>(half_us) + 1)));
}

}  // namespace billmesh::lease
