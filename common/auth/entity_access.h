// Which entity a request is about, and whether the caller may (TEN-4, TEN-5). Used by every daemon that answers users.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "billing/types/v1/entity.pb.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"

namespace billmesh::auth {

struct ResolvedEntity {
  std::string entity_id;
  std::string kind;  // workspace, user, organization, external
  std::string ref;
  std::string slug;
  std::string display_name;
  int64_t revision = 0;
  std::string role;  // the user's; empty for services
};

// Resolves the selector for the caller and checks the permission, in one system-scoped read.
// - A user: the named entity if it is the user's, else the only one that it reaches. ENTITY_NOT_FOUND where the entity
//   doesn't exist or isn't reachable (the two look alike), PERMISSION_DENIED where the role lacks the permission,
//   WORKSPACE_SELECTION_REQUIRED where several are reachable and none is named. External entities are never a user's
//   (TEN-5).
// - A service or operator: must name the entity; INVALID_ARGUMENT otherwise.
// A closed entity can be read but not written: ENTITY_NOT_FOUND for workspace.billing.manage.
// Inside a given transaction of a system scope:
absl::StatusOr<ResolvedEntity> ResolveEntity(db::Tx& tx, std::string_view env, const Caller& caller,
                                             const billing::types::v1::EntitySelector& selector,
                                             std::string_view permission);
// The entities that a user reaches, at most 100, by slug.
absl::StatusOr<std::vector<ResolvedEntity>> ReachableEntities(db::Tx& tx, std::string_view env,
                                                              std::string_view subject);

}  // namespace billmesh::auth
