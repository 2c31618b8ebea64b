// webhooks list, show, quarantine, replay, bind, dismiss.
#pragma once

#include <vector>

#include "deploy/billctl/command.h"

namespace billmesh::billctl {

std::vector<Command> WebhooksCommands();

}  // namespace billmesh::billctl
