#include "tests/stripesim/idempotency.h"

#include <utility>

#include "tests/stripesim/error.h"

namespace stripesim {

const StoredAnswer* IdempotencyStore::Begin(const std::string& key, const std::string& path,
                                            const std::string& body_hash, int64_t now) {
  Prune(now);
  auto it = entries_.find(key);
  if (it != entries_.end() && !it->second.in_progress && now - it->second.created >= kIdempotencyLifeS) {
    entries_.erase(it);  // Prune stops at a request in progress; this one is a new request anyway
    it = entries_.end();
  }
  if (it != entries_.end()) {
    const Entry& entry = it->second;
    if (entry.path != path) {
      throw IdempotencyMismatch(
          "Keys for idempotent requests can only be used for the same endpoint they were first "
          "used for ('" +
          path + "' vs '" + entry.path + "'). Try using a key other than '" + key +
          "' if you meant to execute a different request.");
    }
    if (entry.body_hash != body_hash) {
      throw IdempotencyMismatch(
          "Keys for idempotent requests can only be used with the same parameters they were first "
          "used with. Try using a key other than '" +
          key + "' if you meant to execute a different request.");
    }
    if (entry.in_progress) throw IdempotencyKeyInUse(key);
    return &entry.answer;
  }
  Entry entry;
  entry.path = path;
  entry.body_hash = body_hash;
  entry.created = now;
  entry.generation = ++generation_;
  order_.emplace_back(entry.generation, key);
  entries_.emplace(key, std::move(entry));
  return nullptr;
}

void IdempotencyStore::Finish(const std::string& key, StoredAnswer answer) {
  auto it = entries_.find(key);
  if (it == entries_.end()) return;
  it->second.answer = std::move(answer);
  it->second.in_progress = false;
}

void IdempotencyStore::Forget(const std::string& key) { entries_.erase(key); }

void IdempotencyStore::Prune(int64_t now) {
  // `order_` also names keys that were forgotten, or forgotten and made anew: the generation tells.
  while (!order_.empty()) {
    auto it = entries_.find(order_.front().second);
    const bool stale = it == entries_.end() || it->second.generation != order_.front().first;
    if (!stale) {
      const bool old = now - it->second.created >= kIdempotencyLifeS;
      const bool too_many = entries_.size() > max_keys_;
      if (it->second.in_progress || (!old && !too_many)) break;
      entries_.erase(it);
    }
    order_.pop_front();
  }
}

}  // namespace stripesim
