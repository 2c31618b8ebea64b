// Loads states into the cache: once at a time for an entity however many ask, many entities a transaction, on a bounded
// executor. What the change feed or a hint names is loaded again without anybody asking.
//
// No change is lost between a load and the feed: a load that is under way when a newer revision is required is followed
// by another, and a state is put into the cache before its load is forgotten.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "common/time/clock.h"
#include "services/entitlements/entity_key.h"
#include "services/entitlements/revision_waiters.h"
#include "services/entitlements/state_cache.h"
#include "services/entitlements/state_source.h"

namespace billmesh::entitlements {

class StateLoader {
 public:
  static constexpr size_t kMaxBatch = 256;  // entities of one load
  static constexpr int kMaxConcurrentLoads = 4;
  static constexpr size_t kMaxWaiters = 20'000;  // callers that wait for a load or a revision

  struct Deps {
    Clock& clock;
    StateCache& cache;
    StateSource& source;
    // Runs the task on another thread; false, at once, when it can't take more.
    std::function<bool(std::function<void()>)> submit;
  };
  explicit StateLoader(Deps deps);
  // Waits for running loads.
  ~StateLoader();
  StateLoader(const StateLoader&) = delete;

  // Loads the entity and calls back with a state of at least min_revision: ENTITY_NOT_FOUND, REVISION_NOT_REACHED at
  // the deadline (monotonic time), OVERLOADED, or the load's own error. For callers that found nothing fit in the
  // cache.
  void Get(const EntityKey& key, int64_t min_revision, absl::Duration deadline, StateCallback callback);
  // An entity reached this revision: if it is in memory (or on its way there) and older, it is loaded again. Call Kick
  // afterwards.
  void Require(const EntityKey& key, int64_t revision);
  // These are loaded again whatever their revision. Call Kick afterwards.
  void Refresh(const std::vector<EntityKey>& keys);
  // Starts what is queued.
  void Kick();
  // Queues and starts again what the feed asked for and could not be loaded or stored.
  void RetryDeferred();
  // Entities that wait for a load.
  size_t queued() const;

 private:
  struct Waiter {
    int64_t min_revision;
    absl::Duration deadline;
    StateCallback callback;
    bool joined_late;  // while the load was running: its snapshot may be older than what this caller has seen
  };
  enum class Place { kQueued, kLoading, kDeferred };
  struct Flight {
    Place place = Place::kQueued;
    bool keep = false;   // asked for by the feed: a failed load is deferred, not dropped
    bool again = false;  // asked for anew while it was loading
    int64_t wanted = 0;  // the revision that was required while it was loading
    std::vector<Waiter> waiters;
  };
  struct Outcome {  // of one flight, to be acted on without the lock
    std::vector<StateCallback> answered;
    std::vector<Waiter> parked;
  };
  void Enqueue(const EntityKey& key, Flight& flight);  // requires mutex_
  void Defer(const EntityKey& key, Flight& flight);    // requires mutex_
  // Empty when the queue is; the calling load is then no longer counted as running.
  std::vector<EntityKey> TakeBatchOrStop();
  void RunLoads();
  void Fail(const std::vector<EntityKey>& keys, const absl::Status& error);
  void Succeed(const std::vector<EntityKey>& keys, const StateSource::Batch& batch);
  void DeferAll(const std::vector<EntityKey>& keys);
  Outcome Conclude(const EntityKey& key, const std::shared_ptr<const State>& state);
  void Park(const EntityKey& key, Waiter waiter);
  void RefuseQueued();

  const Deps deps_;
  RevisionWaiters revision_waiters_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::unordered_map<EntityKey, Flight, EntityKeyHash> flights_;  // guarded by mutex_
  std::deque<EntityKey> queue_;                                   // flights at kQueued; guarded by mutex_
  std::vector<EntityKey> deferred_;  // all flights at kDeferred, and some others; guarded by mutex_
  size_t waiting_ = 0;               // waiters of all flights; guarded by mutex_
  int running_ = 0;                  // guarded by mutex_
};

}  // namespace billmesh::entitlements
