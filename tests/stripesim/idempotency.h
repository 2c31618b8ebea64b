#pragma once

// Idempotency keys as Stripe documents them: the first answer's status and body are replayed for
// 24 h of the simulator's clock, 500s included; refusals before execution aren't stored. Not
// thread-safe: guarded by the simulator's mutex.

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "tests/stripesim/json.h"

namespace stripesim {

inline constexpr int64_t kIdempotencyLifeS = 24 * 3600;
inline constexpr size_t kMaxIdempotencyKey = 255;

struct StoredAnswer {
  int status = 0;
  std::string body;
  std::string request_id;  // of the first request: Original-Request
};

class IdempotencyStore {
 public:
  explicit IdempotencyStore(size_t max_keys) : max_keys_(max_keys) {}

  // Starts a request under `key`. Returns the stored answer to replay, or nullptr: then the request
  // is to be executed and the key is in use until Finish or Forget. Throws ApiError where it is in
  // use already, or was used with another path or other parameters.
  const StoredAnswer* Begin(const std::string& key, const std::string& path, const std::string& body_hash, int64_t now);
  void Finish(const std::string& key, StoredAnswer answer);
  // The answer isn't stored: the key is as good as new.
  void Forget(const std::string& key);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string path;
    std::string body_hash;
    int64_t created = 0;
    bool in_progress = true;
    uint64_t generation = 0;
    StoredAnswer answer;
  };

  void Prune(int64_t now);

  size_t max_keys_;
  uint64_t generation_ = 0;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::pair<uint64_t, std::string>> order_;  // creation order
};

}  // namespace stripesim
