// One run of the crash campaign: an action, what the provider does with its write, and where the daemon is killed.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fault/crash_action.h"
#include "tests/fault/crash_world.h"

namespace billmesh::crash {

// What the simulator does with the first call of the action's provider write.
enum class ProviderOutcome {
  kDone,         // does it and says so
  kRejected,     // refuses it, every time
  kLostBefore,   // the connection breaks before anything happened
  kLostAfter,    // it's done, and the connection breaks
  kFailedAfter,  // it's done, and a 500 is stored under the key and replayed
};
inline constexpr ProviderOutcome kProviderOutcomes[] = {ProviderOutcome::kDone, ProviderOutcome::kRejected,
                                                        ProviderOutcome::kLostBefore, ProviderOutcome::kLostAfter,
                                                        ProviderOutcome::kFailedAfter};
std::string_view NameOf(ProviderOutcome outcome);

struct CrashRun {
  const CrashAction* action = nullptr;
  std::string first;   // the point where a daemon dies: serving the client, or recovering where that passes it first
  std::string second;  // the point where its successor dies, recovering; empty: it doesn't
  ProviderOutcome outcome = ProviderOutcome::kDone;

  // The point that the run is about.
  const std::string& point() const { return second.empty() ? first : second; }
  // "<action>/<first>[+<second>]/<outcome>", as tests/fault/run takes it.
  std::string Name() const;
};

// Every action × outcome × point that the action reaches; and each point that leaves the operation pending once more
// with the successor killed at the takeover, over changing outcomes.
std::vector<CrashRun> AllRuns();
// A few of them: several points of each action, and each point, over changing outcomes.
std::vector<CrashRun> FewRuns();

// Why no daemon can die at the run's point; empty where one must. The run is played all the same, and shows it.
std::string_view WhyUnreachable(const CrashRun& run);

struct RunResult {
  bool killed = false;                // a daemon died at the run's point
  std::set<std::string> passed;       // the points that the action's daemons passed
  std::vector<std::string> findings;  // what must not be; empty: passed
};

RunResult Play(CrashWorld& world, const CrashRun& run);

}  // namespace billmesh::crash
