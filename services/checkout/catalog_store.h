// Writes of the catalog tables (reading is common/catalog/catalog_store.h). System scope; never begins or commits.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/catalog/plan.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"

namespace billmesh::checkout {

// Makes writers of the catalog take turns; what is read in later statements stays true until the transaction ends.
absl::Status LockCatalog(db::Tx& tx);

// A new plan version with its prices and entitlements. Ids are made here.
absl::Status InsertPlan(db::Tx& tx, IdGenerator& ids, const catalog::Plan& plan);

// What may change in a published version.
absl::Status UpdatePlan(db::Tx& tx, std::string_view plan_id, std::string_view name, bool active, bool is_default);

// A new one-off item with its grants. Ids are made here.
absl::Status InsertItem(db::Tx& tx, IdGenerator& ids, const catalog::OneOffItem& item);

// What may change in a published item.
absl::Status UpdateItem(db::Tx& tx, std::string_view item_id, std::string_view name, bool active);

// After the last write. Returns the new revision.
absl::StatusOr<int64_t> BumpCatalogRevision(db::Tx& tx);

}  // namespace billmesh::checkout
