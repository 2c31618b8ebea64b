#include "common/testing/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

namespace billmesh::testing {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "test process: %s\n", what.c_str());
  std::abort();
}

// What a process gets of our environment beside its own variables: where programs are, and how a sanitizer behaves.
constexpr const char* kInherited[] = {"PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"};

std::vector<std::string> Environment(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) lines.push_back(name + "=" + value);
  for (const char* name : kInherited) {
    const char* value = std::getenv(name);
    if (value != nullptr && variables.count(name) == 0) lines.push_back(std::string(name) + "=" + value);
  }
  return lines;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Forks with standard output and error on the given descriptors. The child dies with the test program, even if that is
// killed.
pid_t Spawn(std::vector<std::string> argv, const std::map<std::string, std::string>& variables, int out, int err) {
  std::vector<std::string> environment = Environment(variables);
  const std::vector<char*> arguments = Pointers(argv), values = Pointers(environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) Die("cannot fork");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(arguments[0], arguments.data(), values.data());
  _exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
                 const std::string& log_file) {
  const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) Die("cannot open " + log_file);
  pid_ = Spawn(argv, environment, log, log);
  close(log);
}

Process::~Process() {
  Signal(SIGKILL);
  Wait(absl::Seconds(10));
}

void Process::Signal(int signal) {
  if (running()) kill(pid_, signal);
}

std::optional<int> Process::Wait(absl::Duration limit) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMicroseconds(limit);
  while (!exit_code_.has_value()) {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() >= end) {
      break;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return exit_code_;
}

int64_t Process::ResidentKib() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      int64_t kib = 0;
      status >> kib;
      return kib;
    }
  }
  return 0;
}

CommandResult RunCommand(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
                         absl::Duration limit) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) Die("cannot make a pipe");
  const pid_t pid = Spawn(argv, environment, pipe_ends[1], STDERR_FILENO);
  close(pipe_ends[1]);
  CommandResult result{-1, ""};
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMicroseconds(limit);
  char buffer[4096];
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd fd{pipe_ends[0], POLLIN, 0};
    if (left <= 0 || poll(&fd, 1, static_cast<int>(left)) == 0) {
      kill(pid, SIGKILL);
      break;
    }
    const ssize_t n = read(pipe_ends[0], buffer, sizeof(buffer));
    if (n <= 0) break;
    result.output.append(buffer, static_cast<size_t>(n));
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

namespace {

// Below those that the system gives to outgoing connections, so that none of them takes a port between our asking and its
// use, and beside those that the scripts take (deploy/local/lib/ports.sh).
constexpr int kFirstPort = 30'000, kLastPort = 32'767, kMaxTries = 1000;

bool CanListenOn(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool free = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                    bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  if (fd >= 0) close(fd);
  return free;
}

}  // namespace

int FreePort() {
  static std::mutex mutex;
  static std::mt19937 chance{std::random_device{}()};
  static std::set<int> given;
  const std::lock_guard lock(mutex);
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const int port = std::uniform_int_distribution<int>(kFirstPort, kLastPort)(chance);
    if (given.count(port) == 0 && CanListenOn(port)) return *given.insert(port).first;
  }
  Die("no free port");
}

std::string RequiredEnv(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) Die(std::string(name) + " is not set; run this through tests/run");
  return value;
}

}  // namespace billmesh::testing
