#include "services/entitlements/state_loader.h"

#include <algorithm>
#include <utility>

#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"

namespace billmesh::entitlements {
namespace {

telemetry::Counter& Loads(bool ok) {
  static telemetry::Counter& done = telemetry::GetCounter(
      "billmesh_entitlements_loads_total", "Entity states loaded from the database", {{"outcome", "ok"}});
  static telemetry::Counter& failed = telemetry::GetCounter(
      "billmesh_entitlements_loads_total", "Entity states loaded from the database", {{"outcome", "error"}});
  return ok ? done : failed;
}

telemetry::Histogram& LoadSeconds() {
  static telemetry::Histogram& histogram =
      telemetry::GetHistogram("billmesh_entitlements_load_seconds", "Time to load one batch of entity states");
  return histogram;
}

}  // namespace

StateLoader::StateLoader(Deps deps) : deps_(std::move(deps)), revision_waiters_(deps_.clock, kMaxWaiters) {}

StateLoader::~StateLoader() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return running_ == 0; });
}

void StateLoader::Enqueue(const EntityKey& key, Flight& flight) {
  flight.place = Place::kQueued;
  flight.again = false;
  flight.wanted = 0;
  for (Waiter& waiter : flight.waiters) waiter.joined_late = false;
  queue_.push_back(key);
}

void StateLoader::Defer(const EntityKey& key, Flight& flight) {
  flight.place = Place::kDeferred;
  deferred_.push_back(key);
}

void StateLoader::Get(const EntityKey& key, int64_t min_revision, absl::Duration deadline, StateCallback callback) {
  bool full = false;
  {
    std::lock_guard lock(mutex_);
    full = waiting_ >= kMaxWaiters;
    if (!full) {
      const auto [it, is_new] = flights_.try_emplace(key);
      Flight& flight = it->second;
      if (is_new || flight.place == Place::kDeferred) Enqueue(key, flight);
      flight.waiters.push_back(Waiter{min_revision, deadline, std::move(callback), flight.place == Place::kLoading});
      ++waiting_;
    }
  }
  if (full) {
    callback(billmesh::Fail(Reason::FAILURE_REASON_OVERLOADED, "too many calls wait for their state"));
    return;
  }
  Kick();
}

void StateLoader::Require(const EntityKey& key, int64_t revision) {
  std::lock_guard lock(mutex_);
  const auto flight = flights_.find(key);
  if (flight != flights_.end()) {
    flight->second.keep = true;
    if (flight->second.place == Place::kLoading) flight->second.wanted = std::max(flight->second.wanted, revision);
    return;
  }
  const auto present = deps_.cache.Peek(key);
  if (!present.has_value() || present->revision >= revision) return;
  Flight& made = flights_[key];
  made.keep = true;
  Enqueue(key, made);
}

void StateLoader::Refresh(const std::vector<EntityKey>& keys) {
  std::lock_guard lock(mutex_);
  for (const EntityKey& key : keys) {
    const auto [it, is_new] = flights_.try_emplace(key);
    it->second.keep = true;
    if (is_new) {
      Enqueue(key, it->second);
    } else if (it->second.place == Place::kLoading) {
      it->second.again = true;
    }
  }
}

void StateLoader::RetryDeferred() {
  {
    std::lock_guard lock(mutex_);
    for (const EntityKey& key : deferred_) {
      const auto it = flights_.find(key);
      if (it != flights_.end() && it->second.place == Place::kDeferred) Enqueue(key, it->second);
    }
    deferred_.clear();
  }
  Kick();
}

void StateLoader::DeferAll(const std::vector<EntityKey>& keys) {
  std::lock_guard lock(mutex_);
  for (const EntityKey& key : keys) {
    const auto [it, is_new] = flights_.try_emplace(key);
    it->second.keep = true;
    if (is_new) Defer(key, it->second);
  }
}

void StateLoader::Kick() {
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty() || running_ >= kMaxConcurrentLoads) return;
    ++running_;
  }
  if (deps_.submit([this] { RunLoads(); })) return;
  bool alone = false;
  {
    std::lock_guard lock(mutex_);
    alone = --running_ == 0;
    idle_.notify_all();
  }
  // Another running load takes the queue along; without one nobody would come.
  if (alone) RefuseQueued();
}

// Turns away the callers of queued flights; flights of the feed stay for a later Kick.
void StateLoader::RefuseQueued() {
  std::vector<StateCallback> refused;
  {
    std::lock_guard lock(mutex_);
    std::deque<EntityKey> kept;
    for (const EntityKey& key : queue_) {
      const auto it = flights_.find(key);
      for (Waiter& waiter : it->second.waiters) refused.push_back(std::move(waiter.callback));
      waiting_ -= it->second.waiters.size();
      it->second.waiters.clear();
      if (it->second.keep) {
        kept.push_back(key);
      } else {
        flights_.erase(it);
      }
    }
    queue_ = std::move(kept);
  }
  for (const StateCallback& callback : refused) {
    callback(billmesh::Fail(Reason::FAILURE_REASON_OVERLOADED, "too many calls are waiting"));
  }
}

