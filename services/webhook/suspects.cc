#include "services/webhook/suspects.h"

namespace billmesh::webhook {

void Suspects::Note(const provider::Event& event) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  Forget(now);
  if (event.customer_id.has_value()) Remember(*event.customer_id, now + kMemory);
  if (event.object_id.has_value()) Remember(*event.object_id, now + kMemory);
  size_ = until_.size();
}

bool Suspects::Has(const provider::Event& event) {
  if (size_ == 0) return false;
  const std::lock_guard lock(mutex_);
  Forget(clock_.Monotonic());
  size_ = until_.size();
  if (size_ > kTooMany) return false;
  const auto has = [this](const std::optional<std::string>& key) { return key.has_value() && until_.count(*key) > 0; };
  return has(event.customer_id) || has(event.object_id);
}

void Suspects::Remember(const std::string& key, absl::Duration until) {
  until_[key] = until;
  by_time_.emplace_back(until, key);
  while (by_time_.size() > kMaxKeys) {
    const auto at = until_.find(by_time_.front().second);
    if (at != until_.end() && at->second == by_time_.front().first) until_.erase(at);
    by_time_.pop_front();
  }
}

void Suspects::Forget(absl::Duration now) {
  while (!by_time_.empty() && by_time_.front().first <= now) {
    const auto at = until_.find(by_time_.front().second);
    // One that was noted again since has a later end.
    if (at != until_.end() && at->second <= now) until_.erase(at);
    by_time_.pop_front();
  }
}

}  // namespace billmesh::webhook
