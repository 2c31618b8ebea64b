// Makes an order that diverges small enough to be understood.
#pragma once

#include <string>

#include "tests/fault/convergence_world.h"
#include "tests/fault/delivery_order.h"

namespace billmesh::convergence {

// Leaves out events and snapshots, as long as the order still ends elsewhere than the same in the order of their times;
// says what is left.
std::string Shrunk(ConvergenceWorld& world, const Life& life, const DeliveryOrder& order);

}  // namespace billmesh::convergence
