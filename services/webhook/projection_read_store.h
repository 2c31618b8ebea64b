// Reads what events are decided over: the stored correlation, and the rows of the entities concerned under their locks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "services/webhook/binding_rules.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// The keys to look up; repeats do no harm.
struct EvidenceQuery {
  std::vector<std::string> customers;
  std::vector<std::string> sessions;
  std::vector<std::string> subscriptions;
  std::vector<std::string> invoices;
  std::vector<std::string> operations;
  std::vector<std::string> payments;
  std::vector<std::string> payment_methods;
  // Not looked up: rows to load.
  std::vector<std::string> customer_rows, refunds, disputes, credit_notes;
  void Add(const EventKeys& keys);
};

// What is stored under the keys, of entities of this environment only (TEN-1). One statement, no locks.
absl::StatusOr<Evidence> LoadEvidence(db::Tx& tx, std::string_view provider, std::string_view env,
                                      const EvidenceQuery& query);

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
