#include "common/config/config.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/config/value.h"
#include "common/status/strings.h"

namespace billmesh::config {
namespace {

constexpr size_t kMaxSecretBytes = 64 << 10;
constexpr int kFaultExitCode = 2;
constexpr char kHelp[] = "help";
constexpr char kCheckConfig[] = "check-config";
constexpr char kFileSuffix[] = "_FILE";

[[noreturn]] void DieUndeclared(std::string_view flag) {
  std::fprintf(stderr, "the setting --%.*s is read but not declared\n", static_cast<int>(flag.size()), flag.data());
  std::abort();
}

// At most kMaxSecretBytes; nullopt if it can't be read or is larger.
std::optional<std::string> ReadSecret(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxSecretBytes + 1, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && file.gcount() == 0 && !file.eof())
    return std::nullopt;
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxSecretBytes) return std::nullopt;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

// A value and the name under which it was given, for faults.
struct Given {
  std::string value;
  std::string source;  // "--listen" or "LISTEN_ADDR"
  std::string file;    // of a secret
};

std::string HelpText(std::string_view program, std::string_view summary, const std::vector<Setting>& settings) {
  std::string out = absl::StrCat(AbslView(program), ": ", AbslView(summary), "\n\nUsage: ", AbslView(program),
                                 " [--flag=value]…\nA flag wins over its environment variable.\n\n");
  for (const Setting& setting : settings) {
    absl::StrAppend(&out, "  --", setting.flag, "=<", Describe(setting), ">\n      env ", setting.env);
    if (!setting.alias_env.empty()) absl::StrAppend(&out, " (or ", setting.alias_env, ")");
    if (setting.type == Type::kSecret)
      absl::StrAppend(&out, ", or ", setting.env, kFileSuffix, " for a file that holds it");
    if (!setting.fallback) {
      out += "; required";
    } else if (setting.fallback->empty()) {
      out += "; default: none";
    } else {
      absl::StrAppend(&out, "; default: ", setting.type == Type::kSecret ? "set" : *setting.fallback);
    }
    absl::StrAppend(&out, "\n      ", setting.help, "\n");
  }
  absl::StrAppend(&out, "  --", kCheckConfig, "\n      Checks the settings and ends.\n  --", kHelp,
                  "\n      Prints this and ends.\n");
  return out;
}

}  // namespace

const std::string& Config::Get(std::string_view flag) const {
  static const std::string kEmpty;
  if (faulty_.count(flag) > 0) {
    read_faulty_ = true;
    return kEmpty;
  }
  const auto it = values_.find(flag);
  if (it == values_.end()) DieUndeclared(flag);
  return it->second;
}

int64_t Config::GetInt(std::string_view flag) const { return ToInt(Get(flag)); }
absl::Duration Config::GetDuration(std::string_view flag) const { return ToDuration(Get(flag)); }
bool Config::GetBool(std::string_view flag) const { return ToBool(Get(flag)); }

const std::string& Config::SecretFile(std::string_view flag) const {
  static const std::string kEmpty;
  Get(flag);  // aborts for an undeclared one
  const auto it = secret_files_.find(flag);
  return it == secret_files_.end() ? kEmpty : it->second;
}

