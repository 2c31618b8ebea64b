// A clock that moves only when a test says so.
#pragma once

#include <mutex>

#include "common/time/clock.h"

namespace billmesh {

class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time start) : now_(start) {}
  absl::Time Now() override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  absl::Duration Monotonic() override {
    std::lock_guard lock(mutex_);
    return elapsed_;
  }
  void Advance(absl::Duration d) {
    std::lock_guard lock(mutex_);
    now_ += d;
    elapsed_ += d;
  }

 private:
  std::mutex mutex_;
  absl::Time now_;            // guarded by mutex_
  absl::Duration elapsed_{};  // guarded by mutex_
};

}  // namespace billmesh
