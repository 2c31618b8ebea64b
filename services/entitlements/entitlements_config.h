// Settings of the entitlements daemon beside those that every daemon has.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "common/config/config.h"
#include "services/entitlements/entitlements_service.h"

namespace billmesh::entitlements {

std::vector<config::Setting> EntitlementsSettings();
std::vector<config::CrossCheck> EntitlementsChecks();

struct EntitlementsConfig {
  ServiceSettings service;
  absl::Duration feed_poll_interval;
};
EntitlementsConfig ReadEntitlementsConfig(const config::Config& config);

}  // namespace billmesh::entitlements
