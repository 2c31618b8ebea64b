// What applying a catalog file would change in the one-off items. Pure: no I/O, no clock.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/catalog/catalog_file.h"
#include "services/checkout/catalog_diff.h"

namespace billmesh::checkout {

struct ItemChange {
  CatalogAction action;
  std::string item_code;
  std::string detail;
  const catalog::FileItem* declared = nullptr;  // into the file; null for a stored item that the file doesn't list
  const catalog::OneOffItem* stored = nullptr;  // into the catalog; null for a new item
};

// The changes in the file's order, then the stored items that it doesn't list (they stay as they are). Refusals, with
// line and where: ALREADY_EXISTS (what) where a published item differs commercially, CATALOG_INVALID where a new one
// takes the provider price of a stored plan or item. Both arguments must outlive the result.
absl::StatusOr<std::vector<ItemChange>> DiffItems(const catalog::File& file, const catalog::Catalog& stored);

}  // namespace billmesh::checkout
