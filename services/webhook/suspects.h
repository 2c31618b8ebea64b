// Remembers what those events were about that the database refused, that waited for a lock in vain or that timed out in
// a worker's hand, so that the next ones about the same are set aside when they come, and then run alone: they cost
// nobody else a batch. By the provider's customer and object, since the entity is known to the transaction only.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

#include "absl/time/time.h"
#include "common/provider/objects.h"
#include "common/time/clock.h"

namespace billmesh::webhook {

// Thread safe.
class Suspects {
 public:
  static constexpr absl::Duration kMemory = absl::Minutes(10);  // after the last time
  static constexpr size_t kMaxKeys = 10'000;                    // then the oldest is forgotten
  // More than these have no fault of their own: a rule of ours or the database itself is at fault, and to take up all
  // of theirs one by one would be a jam. Then nobody is suspected.
  static constexpr size_t kTooMany = 200;

  explicit Suspects(Clock& clock) : clock_(clock) {}

  void Note(const provider::Event& event);
  bool Has(const provider::Event& event);
  size_t size() const { return size_; }

 private:
  void Remember(const std::string& key, absl::Duration until);
  void Forget(absl::Duration now);

  Clock& clock_;
  std::atomic<size_t> size_ = 0;  // of until_, to be asked without the lock
  std::mutex mutex_;
  std::unordered_map<std::string, absl::Duration> until_;       // by Clock::Monotonic; guarded by mutex_
  std::deque<std::pair<absl::Duration, std::string>> by_time_;  // each time it was noted; guarded by mutex_
};

}  // namespace billmesh::webhook
