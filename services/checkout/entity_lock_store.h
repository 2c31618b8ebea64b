// The entity's row lock, which serializes all writers of an entity (CHK-7). What it guards is read in later
// statements, which then see what the previous holder committed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/db/pool.h"

namespace billmesh::checkout {

struct LockedEntity {
  std::string id;
  std::string env;
  std::string kind;
  std::string display_name;
  bool closed = false;
};

// FOR NO KEY UPDATE, first of all locks. ENTITY_NOT_FOUND where the transaction's scope doesn't see it,
// ENVIRONMENT_MISMATCH for an entity of another BILLING_ENV (TEN-1).
absl::StatusOr<LockedEntity> LockAndReadEntity(db::Tx& tx, std::string_view entity_id, std::string_view env);

}  // namespace billmesh::checkout
