// The database's clock (billing.now()) between two looks at it: its offset to our monotonic clock. Decisions follow the
// database's time (IDM-16), and answers from memory can't ask it.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace billmesh::entitlements {

// Thread safe.
class DatabaseTime {
 public:
  // It was database_now when our monotonic clock showed `monotonic`.
  void Observe(absl::Time database_now, absl::Duration monotonic) {
    offset_us_.store(absl::ToUnixMicros(database_now) - absl::ToInt64Microseconds(monotonic),
                     std::memory_order_relaxed);
  }
  // Whether it was ever observed.
  bool known() const { return offset_us_.load(std::memory_order_relaxed) != kUnknown; }
  absl::Time At(absl::Duration monotonic) const {
    return absl::FromUnixMicros(offset_us_.load(std::memory_order_relaxed) + absl::ToInt64Microseconds(monotonic));
  }

 private:
  static constexpr int64_t kUnknown = std::numeric_limits<int64_t>::min();
  std::atomic<int64_t> offset_us_{kUnknown};
};

}  // namespace billmesh::entitlements
