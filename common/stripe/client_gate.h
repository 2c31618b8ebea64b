// Limits how many calls run at once; when calls wait for a place, interactive ones go first (REC-5).
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

#include "absl/time/time.h"
#include "common/provider/payment_provider.h"

namespace billmesh::stripe {

class CallGate {
 public:
  explicit CallGate(int places) : free_(places) {}
  CallGate(const CallGate&) = delete;

  // A place for one call; gives it back when destroyed.
  class Place {
   public:
    explicit Place(CallGate* gate) : gate_(gate) {}
    ~Place() {
      if (gate_ != nullptr) gate_->Leave();
    }
    Place(const Place&) = delete;
    // False: none was had in time.
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    CallGate* gate_;
  };

  // Waits for a place for at most `patience`; first come first served within a priority. Thread safe.
  Place Enter(provider::Priority priority, absl::Duration patience);
  // Calls that wait now, for tests and metrics.
  size_t waiting() const;

 private:
  void Leave();
  // Whether this waiter is the next to be served. Requires mutex_.
  bool IsNext(provider::Priority priority, uint64_t ticket) const;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int free_;                                    // guarded by mutex_
  uint64_t next_ticket_ = 0;                    // guarded by mutex_
  std::array<std::deque<uint64_t>, 2> queues_;  // by priority; guarded by mutex_
};

}  // namespace billmesh::stripe
