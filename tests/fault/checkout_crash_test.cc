// The crash campaign: the checkout daemon is killed at each of its fault points, in every client write, with every
// outcome of the provider's, and what is left must come to one good end. By default a few runs of each action that
// together kill at each point; all of them, or one by its name, through tests/fault/run.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "services/checkout/fault_points.h"
#include "tests/fault/crash_run.h"

namespace billmesh::crash {
namespace {

constexpr absl::Duration kSettling = absl::Seconds(60);

// BILLMESH_CRASHES: unset, "all", or the beginning of the names of the runs wanted.
struct Selection {
  std::vector<CrashRun> runs;
  bool of_everything = true;  // each point, outcome and action is in it
};

Selection Select() {
  const char* wanted = std::getenv("BILLMESH_CRASHES");
  if (wanted == nullptr || *wanted == '\0') return {FewRuns()};
  const std::string name = wanted;
  if (name == "all") return {AllRuns()};
  Selection selection{AllRuns(), /*of_everything=*/false};
  std::erase_if(selection.runs, [&](const CrashRun& run) { return run.Name().compare(0, name.size(), name) != 0; });
  return selection;
}

struct Totals {
  int runs = 0, killed = 0, unreachable = 0, passed = 0;
  std::set<std::string> points;
  std::set<ProviderOutcome> outcomes;
  std::map<const CrashAction*, std::set<std::string>> passages;  // by action: the points that were passed
};

void Report(const CrashRun& run, const RunResult& result, Totals& totals) {
  ++totals.runs;
  totals.outcomes.insert(run.outcome);
  totals.passages[run.action].insert(result.passed.begin(), result.passed.end());
  if (!WhyUnreachable(run).empty()) {
    ++totals.unreachable;
  } else if (result.killed) {
    ++totals.killed;
    totals.points.insert(run.point());
  }
  if (result.findings.empty()) {
    ++totals.passed;
    return;
  }
  for (const std::string& finding : result.findings) ADD_FAILURE() << run.Name() << ": " << finding;
  std::printf("crash failed: %s; repeat: tests/fault/run crashes --only %s\n", run.Name().c_str(), run.Name().c_str());
}

// A hold whose time is over ends with its entity's next checkout (CHK-4), and by nobody else so far: the buyers come
// back. None of them may be refused because of it.
void BuyAgainWhereAHoldIsSpent(CrashWorld& world) {
  const std::string entities = world.Value(
      "SELECT string_agg(DISTINCT s.entity_id::text, ' ') FROM billing.checkout_sessions s "
      "WHERE s.status = 'recovery_verification_pending' AND s.expires_at < billing.now()");
  for (const absl::string_view entity : absl::StrSplit(entities, ' ', absl::SkipEmpty())) {
    Subject buyer;
    buyer.entity_id = std::string(entity);
    pb::StartCheckoutResponse response;
    const CallEnd end = SendCheckout(world, buyer, "after-the-hold", response);
    EXPECT_EQ(end.code, "ok") << buyer.entity_id;
  }
}

// With its reconciler back, the mesh gets everything done that is left.
void ExpectSettled(CrashWorld& world) {
  world.HealDaemon();
  world.Sim("DELETE", "faults");
  BuyAgainWhereAHoldIsSpent(world);
  world.mesh().Start("reconciler");
  std::string found;
  const bool settled = testing::WaitUntil(
      [&] {
        const testing::CommandResult verified = world.mesh().Billctl({"verify", "--settled"});
        found = verified.output;
        return verified.exit_code == 0;
      },
      kSettling);
  EXPECT_TRUE(settled) << found;
}

size_t CountOf(const CrashAction& action, const std::vector<CrashRun>& runs) {
  return static_cast<size_t>(std::ranges::count(runs, &action, &CrashRun::action));
}

// What is declared of an action that was played in full is what its runs passed (Play finds what was passed beyond).
void ExpectDeclared(const Selection& selection, const Totals& totals) {
  const std::vector<CrashRun> all = AllRuns();
  for (const CrashAction& action : CrashActions()) {
    if (CountOf(action, selection.runs) != CountOf(action, all)) continue;
    for (const std::string_view point : checkout::fault_points::kAll) {
      const bool passed = totals.passages.at(&action).contains(std::string(point));
      EXPECT_TRUE(passed || !action.Reaches(point)) << action.name << " never passed " << point;
    }
  }
}

TEST(CheckoutCrashTest, EndsWellWhereverTheDaemonDies) {
  const Selection selection = Select();
  ASSERT_FALSE(selection.runs.empty()) << "no run has this name";
  CrashWorld world;
  Totals totals;
  for (const CrashRun& run : selection.runs) {
    Report(run, Play(world, run), totals);
    if (totals.runs % 50 == 0) std::printf("  %d of %zu runs\n", totals.runs, selection.runs.size());
    std::fflush(stdout);
  }
  ExpectSettled(world);
  std::printf("crash campaign: points=%zu outcomes=%zu actions=%zu runs=%d killed=%d unreachable=%d passed=%d\n",
              totals.points.size(), totals.outcomes.size(), totals.passages.size(), totals.runs, totals.killed,
              totals.unreachable, totals.passed);
  EXPECT_EQ(totals.killed + totals.unreachable, totals.runs);
  EXPECT_EQ(totals.passed, totals.runs);
  ExpectDeclared(selection, totals);
  if (!selection.of_everything) return;
  for (const std::string_view point : checkout::fault_points::kAll) {
    EXPECT_TRUE(totals.points.contains(std::string(point))) << "nobody died at " << point;
  }
  EXPECT_EQ(totals.outcomes.size(), std::size(kProviderOutcomes));
  EXPECT_EQ(totals.passages.size(), CrashActions().size());
}

}  // namespace
}  // namespace billmesh::crash
