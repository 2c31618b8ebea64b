// What applying a catalog file would change in the plans, decided before anything is written (of items:
// catalog_item_diff.h). Pure: no I/O, no clock.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/catalog/catalog_file.h"
#include "common/catalog/plan.h"

namespace billmesh::checkout {

enum class CatalogAction {
  kCreate,      // a plan version that isn't stored
  kActivate,    // sold again
  kDeactivate,  // no longer sold; who has it keeps it
  kUpdate,      // another name, or the default moved
  kUnchanged,   // declared as it is stored, or not declared at all
};
std::string_view ActionName(CatalogAction action);

struct CatalogChange {
  CatalogAction action;
  std::string plan_code;
  std::string detail;
  const catalog::FilePlan* declared = nullptr;  // into the file; null for a stored plan that the file doesn't list
  const catalog::Plan* stored = nullptr;        // into the catalog; null for a new plan
};

// The changes in the file's order, then the stored plans that it doesn't list (they stay as they are). Refusals:
// - ALREADY_EXISTS (what, line, where): a published version differs commercially from the stored one (CAT-1);
// - CATALOG_INVALID (line, where): what is sound in the file alone clashes with a stored plan: a version of its family,
// a provider
//   price or the default that a stored plan has, a provider price that a stored item has.
// Both arguments must outlive the result.
absl::StatusOr<std::vector<CatalogChange>> DiffCatalog(const catalog::File& file, const catalog::Catalog& stored);

// Hex SHA-256 that stands for a catalog's state in the audit log: codes, contents, names, active and default flags.
std::string CatalogDigest(const catalog::Catalog& catalog);

}  // namespace billmesh::checkout
