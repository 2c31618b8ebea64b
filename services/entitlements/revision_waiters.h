// Callers who demand a revision that isn't here yet (ENT-5): they wait, bounded in number and time, for the state to
// reach it. A thread of its own expires them, so that they end also while the daemon drains.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/time/clock.h"
#include "services/entitlements/entitlement_state.h"
#include "services/entitlements/entity_key.h"

namespace billmesh::entitlements {

// Called exactly once, from any thread, with no lock held.
using StateCallback = std::function<void(absl::StatusOr<std::shared_ptr<const State>>)>;

class RevisionWaiters {
 public:
  // The clock must outlive this object.
  RevisionWaiters(Clock& clock, size_t max_waiters);
  // Whoever still waits is told REVISION_NOT_REACHED.
  ~RevisionWaiters();
  RevisionWaiters(const RevisionWaiters&) = delete;

  // Calls back once a state of at least min_revision is notified, or with REVISION_NOT_REACHED at the deadline
  // (monotonic time), or at once with OVERLOADED when too many wait.
  void Add(const EntityKey& key, int64_t min_revision, absl::Duration deadline, StateCallback callback);
  void Notify(const std::shared_ptr<const State>& state);
  // Ends those whose deadline has passed. Done by the thread every few milliseconds while anybody waits.
  void Expire();
  size_t size() const;

 private:
  struct Waiter {
    int64_t min_revision;
    absl::Duration deadline;
    StateCallback callback;
  };
  void Run();

  Clock& clock_;
  const size_t max_waiters_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_multimap<EntityKey, Waiter, EntityKeyHash> waiters_;  // guarded by mutex_
  bool stopping_ = false;                                              // guarded by mutex_
  std::thread thread_;
};

}  // namespace billmesh::entitlements
