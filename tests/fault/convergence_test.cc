// Convergence (invariants 7 and 8): whatever order a life's events come in, however often, and whether or not all of
// them come, the projection ends the same, in both API shapes, and says what the provider says. A few lives in a few
// dozen orders by default; tests/fault/run convergence has it in full.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/telemetry/log.h"
#include "gtest/gtest.h"
#include "tests/fault/convergence_world.h"
#include "tests/fault/order_shrinker.h"
#include "tests/fault/projection_columns.h"

namespace billmesh::convergence {
namespace {

constexpr int64_t kLives = 6, kOrders = 24;
// Seeds of lives and orders are numbers of their own: of the n-th life of a campaign, of the n-th order of a life.
constexpr int64_t kMaxLives = 1000, kMaxOrders = 100'000;
constexpr int64_t kEnoughForAll = 50;  // lives in which everything happens somewhere
constexpr int kMaxReported = 5, kMaxShrunk = 2;

int64_t NumberFrom(const char* variable, int64_t fallback) {
  const char* text = std::getenv(variable);
  int64_t number = fallback;
  if (text != nullptr && *text != '\0' && !absl::SimpleAtoi(text, &number)) std::abort();
  return number;
}

long long Long(int64_t number) { return number; }

class LifeConvergenceTest : public ::testing::Test {
 protected:
  // Each event would be a line.
  LifeConvergenceTest() { telemetry::InitLogging("convergence", "error"); }

  static constexpr size_t kInOrder = 0, kInOrderOld = 1, kFirstRandom = 2;

  // A payment method that was removed names no customer any more: whose it was only its events say. Where all of them
  // are lost nobody can know, and nothing depends on it.
  static Projection Knowable(Projection expected, const Projection& projection) {
    for (auto at = expected.begin(); at != expected.end();) {
      const bool removed =
          absl::StartsWith(at->first, "payment_method ") && absl::EndsWith(at->second.content, "detached=yes");
      at = removed && projection.count(at->first) == 0 ? expected.erase(at) : std::next(at);
    }
    return expected;
  }

  // Returns whether the life converged.
  bool Play(const Life& life, int64_t orders) {
    std::vector<DeliveryOrder> all = {InOrder(life, Shape::kPinned), InOrder(life, Shape::kOld)};
    const auto only = static_cast<uint64_t>(NumberFrom("BILLMESH_ORDER", 0));
    for (int64_t n = 0; n < orders; ++n) {
      const uint64_t seed = life.seed * kMaxOrders + static_cast<uint64_t>(n);
      if (only == 0 || only == seed) all.push_back(RandomOrder(life, seed));
    }
    const std::vector<Outcome> outcomes = world_.Run(life, all, life.seed);
    const Projection expected = Expected(life);
    for (const Outcome& outcome : outcomes) EXPECT_FALSE(outcome.projection.empty());
    const int before = reported_;
    for (size_t n = 0; n < all.size(); ++n) {
      const Projection& projection = outcomes[n].projection;
      const auto known = [&](const Projection& other) { return all[n].lossy ? Knowable(other, projection) : other; };
      const std::string against_provider = Differences(projection, known(expected), false);
      const std::string against_order = Differences(projection, known(outcomes[kInOrder].projection), all[n].plain);
      if (against_provider.empty() && against_order.empty() && outcomes[n].troubles.empty()) continue;
      Report(life, all[n], against_provider, against_order, outcomes[n].troubles, n >= kFirstRandom);
    }
    for (const auto& [name, row] : expected) ++rows_[name.substr(0, name.find(' '))];
    for (const DeliveryOrder& order : all) ++(order.lossy ? lossy_ : order.plain ? plain_ : fetching_);
    return reported_ == before;
  }

  void Report(const Life& life, const DeliveryOrder& order, const std::string& against_provider,
              const std::string& against_order, const std::vector<std::string>& troubles, bool random) {
    ++reported_;
    if (reported_ > kMaxReported) return;
    const auto life_seed = static_cast<unsigned long long>(life.seed);
    std::printf("DIVERGED: life %llu, %s\n", life_seed, order.name.c_str());
    std::printf("  repeat: tests/fault/run convergence --life %llu%s\n", life_seed,
                random ? absl::StrCat(" --order ", order.seed).c_str() : "");
    if (!against_provider.empty()) std::printf(" this order, then the provider:\n%s", against_provider.c_str());
    if (!against_order.empty()) std::printf(" this order, then in order:\n%s", against_order.c_str());
    if (!troubles.empty()) std::printf("  %s\n", absl::StrJoin(troubles, "\n  ").c_str());
    std::printf(" the life:\n  %s\n", absl::StrJoin(life.script, "\n  ").c_str());
    if (random && reported_ <= kMaxShrunk) {
      std::printf(" the least that diverges:\n%s", Shrunk(world_, life, order).c_str());
    }
  }

  // A campaign that never met a dispute says nothing about disputes.
  void ExpectRowsOfEveryTable() {
    for (const ProjectedTable& table : ProjectedTables()) EXPECT_GT(rows_[table.name], 0) << table.name;
  }

  ConvergenceWorld world_;
  int reported_ = 0;
  // Of the lives, by table; and orders, by what comes in them.
  std::map<std::string, int64_t> rows_;
  int64_t lossy_ = 0, plain_ = 0, fetching_ = 0;
};

TEST_F(LifeConvergenceTest, EveryOrderEndsInWhatTheProviderSays) {
  const auto started = std::chrono::steady_clock::now();
  const auto seed = static_cast<uint64_t>(
      NumberFrom("BILLMESH_SEED", std::chrono::system_clock::now().time_since_epoch().count() % 1'000'000));
  const auto only = static_cast<uint64_t>(NumberFrom("BILLMESH_LIFE", 0));
  const int64_t lives = only == 0 ? NumberFrom("BILLMESH_LIVES", kLives) : 1;
  const int64_t orders = NumberFrom("BILLMESH_ORDERS", kOrders);
  std::printf("convergence: seed=%llu; repeat: tests/fault/run convergence --lives %lld --orders %lld --seed %llu\n",
              static_cast<unsigned long long>(seed), static_cast<long long>(lives), static_cast<long long>(orders),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);  // said even where the campaign can't go on
  int64_t events = 0, converged = 0;
  for (int64_t n = 0; n < lives; ++n) {
    const Life life = MakeLife(only == 0 ? seed * kMaxLives + static_cast<uint64_t>(n) : only);
    events += static_cast<int64_t>(life.events.size());
    if (Play(life, orders)) ++converged;
  }
  const ConvergenceWorld::Counts& counts = world_.counts();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::printf(
      "convergence: lives=%lld converged=%lld events=%lld orders: plain=%lld fetching=%lld lossy=%lld; "
      "deliveries=%lld duplicates=%lld parked=%lld fetched=%lld refreshes=%lld diverged=%d seconds=%.1f\n",
      Long(lives), Long(converged), Long(events), Long(plain_), Long(fetching_), Long(lossy_), Long(counts.deliveries),
      Long(counts.duplicates), Long(counts.parked), Long(counts.projected), Long(counts.refreshes), reported_,
      took.count());
  for (const auto& [table, rows] : rows_) std::printf("  %6lld %s\n", Long(rows), table.c_str());
  if (lives >= kEnoughForAll) ExpectRowsOfEveryTable();
  EXPECT_EQ(reported_, 0) << "orders diverged";
}

}  // namespace
}  // namespace billmesh::convergence
