#include "services/entitlements/state_cache.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace billmesh::entitlements {

StateCache::StateCache(size_t max_entities)
    : max_per_shard_(std::max<size_t>(1, (max_entities + kShards - 1) / kShards)) {}

std::shared_ptr<const State> StateCache::Get(const EntityKey& key) const {
  const Shard& shard = ShardOf(key);
  std::shared_lock lock(shard.mutex);
  const auto it = shard.entries.find(key);
  if (it == shard.entries.end()) return nullptr;
  // Written only when it changes, so that readers of a hot entity don't fight for its cache line.
  if (!it->second.used.load(std::memory_order_relaxed)) it->second.used.store(true, std::memory_order_relaxed);
  return it->second.state;
}

std::optional<StateCache::Version> StateCache::Peek(const EntityKey& key) const {
  const Shard& shard = ShardOf(key);
  std::shared_lock lock(shard.mutex);
  const auto it = shard.entries.find(key);
  if (it == shard.entries.end()) return std::nullopt;
  return Version{it->second.state->revision, it->second.state->catalog_revision};
}

std::shared_ptr<const State> StateCache::Put(std::shared_ptr<const State> state) {
  Shard& shard = ShardOf(state->key);
  std::unique_lock lock(shard.mutex);
  const auto it = shard.entries.find(state->key);
  if (it != shard.entries.end()) {
    if (!it->second.state->IsNewerThan(*state)) it->second.state = std::move(state);
    return it->second.state;
  }
  if (shard.entries.size() >= max_per_shard_) {
    EvictOne(shard);
    size_.fetch_sub(1, std::memory_order_relaxed);
  }
  Entry& entry = shard.entries[state->key];
  entry.slot = shard.ring.size();
  entry.state = std::move(state);
  shard.ring.push_back(entry.state->key);
  size_.fetch_add(1, std::memory_order_relaxed);
  return entry.state;
}

// The first that wasn't used since the hand last passed. Ends after at most one whole turn, which clears every mark.
void StateCache::EvictOne(Shard& shard) {
  for (;;) {
    if (shard.hand >= shard.ring.size()) shard.hand = 0;
    const EntityKey key = shard.ring[shard.hand];
    if (!shard.entries.find(key)->second.used.exchange(false, std::memory_order_relaxed)) {
      Remove(shard, key);
      return;
    }
    ++shard.hand;
  }
}

void StateCache::Remove(Shard& shard, const EntityKey& key) {
  const auto it = shard.entries.find(key);
  const size_t slot = it->second.slot;
  // The last of the ring takes the freed place.
  if (slot + 1 != shard.ring.size()) {
    shard.ring[slot] = shard.ring.back();
    shard.entries.find(shard.ring[slot])->second.slot = slot;
  }
  shard.ring.pop_back();
  shard.entries.erase(it);
}

void StateCache::Erase(const EntityKey& key) {
  Shard& shard = ShardOf(key);
  std::unique_lock lock(shard.mutex);
  if (shard.entries.find(key) == shard.entries.end()) return;
  Remove(shard, key);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

void StateCache::Clear() {
  for (Shard& shard : shards_) {
    std::unique_lock lock(shard.mutex);
    size_.fetch_sub(shard.entries.size(), std::memory_order_relaxed);
    shard.entries.clear();
    shard.ring.clear();
    shard.hand = 0;
  }
}

size_t StateCache::size() const { return size_.load(std::memory_order_relaxed); }

std::vector<EntityKey> StateCache::KeysOfShard(size_t shard) const {
  std::shared_lock lock(shards_[shard].mutex);
  return shards_[shard].ring;
}

}  // namespace billmesh::entitlements
