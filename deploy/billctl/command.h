// What a command of billctl is: its words, its settings, and the function that runs it.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/config.h"
#include "common/ids/id_generator.h"
#include "common/time/clock.h"

namespace billmesh::billctl {

// Exit codes: done; refused, failed, or something found wrong; the command line or its settings are wrong.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// What a running command has.
struct Context {
  const config::Config& config;
  const std::vector<std::string>& arguments;  // as many as Command::arguments names
  std::ostream& out;                          // the answer
  std::ostream& err;                          // what is said beside it
  Clock& clock;
  IdGenerator& ids;
  bool json() const { return config.GetBool("json"); }
};

struct Command {
  std::string words;                   // "catalog apply"
  std::vector<std::string> arguments;  // {"FILE"}
  std::string summary;                 // one line
  std::vector<config::Setting> settings;
  std::vector<config::CrossCheck> checks;
  // The exit code, or why it failed: printed as one line, with exit code 1, or 2 for UsageError.
  std::function<absl::StatusOr<int>(Context&)> run;
};

// A fault of the command line, found while running.
absl::Status UsageError(std::string_view what);

// Flags that a command can't do without: UsageError "--slug is required".
absl::Status RequireFlags(const config::Config& config, std::initializer_list<std::string_view> flags);

// A flag without a variable; empty if not given.
config::Setting TextFlag(std::string flag, std::string help);
config::Setting SwitchFlag(std::string flag, std::string help);

}  // namespace billmesh::billctl
