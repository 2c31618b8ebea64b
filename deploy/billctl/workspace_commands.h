// workspace ensure, workspace member, workspace subscription.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> WorkspaceCommands();

}  // namespace billmesh::billctl
