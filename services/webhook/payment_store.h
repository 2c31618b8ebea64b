// Payments, refunds, disputes and credit notes: all SQL of their tables. Under the entities' locks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/db/pool.h"
#include "services/webhook/projection_read_store.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// Adds the touched rows of locked entities to their states, once what is queued is run.
void QueuePayments(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                   const EvidenceQuery& touched, std::map<std::string, EntityState>& states);

// Only rows that changed; payments before what belongs to them, invoices before all. CONSTRAINT_VIOLATION also where
// one object of the provider's would belong to two rows of ours.
absl::Status WritePayments(db::Tx& tx, std::string_view env, std::string_view provider,
                           const std::map<std::string, EntityState>& states);

}  // namespace billmesh::webhook
