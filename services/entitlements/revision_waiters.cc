#include "services/entitlements/revision_waiters.h"

#include <chrono>
#include <utility>

#include "common/status/status.h"

namespace billmesh::entitlements {
namespace {

// How late a waiter may be told; small against the deadlines that people set.
constexpr std::chrono::milliseconds kExpiryPeriod(5);

absl::Status NotReached() {
  return Fail(Reason::FAILURE_REASON_REVISION_NOT_REACHED, "the demanded revision isn't here yet");
}

}  // namespace

RevisionWaiters::RevisionWaiters(Clock& clock, size_t max_waiters)
    : clock_(clock), max_waiters_(max_waiters), thread_([this] { Run(); }) {}

RevisionWaiters::~RevisionWaiters() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (auto& [key, waiter] : waiters_) waiter.callback(NotReached());
}

void RevisionWaiters::Add(const EntityKey& key, int64_t min_revision, absl::Duration deadline, StateCallback callback) {
  {
    std::lock_guard lock(mutex_);
    if (waiters_.size() < max_waiters_) {
      waiters_.emplace(key, Waiter{min_revision, deadline, std::move(callback)});
      callback = nullptr;
    }
  }
  if (callback) {
    callback(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many calls wait for a revision"));
  } else {
    changed_.notify_one();
  }
}

void RevisionWaiters::Notify(const std::shared_ptr<const State>& state) {
  std::vector<StateCallback> reached;
  {
    std::lock_guard lock(mutex_);
    const auto [begin, end] = waiters_.equal_range(state->key);
    for (auto it = begin; it != end;) {
      if (it->second.min_revision > state->revision) {
        ++it;
        continue;
      }
      reached.push_back(std::move(it->second.callback));
      it = waiters_.erase(it);
    }
  }
  for (const StateCallback& callback : reached) callback(state);
}

void RevisionWaiters::Expire() {
  std::vector<StateCallback> expired;
  {
    std::lock_guard lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      if (now < it->second.deadline) {
        ++it;
        continue;
      }
      expired.push_back(std::move(it->second.callback));
      it = waiters_.erase(it);
    }
  }
  for (const StateCallback& callback : expired) callback(NotReached());
}

size_t RevisionWaiters::size() const {
  std::lock_guard lock(mutex_);
  return waiters_.size();
}

void RevisionWaiters::Run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiters_.empty(); });
      if (changed_.wait_for(lock, kExpiryPeriod, [this] { return stopping_; })) return;
    }
    Expire();
  }
}

}  // namespace billmesh::entitlements
