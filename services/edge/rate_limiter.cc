#include "services/edge/rate_limiter.h"

#include <algorithm>

namespace billmesh::edge {

RateLimiter::Buckets::iterator RateLimiter::Touch(std::string key, absl::Duration now) {
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, it->second);
    return buckets_.begin();
  }
  while (!buckets_.empty() && buckets_.size() >= limits_.max_buckets) {
    by_key_.erase(buckets_.back().key);
    buckets_.pop_back();
  }
  buckets_.push_front({std::move(key), limits_.burst, now});
  by_key_.emplace(buckets_.front().key, buckets_.begin());
  return buckets_.begin();
}

absl::Duration RateLimiter::Take(std::string_view caller, std::string_view route) {
  // Routes hold no space, so that no two pairs make one key.
  std::string key(route);
  key.append(" ").append(caller);
  const absl::Duration now = clock_.Monotonic();
  std::lock_guard lock(mutex_);
  Bucket& bucket = *Touch(std::move(key), now);
  const double elapsed = std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled_at));
  bucket.tokens = std::min(limits_.burst, bucket.tokens + elapsed * limits_.per_second);
  bucket.filled_at = now;
  if (bucket.tokens < 1) return absl::Seconds((1 - bucket.tokens) / limits_.per_second);
  bucket.tokens -= 1;
  return absl::ZeroDuration();
}

size_t RateLimiter::buckets() const {
  std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace billmesh::edge
