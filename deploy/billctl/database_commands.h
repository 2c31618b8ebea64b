// migrate, schema-version, verify: the commands that talk to PostgreSQL.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> DatabaseCommands();

}  // namespace billmesh::billctl
