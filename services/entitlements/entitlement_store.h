// The rows behind the states: what they are computed from, and the stored answers (the table billing.entitlements).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "services/entitlements/entitlement_rules.h"

namespace billmesh::entitlements {

// What the stored answer of an entity was computed from.
struct StoredVersion {
  int64_t revision;
  int64_t catalog_revision;
  absl::Time updated_at;
};

struct LoadedInputs {
  EntityInputs inputs;
  std::optional<StoredVersion> stored;
};

struct LoadedBatch {
  // Those of this env that exist, in the order of their ids.
  std::vector<LoadedInputs> entities;
  int64_t catalog_revision = 0;
  absl::Time now;  // billing.now()
};

// The inputs of these entities (at most a few hundred ids), each with its revision, in one snapshot: one statement.
absl::StatusOr<LoadedBatch> LoadInputs(db::Tx& tx, std::string_view env, const std::vector<std::string>& entity_ids);

// An answer to store.
struct NewAnswer {
  std::string entity_id;
  int64_t revision = 0;
  int64_t catalog_revision = 0;
  std::string
      plan_code;  // plan and status as of updated_at, for people who look at the table; segments are what counts
  EntitlementStatus status = billing::entitlements::v1::ENTITLEMENT_STATUS_UNSPECIFIED;
  std::optional<absl::Time> current_period_end;
  bool comped = false;
  std::string segments_json;  // CanonicalSegments
  absl::Time updated_at;
};

// Stores each answer only over one computed from an older (revision, catalog revision) (ENT-2), and appends an audit
// row BILLING_ENTITLEMENTS_UPDATED where the content changed. Returns how many contents changed. Locks rows in the
// order of their ids.
absl::StatusOr<int> StoreAnswers(db::Tx& tx, IdGenerator& ids, std::string_view env, std::vector<NewAnswer> answers);

}  // namespace billmesh::entitlements
