// The states in memory, by entity: sharded, bounded, with second-chance eviction. Thread safe; readers of different
// entities rarely meet, and readers of one share its lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "services/entitlements/entitlement_state.h"
#include "services/entitlements/entity_key.h"

namespace billmesh::entitlements {

class StateCache {
 public:
  static constexpr size_t kShards = 64;

  // At most about max_entities states (the bound is per shard, rounded up).
  explicit StateCache(size_t max_entities);
  StateCache(const StateCache&) = delete;

  // Null when it isn't here. Counts as use.
  std::shared_ptr<const State> Get(const EntityKey& key) const;
  // What the state here was computed from; doesn't count as use.
  struct Version {
    int64_t revision;
    int64_t catalog_revision;
  };
  std::optional<Version> Peek(const EntityKey& key) const;
  // Keeps the state unless a newer one is here, and returns the one that is kept.
  std::shared_ptr<const State> Put(std::shared_ptr<const State> state);
  void Erase(const EntityKey& key);
  void Clear();
  size_t size() const;
  // For walking over all: the keys of one shard, 0 to kShards - 1.
  std::vector<EntityKey> KeysOfShard(size_t shard) const;

 private:
  struct Entry {
    std::shared_ptr<const State> state;
    size_t slot = 0;  // in the ring
    mutable std::atomic<bool> used{false};
  };
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<EntityKey, Entry, EntityKeyHash> entries;  // guarded by mutex
    std::vector<EntityKey> ring;                                  // every key once; guarded by mutex
    size_t hand = 0;                                              // guarded by mutex
  };
  Shard& ShardOf(const EntityKey& key) { return shards_[EntityKeyHash{}(key) % kShards]; }
  const Shard& ShardOf(const EntityKey& key) const { return shards_[EntityKeyHash{}(key) % kShards]; }
  static void EvictOne(Shard& shard);
  static void Remove(Shard& shard, const EntityKey& key);

  const size_t max_per_shard_;
  std::array<Shard, kShards> shards_;
  std::atomic<size_t> size_{0};
};

}  // namespace billmesh::entitlements
