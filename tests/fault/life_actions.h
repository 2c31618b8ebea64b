// What may happen in a life, as a table.
#pragma once

#include <vector>

#include "tests/fault/life_player.h"

namespace billmesh::convergence {

struct LifeAction {
  const char* name;
  int weight;
  void (*run)(LifePlayer& player);
};
const std::vector<LifeAction>& LifeActions();

}  // namespace billmesh::convergence
