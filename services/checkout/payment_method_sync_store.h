// What is stored of an entity's customer and its payment methods, by the provider's ids. Reads only: webhook writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"

namespace billmesh::checkout {

struct KnownMethods {
  std::optional<std::string> customer_id;  // the live one
  std::vector<std::string> method_ids;     // attached ones of that customer, newest first
};

// At most `limit` methods. In a tenant transaction of the entity; needs no lock, since nobody decides by it.
absl::StatusOr<KnownMethods> ReadKnownMethods(db::Tx& tx, std::string_view entity_id, std::string_view provider,
                                              int limit);

}  // namespace billmesh::checkout