std::vector<std::string> Config::GetList(std::string_view flag) const {
  std::vector<std::string> out;
  for (absl::string_view part : absl::StrSplit(Get(flag), ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (!part.empty()) out.emplace_back(part);
  }
  return out;
}

struct Parser {
  const std::vector<Setting>& settings;
  const std::function<const char*(const char*)>& getenv;
  std::map<std::string, std::string, std::less<>> flags;  // as given
  std::vector<std::string> faults;
  Config config;
  bool help = false;

  const Setting* Find(std::string_view flag) const {
    for (const Setting& setting : settings) {
      if (setting.flag == flag) return &setting;
    }
    return nullptr;
  }

  // What is not a flag or not known is never quoted: it may be a secret in the wrong place.
  void ReadArguments(int argc, const char* const* argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view argument = argv[i];
      if (argument.substr(0, 2) != "--" || argument.size() == 2) {
        faults.push_back(absl::StrCat("argument ", i, " is not a flag"));
        continue;
      }
      const size_t equals = argument.find('=');
      const bool has_value = equals != std::string_view::npos;
      const std::string name(argument.substr(2, has_value ? equals - 2 : equals));
      if (!has_value && name == kHelp) {
        help = true;
      } else if (!has_value && name == kCheckConfig) {
        config.check_only_ = true;
      } else if (const Setting* setting = Find(name); setting == nullptr) {
        faults.push_back(absl::StrCat("unknown flag ", Quote("--" + name)));
      } else if (has_value) {
        AddFlag(name, argument.substr(equals + 1));
      } else if (setting->type == Type::kBool) {
        AddFlag(name, "true");
      } else if (i + 1 < argc && std::string_view(argv[i + 1]).substr(0, 2) != "--") {
        AddFlag(name, argv[++i]);
      } else {
        faults.push_back(absl::StrCat("--", name, " has no value"));
        config.faulty_.insert(name);
      }
    }
  }

  void AddFlag(const std::string& name, std::string_view value) {
    if (!flags.emplace(name, value).second) faults.push_back(absl::StrCat("--", name, " is given twice"));
  }

  // A variable that is set and not empty.
  std::optional<std::string> Env(const std::string& name) const {
    if (name.empty()) return std::nullopt;
    const char* value = getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  }

  // The value from the environment: the variable, its alias, or for secrets the file that one of them with _FILE names.
  // nullopt if none is set or there is a fault (which is then noted).
  std::optional<Given> FromEnvironment(const Setting& setting) {
    std::optional<Given> given;
    for (const std::string& name : {setting.env, setting.alias_env}) {
      std::optional<std::string> value = Env(name);
      if (!value) continue;
      if (given && given->value != *value)
        return Fault(setting, absl::StrCat(given->source, " and ", name, " are both set and differ"));
      if (!given) given = Given{std::move(*value), name, ""};
    }
    if (setting.type != Type::kSecret) return given;
    for (const std::string& name : {setting.env, setting.alias_env}) {
      const std::string file_variable = name + kFileSuffix;
      const std::optional<std::string> path = name.empty() ? std::nullopt : Env(file_variable);
      if (!path) continue;
      if (given) return Fault(setting, absl::StrCat(given->source, " and ", file_variable, " are both set"));
      std::optional<std::string> value = ReadSecret(*path);
      if (!value)
        return Fault(setting, absl::StrCat(file_variable, ": ", Quote(*path), " is not a readable file of at most ",
                                           kMaxSecretBytes, " bytes"));
      if (value->empty()) return Fault(setting, absl::StrCat(file_variable, ": ", Quote(*path), " is empty"));
      given = Given{std::move(*value), file_variable, *path};
    }
    return given;
  }

  std::nullopt_t Fault(const Setting& setting, std::string fault) {
    faults.push_back(std::move(fault));
    config.faulty_.insert(setting.flag);
    return std::nullopt;
  }

  void Resolve(const Setting& setting) {
    if (config.faulty_.count(setting.flag) > 0) return;
    if (!config.values_.emplace(setting.flag, "").second) {
      Fault(setting, absl::StrCat("--", setting.flag, " is declared twice"));
      return;
    }
    std::optional<Given> given;
    if (const auto flag = flags.find(setting.flag); flag != flags.end()) {
      given = Given{flag->second, "--" + setting.flag, ""};
    } else {
      given = FromEnvironment(setting);
      if (config.faulty_.count(setting.flag) > 0) return;
    }
    if (!given && setting.fallback) given = Given{*setting.fallback, "--" + setting.flag, ""};
    if (!given) {
      Fault(setting, absl::StrCat(setting.env, " is required (--", setting.flag, ")"));
      return;
    }
    if (given->value.empty()) {
      if (!setting.fallback || !setting.fallback->empty()) Fault(setting, given->source + " is empty");
      return;
    }
    if (const std::string fault = FaultOf(setting, given->value); !fault.empty()) {
      Fault(setting, absl::StrCat(given->source, ": ", fault));
      return;
    }
    config.values_[setting.flag] = std::move(given->value);
    if (!given->file.empty()) config.secret_files_[setting.flag] = std::move(given->file);
  }

  void RunChecks(const std::vector<CrossCheck>& checks) {
    for (const CrossCheck& check : checks) {
      config.read_faulty_ = false;
      std::string fault = check(config);
      if (!fault.empty() && !config.read_faulty_) faults.push_back(std::move(fault));
    }
  }
};

Parsed Parse(std::string_view program, std::string_view summary, const std::vector<Setting>& settings,
             const std::vector<CrossCheck>& checks, int argc, const char* const* argv,
             const std::function<const char*(const char*)>& getenv) {
  Parser parser{settings, getenv, {}, {}, {}};
  parser.ReadArguments(argc, argv);
  if (parser.help) return Parsed{std::nullopt, HelpText(program, summary, settings), 0};
  for (const Setting& setting : settings) parser.Resolve(setting);
  parser.RunChecks(checks);
  if (!parser.faults.empty()) {
    return Parsed{std::nullopt, absl::StrCat(AbslView(program), ": ", absl::StrJoin(parser.faults, "; ")),
                  kFaultExitCode};
  }
  return Parsed{std::move(parser.config), "", 0};
}

}  // namespace billmesh::config
