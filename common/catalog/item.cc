#include "common/catalog/item.h"

#include <utility>

namespace billmesh::catalog {

void AddStoredGrant(const std::string& key, std::string_view schema_version, std::string_view payload_json,
                    std::optional<int64_t> duration_seconds, OneOffItem& item) {
  absl::StatusOr<EntitlementValue> value = ParseEntitlementJson(schema_version, payload_json);
  if (value.ok() && ValidateEntitlementKey(key).ok()) {
    item.grants.emplace(key, ItemGrant{*std::move(value), duration_seconds});
  } else {
    item.invalid_grants.push_back(key);
  }
}

}  // namespace billmesh::catalog
