#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/checkout/fault_points.h"
#include "tests/fault/crash_run.h"

namespace billmesh::crash {
namespace {

namespace points = checkout::fault_points;

bool IsLookUp(std::string_view point) { return point == points::kBeforeLookUp || point == points::kAfterLookUp; }
bool IsRetrieve(std::string_view point) { return point == points::kBeforeRetrieve || point == points::kAfterRetrieve; }
bool IsStep(std::string_view point) { return point == points::kBeforeStepCommit || point == points::kAfterStepCommit; }
bool IsTakeover(std::string_view point) {
  return point == points::kBeforeTakeoverCommit || point == points::kAfterTakeoverCommit;
}

// Passed only by whoever recovers.
bool IsOfRecovery(const CrashAction& action, std::string_view point) {
  return IsTakeover(point) || IsRetrieve(point) || IsLookUp(point) || (IsStep(point) && action.supersedes);
}

// A crash there leaves a pending operation behind.
bool LeavesPending(const CrashAction& action, std::string_view point) {
  return !IsOfRecovery(action, point) && point != points::kBeforeClaimCommit && point != points::kAfterFinalCommit;
}

CrashRun RunAt(const CrashAction& action, std::string_view point, ProviderOutcome outcome) {
  if (IsOfRecovery(action, point)) return {&action, points::kAfterAnswer, std::string(point), outcome};
  return {&action, std::string(point), "", outcome};
}

ProviderOutcome OutcomeOf(size_t turn) { return kProviderOutcomes[turn % std::size(kProviderOutcomes)]; }

// Whether the object that the write makes is there when recovery looks for it.
bool IsMade(ProviderOutcome outcome) {
  return outcome != ProviderOutcome::kRejected && outcome != ProviderOutcome::kLostBefore;
}

// The action's point that was chosen least so far.
std::string_view LeastChosen(const CrashAction& action, const std::map<std::string_view, int>& chosen,
                             const std::set<std::string_view>& without) {
  std::string_view least;
  for (const std::string_view point : points::kAll) {
    if (!action.Reaches(point) || without.contains(point)) continue;
    if (least.empty() || chosen.at(point) < chosen.at(least)) least = point;
  }
  return least;
}

constexpr int kFewPoints = 4;

}  // namespace

std::string_view NameOf(ProviderOutcome outcome) {
  switch (outcome) {
    case ProviderOutcome::kDone:
      return "done";
    case ProviderOutcome::kRejected:
      return "rejected";
    case ProviderOutcome::kLostBefore:
      return "lost_before";
    case ProviderOutcome::kLostAfter:
      return "lost_after";
    case ProviderOutcome::kFailedAfter:
      return "failed_after";
  }
  return "";
}

std::string CrashRun::Name() const {
  const std::string_view result = NameOf(outcome);
  return absl::StrCat(action->name, "/", first, second.empty() ? "" : "+", second, "/",
                      absl::string_view(result.data(), result.size()));
}

std::string_view WhyUnreachable(const CrashRun& run) {
  struct Row {
    bool (*matches)(const CrashRun& run);
    std::string_view why;
  };
  static constexpr Row kRows[] = {
      {[](const CrashRun& r) { return r.point() == points::kAfterLookUp && IsMade(r.outcome); },
       "it's passed where nothing is found, and the object is"},
      {[](const CrashRun& r) {
         return IsRetrieve(r.point()) && r.action->looks_up && r.outcome == ProviderOutcome::kRejected;
       },
       "nothing was made that could be retrieved"},
      {[](const CrashRun& r) {
         return IsStep(r.first) && !r.action->supersedes && r.outcome == ProviderOutcome::kRejected;
       },
       "a refused step is the last"},
  };
  for (const Row& row : kRows) {
    if (row.matches(run)) return row.why;
  }
  return "";
}

std::vector<CrashRun> AllRuns() {
  std::vector<CrashRun> runs;
  size_t turn = 0;
  for (const CrashAction& action : CrashActions()) {
    for (const std::string_view point : points::kAll) {
      if (!action.Reaches(point)) continue;
      for (const ProviderOutcome outcome : kProviderOutcomes) runs.push_back(RunAt(action, point, outcome));
      // Behind the answer the takeover is the recovery's points' own.
      if (!LeavesPending(action, point) || point == points::kAfterAnswer) continue;
      for (const char* takeover : {points::kBeforeTakeoverCommit, points::kAfterTakeoverCommit}) {
        CrashRun twice{&action, std::string(point), takeover, OutcomeOf(turn++)};
        while (!WhyUnreachable(twice).empty()) twice.outcome = OutcomeOf(turn++);
        runs.push_back(std::move(twice));
      }
    }
  }
  return runs;
}

std::vector<CrashRun> FewRuns() {
  std::vector<CrashRun> runs;
  std::map<std::string_view, int> chosen;
  for (const std::string_view point : points::kAll) chosen[point] = 0;
  size_t turn = 0;
  for (const CrashAction& action : CrashActions()) {
    std::set<std::string_view> mine;
    for (int n = 0; n < kFewPoints; ++n) {
      const std::string_view point = LeastChosen(action, chosen, mine);
      CrashRun run = RunAt(action, point, OutcomeOf(turn++));
      while (!WhyUnreachable(run).empty()) run.outcome = OutcomeOf(turn++);
      runs.push_back(std::move(run));
      mine.insert(point);
      ++chosen[point];
    }
  }
  return runs;
}

}  // namespace billmesh::crash
