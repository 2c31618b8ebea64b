// Reads one plan with its prices, for a sale. (common/catalog reads the whole catalog.)
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/catalog/plan.h"
#include "common/db/pool.h"

namespace billmesh::checkout {

// The plan of this code without its entitlements, inactive prices included.
absl::StatusOr<std::optional<catalog::Plan>> FindPlan(db::Tx& tx, std::string_view code);

}  // namespace billmesh::checkout
