// Reads what events are decided over: the rows of the entities concerned, under their locks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "services/webhook/evidence_store.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// Until this transaction ends, no other that names one of these objects of the provider's goes on from here: what it reads
// in later statements is all that they wrote. Objects that aren't stored yet are locked too. Queued.
void LockObjects(db::Tx& tx, std::string_view provider, const std::vector<std::string>& object_ids);

// Locks the entities' rows FOR NO KEY UPDATE, in the order of their ids: from here on the caller is their only writer.
// What they guard must be read by a later statement. Queued: it is done with the next statement that is run.
void LockEntities(db::Tx& tx, const std::vector<std::string>& entity_ids);

// The revisions of locked entities, by id; after BumpRevisions the new ones.
absl::StatusOr<std::map<std::string, int64_t>> ReadRevisions(db::Tx& tx, const std::vector<std::string>& entity_ids);

// The touched rows of locked entities, and what the rules need beside them: live subscriptions with their items,
// blocking sessions. Every entity of the list is in the answer.
absl::StatusOr<std::map<std::string, EntityState>> LoadStates(db::Tx& tx, std::string_view provider,
                                                              const std::vector<std::string>& entity_ids,
                                                              const EvidenceQuery& touched);

}  // namespace billmesh::webhook
