// Customers and payment methods: all SQL of their tables, and the end of a deleted customer's link. Under the entities'
// locks.
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
void QueueCustomers(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                    const EvidenceQuery& touched, std::map<std::string, EntityState>& states);

// Only rows that changed. Ends the links of customers that are deleted now (WHK-12). CONSTRAINT_VIOLATION also where
// one object of the provider's would belong to two rows of ours.
absl::Status WriteCustomers(db::Tx& tx, std::string_view env, std::string_view provider,
                            const std::map<std::string, EntityState>& states);

}  // namespace billmesh::webhook
