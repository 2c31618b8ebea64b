// reconcile run, reconcile runs.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> ReconcileCommands();

}  // namespace billmesh::billctl
