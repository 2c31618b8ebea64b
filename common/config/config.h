// Configuration by flags and environment (CFG-1, CFG-2). A daemon declares its settings in one table; --help is printed
// from it, and every fault is named at once. Only main.cc reads it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace billmesh::config {

enum class Type {
  kString,
  kInt,       // bounds apply
  kDuration,  // "250ms", "2s", "15m", "1h"; bounds apply in milliseconds
  kBool,      // true, false, 1, 0; a bare --flag is true
  kAddress,   // host:port
  kUrl,       // http:// or https://
  kFile,      // the path of a readable regular file
  kSecret,    // never printed; the variable <ENV>_FILE may name a mounted file instead, whose trailing newlines are cut
};

// One setting. The flag wins over the environment, the environment over the fallback. An empty variable counts as not
// set. An empty value is taken only where the fallback is empty too (the setting is optional); otherwise values,
// fallbacks included, must be of the type.
struct Setting {
  std::string flag;  // "metrics-listen"
  std::string env;   // "METRICS_ADDR"
  Type type = Type::kString;
  std::optional<std::string> fallback;    // none: required
  std::string help;                       // with the unit
  int64_t min = 0;                        // for kInt and kDuration (ms); both 0: no bounds
  int64_t max = 0;                        // 0: no upper bound
  std::vector<std::string> choices = {};  // kString: if not empty, one of these
  std::string alias_env = "";             // another variable read as the same; both set and different is a fault
};

class Config {
 public:
  const std::string& Get(std::string_view flag) const;  // aborts for an undeclared flag
  int64_t GetInt(std::string_view flag) const;
  absl::Duration GetDuration(std::string_view flag) const;
  bool GetBool(std::string_view flag) const;
  // The file that a kSecret came from, so that it can be read again when it rotates (CFG-5); empty if none.
  const std::string& SecretFile(std::string_view flag) const;
  // Comma separated values, blanks trimmed, empty ones dropped.
  std::vector<std::string> GetList(std::string_view flag) const;
  bool check_only() const { return check_only_; }  // --check-config

 private:
  friend struct Parser;
  std::map<std::string, std::string, std::less<>> values_;
  std::map<std::string, std::string, std::less<>> secret_files_;
  std::set<std::string, std::less<>> faulty_;  // read as empty, zero or false while checks run
  mutable bool read_faulty_ = false;           // whether the running check depended on one
  bool check_only_ = false;
};

// A check over several settings at once; returns a fault in words, or an empty string. It runs even where other
// settings have faults; what it says is dropped if it reads one of those.
using CrossCheck = std::function<std::string(const Config&)>;

// What to do with the command line.
struct Parsed {
  // Set: go on with it. Not set: print `message` and end with `exit_code` (--help: 0, faults: 2).
  std::optional<Config> config;
  std::string message;
  int exit_code = 0;
};

// Flags are --flag=value or --flag value; --help and --check-config are known everywhere. getenv is an argument for
// tests; in main it is ::getenv. All faults are joined into one line: "billmesh-checkout: STRIPE_SECRET_KEY is required
// (--stripe-secret-key); --listen: \"x\" is not host:port".
Parsed Parse(std::string_view program, std::string_view summary, const std::vector<Setting>& settings,
             const std::vector<CrossCheck>& checks, int argc, const char* const* argv,
             const std::function<const char*(const char*)>& getenv);

}  // namespace billmesh::config
