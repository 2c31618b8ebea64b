#include "deploy/billctl/command_line.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status/status.h"
#include "deploy/billctl/catalog_commands.h"
#include "deploy/billctl/checkout_commands.h"
#include "deploy/billctl/database_commands.h"
#include "deploy/billctl/entitlements_commands.h"
#include "deploy/billctl/outbox_commands.h"
#include "deploy/billctl/reconcile_commands.h"
#include "deploy/billctl/webhooks_commands.h"
#include "deploy/billctl/workspace_commands.h"

namespace billmesh::billctl {
namespace {

using config::Setting;
using config::Type;

constexpr char kProgram[] = "billctl";

bool IsHelp(const std::string& argument) { return argument == "--help" || argument == "-h" || argument == "help"; }

std::string Synopsis(const Command& command) {
  std::string out = absl::StrCat(kProgram, " ", command.words);
  for (const std::string& argument : command.arguments) absl::StrAppend(&out, " ", argument);
  return out;
}

std::string ProgramHelp(const std::vector<Command>& commands) {
  std::string out = "billctl: the operator's command line of billmesh\n\nUsage: billctl COMMAND [--flags]\n\n";
  for (const Command& command : commands) {
    std::string synopsis = Synopsis(command).substr(sizeof(kProgram));
    synopsis.resize(std::max<size_t>(synopsis.size(), 28), ' ');
    absl::StrAppend(&out, "  ", synopsis, "  ", command.summary, "\n");
  }
  absl::StrAppend(&out,
                  "\n`billctl COMMAND --help` lists a command's flags. Every command takes --json.\n"
                  "Exit codes: 0 done; 1 refused, failed, or something is wrong; 2 wrong usage or settings.\n");
  return out;
}

// The longest command whose words begin the command line; null if none does.
const Command* FindCommand(const std::vector<Command>& commands, const std::vector<std::string>& arguments,
                           size_t& used) {
  const Command* found = nullptr;
  for (const Command& command : commands) {
    const std::vector<std::string> words = absl::StrSplit(command.words, ' ');
    if (words.size() > arguments.size() || !std::equal(words.begin(), words.end(), arguments.begin())) continue;
    if (found == nullptr || words.size() > used) {
      found = &command;
      used = words.size();
    }
  }
  return found;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

int Explain(const std::string& program, const absl::Status& status, std::ostream& err) {
  err << program << ": " << DescribeError(status) << "\n";
  const bool usage =
      status.code() == absl::StatusCode::kInvalidArgument && ReasonOf(status) == Reason::FAILURE_REASON_UNSPECIFIED;
  return usage ? kExitUsage : kExitFailed;
}

}  // namespace

absl::Status UsageError(std::string_view what) { return absl::InvalidArgumentError(AbslView(what)); }

absl::Status RequireFlags(const config::Config& config, std::initializer_list<std::string_view> flags) {
  for (const std::string_view flag : flags) {
    if (config.Get(flag).empty()) return UsageError(absl::StrCat("--", AbslView(flag), " is required"));
  }
  return absl::OkStatus();
}

Setting TextFlag(std::string flag, std::string help) {
  return Setting{std::move(flag), "", Type::kString, "", std::move(help)};
}

Setting SwitchFlag(std::string flag, std::string help) {
  return Setting{std::move(flag), "", Type::kBool, "false", std::move(help)};
}

std::string DescribeError(const absl::Status& status) {
  const std::string message = OneLine(std::string(status.message()));
  if (ReasonOf(status) == Reason::FAILURE_REASON_UNSPECIFIED) return message;
  return absl::StrCat(CodeOf(ReasonOf(status)), ": ", message);
}

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (std::vector<Command> some :
       {DatabaseCommands(), WorkspaceCommands(), CatalogCommands(), CheckoutCommands(), EntitlementsCommands(),
        OutboxCommands(), ReconcileCommands(), WebhooksCommands()}) {
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  for (Command& command : all) command.settings.push_back(SwitchFlag("json", "answer as JSON, for programs"));
  return all;
}

int RunCommandLine(const std::vector<Command>& commands, const std::vector<std::string>& arguments,
                   const std::function<const char*(const char*)>& getenv, Clock& clock, IdGenerator& ids,
                   std::ostream& out, std::ostream& err) {
  if (arguments.empty() || IsHelp(arguments.front())) {
    (arguments.empty() ? err : out) << ProgramHelp(commands);
    return arguments.empty() ? kExitUsage : kExitOk;
  }
  size_t used = 0;
  const Command* command = FindCommand(commands, arguments, used);
  if (command == nullptr) {
    err << kProgram << ": no such command; `billctl --help` lists them\n";
    return kExitUsage;
  }
  const std::string program = absl::StrCat(kProgram, " ", command->words);
  std::vector<std::string> own;
  const bool help = std::any_of(arguments.begin() + used, arguments.end(), IsHelp);
  while (!help && own.size() < command->arguments.size() && used < arguments.size() &&
         arguments[used].substr(0, 2) != "--") {
    own.push_back(arguments[used++]);
  }
  if (!help && own.size() < command->arguments.size()) {
    err << program << ": " << command->arguments[own.size()] << " is missing; usage: " << Synopsis(*command)
        << " [--flags]\n";
    return kExitUsage;
  }
  std::vector<const char*> argv = {program.c_str()};
  if (help) argv.push_back("--help");
  for (size_t n = used; !help && n < arguments.size(); ++n) argv.push_back(arguments[n].c_str());
  const config::Parsed parsed = config::Parse(help ? Synopsis(*command) : program, command->summary, command->settings,
                                              command->checks, static_cast<int>(argv.size()), argv.data(), getenv);
  if (!parsed.config.has_value()) {
    (parsed.exit_code == kExitOk ? out : err) << parsed.message << "\n";
    return parsed.exit_code;
  }
  Context context{*parsed.config, own, out, err, clock, ids};
  const absl::StatusOr<int> exit_code = command->run(context);
  return exit_code.ok() ? *exit_code : Explain(program, exit_code.status(), err);
}

}  // namespace billmesh::billctl
