// Reads one one-off item with what it grants, for a sale. (common/catalog reads the whole catalog.)
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/catalog/item.h"
#include "common/db/pool.h"

namespace billmesh::checkout {

// The item of this code, on sale or not. Grants whose payload breaks its schema are named in invalid_grants.
absl::StatusOr<std::optional<catalog::OneOffItem>> FindItem(db::Tx& tx, std::string_view code);

}  // namespace billmesh::checkout
