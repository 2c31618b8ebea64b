// checkout start, checkout show.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> CheckoutCommands();

}  // namespace billmesh::billctl
