// No deadlock among the writers of an entity's rows, however they meet: five thousand steps by default, or as many as
// tests/fault/run interleavings is told. Threads aren't deterministic: the seed fixes what each does, not when.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "deploy/billctl/invariant_store.h"
#include "gtest/gtest.h"
#include "tests/fault/interleaving_world.h"

namespace billmesh::interleaving {
namespace {

constexpr int kConnections = 8, kEntities = 4, kSteps = 5000;

int64_t NumberFrom(const char* variable, int64_t fallback) {
  const char* text = std::getenv(variable);
  int64_t number = fallback;
  if (text != nullptr && *text != '\0' && !absl::SimpleAtoi(text, &number)) std::abort();
  return number;
}

void RunThreads(InterleavingWorld& world, uint64_t seed, int64_t steps) {
  std::vector<std::thread> threads;
  for (int n = 0; n < kConnections; ++n) {
    threads.emplace_back([&, n] {
      std::mt19937_64 chance(seed * kConnections + static_cast<uint64_t>(n));
      for (int64_t step = n; step < steps; step += kConnections) world.Step(chance);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void ExpectInvariants(testing::TestDatabase& database) {
  for (const billctl::Invariant& invariant : billctl::Invariants()) {
    // Rows that tests arrange by hand have no audit rows; and the rest of the mesh, which would catch up, isn't here.
    const std::string name = invariant.name;
    if (name == "entities-audited" || name == "catalog-audited" || name == "entitlements-caught-up") continue;
    const auto found = db::RunInTransaction(
        database.Pool("reconciler"), db::Scope::System("verify"),
        [&](db::Tx& tx) -> absl::StatusOr<billctl::InvariantResult> { return billctl::CheckInvariant(tx, invariant); });
    ASSERT_TRUE(found.ok()) << name << ": " << found.status();
    EXPECT_EQ(found->violations, 0) << name << ": " << (found->samples.empty() ? "" : found->samples[0]);
  }
}

TEST(InterleavingTest, WritersNeverDeadlock) {
  const auto seed = static_cast<uint64_t>(
      NumberFrom("BILLMESH_SEED", std::chrono::system_clock::now().time_since_epoch().count() % 1'000'000));
  const int64_t steps = NumberFrom("BILLMESH_INTERLEAVINGS", kSteps);
  std::printf("interleavings: seed=%llu; repeat: tests/fault/run interleavings --count %lld --seed %llu\n",
              static_cast<unsigned long long>(seed), static_cast<long long>(steps),
              static_cast<unsigned long long>(seed));
  InterleavingWorld world(kEntities, kConnections);
  RunThreads(world, seed, steps);
  EXPECT_TRUE(world.Drain()) << "something stays pending";
  ExpectInvariants(world.database());
  int answered = 0;
  for (const auto& [outcome, count] : world.outcomes()) {
    answered += count;
    std::printf("  %6d %s\n", count, outcome.c_str());
    EXPECT_FALSE(absl::StrContains(outcome, "transaction_conflict")) << outcome;
    EXPECT_FALSE(absl::StrContains(outcome, "internal")) << outcome;
    EXPECT_FALSE(absl::StrContains(outcome, "constraint")) << outcome;
  }
  const int64_t deadlocks = world.Deadlocks();
  EXPECT_EQ(deadlocks, 0);
  std::printf("interleavings: steps=%lld connections=%d entities=%d outcomes=%d deadlocks=%lld\n",
              static_cast<long long>(steps), kConnections, kEntities, answered, static_cast<long long>(deadlocks));
}

// That the count above isn't 0 because nobody counts.
TEST(InterleavingTest, ADeadlockWouldBeSeen) {
  InterleavingWorld world(2, 2);
  testing::TestDatabase& database = world.database();
  std::vector<std::string> ids;
  const db::Result rows =
      database.Admin("SELECT e.id FROM billing.entities e WHERE e.kind = 'workspace' ORDER BY e.id");
  for (int n = 0; n < rows.size(); ++n) ids.push_back(rows[n].Text(0));
  ASSERT_EQ(ids.size(), 2u);
  std::atomic<int> holding = 0;
  const auto lock_both = [&](const std::string& first, const std::string& second) {
    constexpr char kLock[] = "SELECT e.id FROM billing.entities e WHERE e.id = $1 FOR NO KEY UPDATE";
    return database.Pool("reconciler").Run(db::Scope::System("deadlock"), [&](db::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(tx.Exec(kLock, {first}).status());
      ++holding;
      testing::WaitUntil([&] { return holding >= 2; }, absl::Seconds(5));
      return tx.Exec(kLock, {second}).status();
    });
  };
  std::thread other([&] { EXPECT_TRUE(lock_both(ids[0], ids[1]).ok()); });
  EXPECT_TRUE(lock_both(ids[1], ids[0]).ok());
  other.join();
  EXPECT_GE(world.Deadlocks(), 1);
}

}  // namespace
}  // namespace billmesh::interleaving
