// The seam for time. Code that needs the time is given a Clock; only this room reads the system's. Time that decides about
// leases, deadlines, holds and expiry is not here: it is the database's (billing.now()).
#pragma once

#include "absl/time/time.h"

namespace billmesh {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, UTC. Thread safe. May step when the system's clock is set.
  virtual absl::Time Now() = 0;
  // Monotonic time since an arbitrary start, for measuring durations. Thread safe.
  virtual absl::Duration Monotonic() = 0;
};

// The system's clocks.
class SystemClock : public Clock {
 public:
  absl::Time Now() override;
  absl::Duration Monotonic() override;
};

}  // namespace billmesh
