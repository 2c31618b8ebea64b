#include "services/entitlements/state_cache.h"

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace billmesh::entitlements {
namespace {

EntityKey Key(uint64_t n) { return EntityKey{n * 0x100000001ULL, n * 977}; }

std::shared_ptr<const State> MakeTestState(uint64_t n, int64_t revision, int64_t catalog_revision = 1) {
  auto state = std::make_shared<State>();
  state->key = Key(n);
  state->revision = revision;
  state->catalog_revision = catalog_revision;
  return state;
}

TEST(StateCache, KeepsTheNewestOfAnEntity) {
  StateCache cache(1000);
  EXPECT_EQ(cache.Get(Key(1)), nullptr);
  cache.Put(MakeTestState(1, 5));
  EXPECT_EQ(cache.Put(MakeTestState(1, 4))->revision, 5);
  EXPECT_EQ(cache.Get(Key(1))->revision, 5);
  EXPECT_EQ(cache.Put(MakeTestState(1, 5, 2))->catalog_revision, 2);
  EXPECT_EQ(cache.Put(MakeTestState(1, 5, 1))->catalog_revision, 2);
  EXPECT_EQ(cache.Put(MakeTestState(1, 6, 1))->revision, 6);
  EXPECT_EQ(cache.Peek(Key(1))->revision, 6);
  EXPECT_EQ(cache.size(), 1u);
  cache.Erase(Key(1));
  EXPECT_EQ(cache.Get(Key(1)), nullptr);
  EXPECT_FALSE(cache.Peek(Key(1)).has_value());
  EXPECT_EQ(cache.size(), 0u);
  cache.Erase(Key(1));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(StateCache, StaysWithinItsBoundAndSparesWhatIsUsed) {
  constexpr size_t kMax = 640;  // ten a shard
  StateCache cache(kMax);
  cache.Put(MakeTestState(0, 1));
  for (uint64_t n = 1; n < 20'000; ++n) {
    cache.Put(MakeTestState(n, 1));
    ASSERT_NE(cache.Get(Key(0)), nullptr) << "the one in constant use was evicted at " << n;
    ASSERT_LE(cache.size(), kMax);
  }
  EXPECT_EQ(cache.size(), kMax);
  // What it says of itself is true: every key it lists is there, once.
  std::set<EntityKey> listed;
  for (size_t shard = 0; shard < StateCache::kShards; ++shard) {
    for (const EntityKey& key : cache.KeysOfShard(shard)) {
      EXPECT_TRUE(listed.insert(key).second);
      EXPECT_NE(cache.Get(key), nullptr);
    }
  }
  EXPECT_EQ(listed.size(), cache.size());
}

TEST(StateCache, EvictsEvenWhenEverythingIsInUse) {
  StateCache cache(64);  // one a shard
  for (uint64_t n = 0; n < 1000; ++n) {
    cache.Put(MakeTestState(n, 1));
    EXPECT_NE(cache.Get(Key(n)), nullptr);
  }
  EXPECT_LE(cache.size(), 64u);
}

TEST(StateCache, ClearsAndErasesInAnyOrder) {
  StateCache cache(10'000);
  for (uint64_t n = 0; n < 500; ++n) cache.Put(MakeTestState(n, 1));
  for (uint64_t n = 0; n < 500; n += 3) cache.Erase(Key(n));
  for (uint64_t n = 0; n < 500; ++n) EXPECT_EQ(cache.Get(Key(n)) != nullptr, n % 3 != 0) << n;
  cache.Clear();
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.Get(Key(1)), nullptr);
  cache.Put(MakeTestState(1, 1));
  EXPECT_EQ(cache.size(), 1u);
}

TEST(StateCache, ServesReadersWhileStatesArePut) {
  StateCache cache(256);
  std::atomic<bool> wrong{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, &wrong, t] {
      for (int64_t i = 1; i <= 20'000; ++i) {
        const uint64_t n = static_cast<uint64_t>(i * 7 + t) % 600;
        if (t < 2) {
          if (cache.Put(MakeTestState(n, i))->key != Key(n)) wrong = true;
        } else if (const auto state = cache.Get(Key(n)); state != nullptr && state->key != Key(n)) {
          wrong = true;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
  EXPECT_LE(cache.size(), 256u);
}

}  // namespace
}  // namespace billmesh::entitlements
