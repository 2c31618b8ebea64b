// Members that plans, prices and items of a catalog file share, for the readers of that file only. Each fault is
// CATALOG_INVALID with line and where.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/catalog/catalog_file.h"
#include "common/catalog/entitlement_schema.h"
#include "common/catalog/yaml_members.h"

namespace billmesh::catalog {

inline constexpr size_t kMaxCodeBytes = 64;
inline constexpr size_t kMaxNameBytes = 100;

// Required: a-z 0-9 . _ -, beginning with a letter or a digit.
absl::Status ReadCode(const YamlMembers& members, std::string_view name, std::string& out);

// Required: three lower-case letters, and the options' currency if they name one.
absl::Status ReadCurrency(const YamlMembers& members, const FileOptions& options, std::string& out);

// provider_product_id and provider_price_id: both, or neither where the options allow that.
absl::Status ReadProviderIds(const YamlMembers& members, const FileOptions& options, std::string& product_id,
                             std::string& price_id);

// The value of an entitlement's mapping: `schema`, and the rest as the payload, apart from the members that are
// `aside`.
absl::StatusOr<EntitlementValue> ReadEntitlement(const YamlMembers& members,
                                                 std::initializer_list<std::string_view> aside);

// Where a mapping stands in the text.
FilePrice PlaceOf(const YAML::Node& node);

// One element of the file's list of items.
absl::StatusOr<FileItem> ReadItem(const YAML::Node& node, size_t index, const FileOptions& options);

}  // namespace billmesh::catalog
