#include "tests/bench/cpu_time.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace billmesh::bench {
namespace {

struct Stat {
  pid_t pid = 0;
  pid_t parent = 0;
  double seconds = 0;  // its own, and of the children that it waited for
};

// proc(5): pid (comm) state ppid …, utime is the 14th field, then stime, cutime, cstime.
Stat ReadStat(const std::filesystem::path& directory) {
  std::ifstream in(directory / "stat");
  std::stringstream text;
  text << in.rdbuf();
  const std::string line = text.str();
  const size_t end = line.rfind(')');
  Stat stat;
  if (end == std::string::npos) return stat;
  std::istringstream rest(line.substr(end + 2));
  std::string field;
  double ticks = 0;
  for (int number = 3; number <= 17 && rest >> field; ++number) {
    if (number == 4) stat.parent = std::stoi(field);
    if (number >= 14) ticks += std::stod(field);
  }
  stat.pid = std::stoi(line);
  stat.seconds = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  return stat;
}

}  // namespace

double CpuSeconds(const std::vector<pid_t>& processes) {
  const auto counted = [&](pid_t pid) { return std::find(processes.begin(), processes.end(), pid) != processes.end(); };
  double seconds = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    if (std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0])) == 0) continue;
    const Stat stat = ReadStat(entry.path());
    if (counted(stat.pid) || counted(stat.parent)) seconds += stat.seconds;
  }
  return seconds;
}

}  // namespace billmesh::bench
