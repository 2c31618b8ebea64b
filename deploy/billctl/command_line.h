// From the command line to a command: finds it by its words, takes its arguments, reads its settings, runs it, and says
// what went wrong in one line.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

// All commands, in the order of --help.
std::vector<Command> AllCommands();

// billctl WORDS… [ARGUMENTS…] [--flags]. Returns the exit code. getenv is an argument for tests.
int RunCommandLine(const std::vector<Command>& commands, const std::vector<std::string>& arguments,
                   const std::function<const char*(const char*)>& getenv, Clock& clock, IdGenerator& ids,
                   std::ostream& out, std::ostream& err);

// "already_exists: line 12: …" on one line.
std::string DescribeError(const absl::Status& status);

}  // namespace billmesh::billctl
