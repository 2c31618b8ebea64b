// Reads the catalog from the database. Any role of any daemon may.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/catalog/plan.h"
#include "common/db/pool.h"

namespace billmesh::catalog {

// The whole catalog with the revision that it stands for. Entitlements whose payload breaks its schema are left out of
// their plan, named in Plan::invalid_entitlements, and raise the guardrail BILLING_INVALID_ENTITLEMENT_PAYLOAD with
// plan code and version; likewise the grants of an item, with its code. TRANSACTION_CONFLICT when the catalog changed
// under each of a few attempts to read it whole.
absl::StatusOr<Catalog> LoadCatalog(db::Tx& tx);

// The revision alone, to tell whether a loaded catalog is still the present one.
absl::StatusOr<int64_t> ReadCatalogRevision(db::Tx& tx);

}  // namespace billmesh::catalog
