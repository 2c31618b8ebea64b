// A child process of a test: started with an environment of its own, ended by its id, never left behind.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace billmesh::testing {

class Process {
 public:
  // Starts argv[0] with exactly this environment plus PATH; standard output and error are appended to the log file. Aborts the test
  // program when it can't be started.
  Process(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment, const std::string& log_file);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // Sends a signal if it still runs.
  void Signal(int signal);
  // Waits at most this long; the exit code (128 + signal when killed by one), or nothing while it still runs.
  std::optional<int> Wait(absl::Duration limit);
  bool running() { return !Wait(absl::ZeroDuration()).has_value(); }
  // Resident memory in KiB, from /proc.
  int64_t ResidentKib() const;

 private:
  pid_t pid_;
  std::optional<int> exit_code_;
};

// Runs a command to its end, at most `limit`: exit code and standard output. Standard error goes to this program's.
struct CommandResult {
  int exit_code;
  std::string output;
};
CommandResult RunCommand(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
                         absl::Duration limit = absl::Seconds(60));

// A TCP port of 127.0.0.1 that nobody listens on at the moment; never the same twice in one process. Thread safe.
int FreePort();

// An environment variable that tests/run sets; aborts with a clear line without it.
std::string RequiredEnv(const char* name);

}  // namespace billmesh::testing
