// Requests per caller and route (EDG-3) by token buckets in this process' memory: replicas don't share them.
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/time/time.h"
#include "common/time/clock.h"

namespace billmesh::edge {

struct RateLimits {
  double per_second = 50;       // refill of one bucket; above 0
  double burst = 100;           // its size; at least 1
  size_t max_buckets = 100000;  // the one least recently used makes room: it would mostly be full again anyway
};

class RateLimiter {
 public:
  RateLimiter(RateLimits limits, Clock& clock) : limits_(limits), clock_(clock) {}
  RateLimiter(const RateLimiter&) = delete;
  // Takes a token and returns zero; or takes none and returns how long until there is one. Thread safe.
  absl::Duration Take(std::string_view caller, std::string_view route);
  size_t buckets() const;

 private:
  struct Bucket {
    std::string key;
    double tokens;
    absl::Duration filled_at;  // monotonic
  };
  using Buckets = std::list<Bucket>;  // most recently used first

  Buckets::iterator Touch(std::string key, absl::Duration now);  // requires mutex_

  const RateLimits limits_;
  Clock& clock_;
  mutable std::mutex mutex_;
  Buckets buckets_;                                                 // guarded by mutex_
  std::unordered_map<std::string_view, Buckets::iterator> by_key_;  // guarded by mutex_; keys live in buckets_
};

}  // namespace billmesh::edge