std::vector<EntityKey> StateLoader::TakeBatchOrStop() {
  std::lock_guard lock(mutex_);
  std::vector<EntityKey> keys;
  while (!queue_.empty() && keys.size() < kMaxBatch) {
    keys.push_back(queue_.front());
    flights_[queue_.front()].place = Place::kLoading;
    queue_.pop_front();
  }
  // Under the same lock that saw the queue empty: whoever queues next finds room to start a load.
  if (keys.empty()) {
    --running_;
    idle_.notify_all();
  }
  return keys;
}

void StateLoader::RunLoads() {
  for (;;) {
    const std::vector<EntityKey> keys = TakeBatchOrStop();
    if (keys.empty()) return;
    const absl::Duration started = deps_.clock.Monotonic();
    const absl::StatusOr<StateSource::Batch> batch = deps_.source.Load(keys);
    LoadSeconds().Observe(absl::ToDoubleSeconds(deps_.clock.Monotonic() - started));
    Loads(batch.ok()).Add(static_cast<double>(keys.size()));
    if (!batch.ok()) {
      Fail(keys, batch.status());
      continue;
    }
    Succeed(keys, *batch);
    if (!batch->store) continue;
    if (const absl::Status stored = batch->store(); !stored.ok()) {
      telemetry::Warn("entitlements could not be stored", {{"error", std::string(stored.message())}});
      DeferAll(keys);
    }
  }
}

void StateLoader::Fail(const std::vector<EntityKey>& keys, const absl::Status& error) {
  std::vector<StateCallback> failed;
  {
    std::lock_guard lock(mutex_);
    for (const EntityKey& key : keys) {
      const auto it = flights_.find(key);
      for (Waiter& waiter : it->second.waiters) failed.push_back(std::move(waiter.callback));
      waiting_ -= it->second.waiters.size();
      it->second.waiters.clear();
      if (it->second.keep) {
        Defer(key, it->second);
      } else {
        flights_.erase(it);
      }
    }
  }
  for (const StateCallback& callback : failed) callback(error);
}

void StateLoader::Succeed(const std::vector<EntityKey>& keys, const StateSource::Batch& batch) {
  std::unordered_map<EntityKey, std::shared_ptr<const State>, EntityKeyHash> found;
  // First into the cache, then the flight is forgotten: whoever requires a revision meets one or the other.
  for (const auto& state : batch.states) found[state->key] = deps_.cache.Put(state);
  for (const EntityKey& key : keys) {
    const auto it = found.find(key);
    const std::shared_ptr<const State> state = it == found.end() ? nullptr : it->second;
    if (state == nullptr) deps_.cache.Erase(key);
    Outcome outcome = Conclude(key, state);
    for (const StateCallback& callback : outcome.answered) {
      if (state == nullptr) {
        callback(billmesh::Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity"));
      } else {
        callback(state);
      }
    }
    for (Waiter& waiter : outcome.parked) Park(key, std::move(waiter));
    if (state != nullptr) revision_waiters_.Notify(state);
  }
}

// Sorts a flight's callers, and ends it or queues it again.
StateLoader::Outcome StateLoader::Conclude(const EntityKey& key, const std::shared_ptr<const State>& state) {
  Outcome outcome;
  std::lock_guard lock(mutex_);
  const auto it = flights_.find(key);
  Flight& flight = it->second;
  std::vector<Waiter> waiters = std::move(flight.waiters);
  flight.waiters.clear();
  for (Waiter& waiter : waiters) {
    if (state == nullptr || state->revision >= waiter.min_revision) {
      outcome.answered.push_back(std::move(waiter.callback));
      --waiting_;
    } else if (waiter.joined_late) {
      flight.waiters.push_back(std::move(waiter));
    } else {
      outcome.parked.push_back(std::move(waiter));
      --waiting_;
    }
  }
  const bool behind = state != nullptr && flight.wanted > state->revision;
  if (flight.again || behind || !flight.waiters.empty()) {
    flight.keep = flight.again || behind;
    Enqueue(key, flight);
  } else {
    flights_.erase(it);
  }
  return outcome;
}

void StateLoader::Park(const EntityKey& key, Waiter waiter) {
  revision_waiters_.Add(key, waiter.min_revision, waiter.deadline, std::move(waiter.callback));
  // It may have arrived between the load and the waiting.
  if (const std::shared_ptr<const State> state = deps_.cache.Get(key)) revision_waiters_.Notify(state);
}

size_t StateLoader::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace billmesh::entitlements
