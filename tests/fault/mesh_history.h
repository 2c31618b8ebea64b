// Workspaces that bought through the whole mesh, and what happened to them at the provider since, while no delivery of
// it came: the events that are yet to be delivered, and what must have come of them.
#pragma once

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/fault/life.h"
#include "tests/support/mesh.h"

namespace billmesh::exactlyonce {

struct TenantHistory {
  std::string entity_id;
  convergence::Life life;  // without bodies of the old shape and without snapshots
};

struct MeshHistory {
  std::vector<std::string> event_ids, event_bodies;  // of all, in their order
  std::vector<TenantHistory> tenants;
};

// Each buys, uses and changes what it bought, for two renewals. The simulator delivers nothing from here on. Aborts the
// test program where something of it is refused.
MeshHistory PlayHistory(testing::Mesh& mesh, int tenants);

}  // namespace billmesh::exactlyonce
