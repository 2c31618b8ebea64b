// Writes what the rules decided, set-wise: only rows that changed, in the lock order of CHK-7. All under the entities'
// locks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

struct EntityChange {
  std::string entity_id;
  int64_t revision = 0;
};

// Subscriptions with their items, invoices, checkout sessions, remediations. Queued: done with the next statement that
// is run, or before the commit; then `duplicates` has those that had no remediation yet. CONSTRAINT_VIOLATION, at once
// or then, also where one object of the provider's would belong to two rows of ours.
absl::Status WriteStates(db::Tx& tx, IdGenerator& ids, std::string_view env, std::string_view provider,
                         const std::map<std::string, EntityState>& states, std::vector<Duplicate>& duplicates);

// Bumps the revision of each entity and appends it to the change feed. Queued: then `changes` has the new ones.
void BumpRevisions(db::Tx& tx, const std::vector<std::string>& entity_ids, std::vector<EntityChange>& changes);

}  // namespace billmesh::webhook
