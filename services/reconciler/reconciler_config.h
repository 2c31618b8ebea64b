// The settings of the reconciler daemon.
#pragma once

#include <vector>

#include "common/config/config.h"
#include "services/reconciler/checkout_watch_store.h"
#include "services/reconciler/outbox_worker.h"
#include "services/reconciler/pending_recent_scope.h"
#include "services/reconciler/scope_runner.h"

namespace billmesh::reconciler {

std::vector<config::Setting> Settings();
std::vector<config::CrossCheck> Checks();

// Leases are the owner's.
OutboxWorker::Options OutboxOptions(const config::Config& config, const std::string& owner);
ScopeRunner::Options PendingRecentRuns(const config::Config& config, const std::string& provider,
                                       const std::string& owner);
PendingRecentScope::Options PendingRecentOptions(const config::Config& config, const std::string& provider);
WatchLimits CheckoutWatchLimits(const config::Config& config);

}  // namespace billmesh::reconciler
