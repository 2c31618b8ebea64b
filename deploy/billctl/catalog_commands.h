// catalog plan, catalog apply, catalog provision.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> CatalogCommands();

}  // namespace billmesh::billctl
