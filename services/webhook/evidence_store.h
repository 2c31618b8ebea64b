// Reads the stored correlation: whose the objects are that events name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/db/pool.h"
#include "services/webhook/binding_rules.h"

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

// What is stored under the keys, of entities of this environment only (TEN-1). No locks. Queued: `evidence`, which must
// live until then, has it with the next statement that is run.
void QueueEvidence(db::Tx& tx, std::string_view provider, std::string_view env, const EvidenceQuery& query,
                   Evidence& evidence);

}  // namespace billmesh::webhook
