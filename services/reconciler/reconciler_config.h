// The settings of the reconciler daemon.
#pragma once

#include <vector>

#include "common/config/config.h"
#include "services/reconciler/outbox_worker.h"

namespace billmesh::reconciler {

std::vector<config::Setting> Settings();
std::vector<config::CrossCheck> Checks();

// Leases are the owner's.
OutboxWorker::Options OutboxOptions(const config::Config& config, const std::string& owner);

}  // namespace billmesh::reconciler
