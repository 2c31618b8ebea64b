#include "common/fault/fault_point.h"

#ifdef BILLMESH_FAULT_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace billmesh::fault {
namespace {

struct Armed {
  std::string action;
  std::string argument;
  int only_passage = 0;  // 0: every one
};

struct State {
  std::mutex mutex;
  std::map<std::string, Armed> armed;
  std::map<std::string, int> passages;
  int log_fd = -1;
};

// "name=action[:argument][@n]"
void Parse(State& state, const std::string& rule) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(rule, absl::MaxSplits('=', 1));
  std::pair<std::string, std::string> at = absl::StrSplit(parts.second, absl::MaxSplits('@', 1));
  const std::pair<std::string, std::string> action = absl::StrSplit(at.first, absl::MaxSplits(':', 1));
  Armed armed{action.first, action.second, 0};
  if (!at.second.empty() && !absl::SimpleAtoi(at.second, &armed.only_passage)) std::abort();
  state.armed[parts.first] = armed;
}

State& TheState() {
  static State* const state = [] {
    auto* made = new State;
    if (const char* rules = ::getenv("BILLMESH_FAULTS")) {
      for (const auto& rule : absl::StrSplit(rules, ';', absl::SkipEmpty())) Parse(*made, std::string(rule));
    }
    if (const char* log = ::getenv("BILLMESH_FAULTS_LOG")) {
      made->log_fd = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    return made;
  }();
  return *state;
}

}  // namespace

absl::Status Pass(const char* name) {
  State& state = TheState();
  Armed armed;
  {
    std::lock_guard lock(state.mutex);
    const int passage = ++state.passages[name];
    if (state.log_fd >= 0) {
      const std::string line = absl::StrCat(name, "\n");
      if (::write(state.log_fd, line.data(), line.size()) < 0) std::abort();
    }
    const auto it = state.armed.find(name);
    if (it == state.armed.end()) return absl::OkStatus();
    if (it->second.only_passage != 0 && it->second.only_passage != passage) return absl::OkStatus();
    armed = it->second;
  }
  if (armed.action == "abort") ::kill(::getpid(), SIGKILL);
  if (armed.action == "stop") ::kill(::getpid(), SIGSTOP);
  if (armed.action == "delay") std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(armed.argument.c_str())));
  if (armed.action == "error") return absl::UnavailableError(absl::StrCat("fault point ", name));
  return absl::OkStatus();
}

}  // namespace billmesh::fault

#endif  // BILLMESH_FAULT_POINTS
