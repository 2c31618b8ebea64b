// outbox dead, outbox requeue.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> OutboxCommands();

}  // namespace billmesh::billctl
