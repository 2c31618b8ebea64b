// entitlements get, entitlements check.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> EntitlementsCommands();

}  // namespace billmesh::billctl
