#include "common/stripe/client_gate.h"

#include <algorithm>
#include <chrono>

namespace billmesh::stripe {
namespace {

size_t QueueOf(provider::Priority priority) { return priority == provider::Priority::kInteractive ? 0 : 1; }

}  // namespace

CallGate::Place CallGate::Enter(provider::Priority priority, absl::Duration patience) {
  std::unique_lock lock(mutex_);
  auto& queue = queues_[QueueOf(priority)];
  const uint64_t ticket = next_ticket_++;
  queue.push_back(ticket);
  const auto limit =
      std::chrono::microseconds(absl::ToInt64Microseconds(std::clamp(patience, absl::ZeroDuration(), absl::Hours(1))));
  const bool had = changed_.wait_for(lock, limit, [&] { return free_ > 0 && IsNext(priority, ticket); });
  queue.erase(std::find(queue.begin(), queue.end(), ticket));
  if (had) --free_;
  // Whoever is next now may go: a place may be left, or this one gave up at the head of the queue.
  changed_.notify_all();
  return Place(had ? this : nullptr);
}

void CallGate::Leave() {
  {
    std::lock_guard lock(mutex_);
    ++free_;
  }
  changed_.notify_all();
}

bool CallGate::IsNext(provider::Priority priority, uint64_t ticket) const {
  const size_t own = QueueOf(priority);
  for (size_t i = 0; i < own; ++i) {
    if (!queues_[i].empty()) return false;
  }
  return queues_[own].front() == ticket;
}

size_t CallGate::waiting() const {
  std::lock_guard lock(mutex_);
  return queues_[0].size() + queues_[1].size();
}

}  // namespace billmesh::stripe
