// Makes an order that diverges small enough to be understood.
#pragma once

#include <string>

#include "tests/fault/convergence_world.h"
#include "tests/fault/delivery_order.h"

namespace billmesh::convergence {

// Leaves out events, one after another, as long as the order still ends elsewhere than the same events in order; says
// what is left.
std::string Shrunk(ConvergenceWorld& world, const Life& life, const DeliveryOrder& order);

}  // namespace billmesh::convergence
