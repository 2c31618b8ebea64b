#include "services/entitlements/entitlements_config.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/catalog/entitlement_schema.h"
#include "common/daemon/daemon.h"

namespace billmesh::entitlements {

using config::Setting;
using config::Type;

namespace {
constexpr int64_t kSecondMs = 1000;
constexpr int64_t kDayMs = 24 * 3600 * kSecondMs;
}  // namespace

std::vector<Setting> EntitlementsSettings() {
  std::vector<Setting> settings = daemon::CommonSettings(/*with_database=*/true);
  const std::vector<Setting> own = {
      {"paid-through-grace", "PAID_THROUGH_GRACE", Type::kDuration, "72h",
       "how long a plan is granted beyond what is paid, unless cancellation was scheduled", 0, 365 * kDayMs},
      {"feed-poll-interval", "FEED_POLL_INTERVAL", Type::kDuration, "50ms",
       "pause between two looks at the change feed", 5, 60 * kSecondMs},
      {"max-staleness", "MAX_STALENESS", Type::kDuration, "15m",
       "how long answers come from memory while the database is away; then entitlements_unavailable", 100, 7 * kDayMs},
      {"max-entities", "MAX_ENTITIES", Type::kInt, "1000000", "most entities whose state is kept in memory", 64,
       100'000'000},
      {"fail-open-keys", "FAIL_OPEN_KEYS", Type::kString, "",
       "comma separated entitlement keys that are answered from memory, marked stale, even beyond max-staleness"},
  };
  settings.insert(settings.end(), own.begin(), own.end());
  return settings;
}

std::vector<config::CrossCheck> EntitlementsChecks() {
  std::vector<config::CrossCheck> checks = daemon::CommonChecks(/*with_database=*/true);
  checks.push_back([](const config::Config& c) -> std::string {
    for (const std::string& key : c.GetList("fail-open-keys")) {
      if (!catalog::ValidateEntitlementKey(key).ok()) {
        return absl::StrCat("--fail-open-keys: \"", key, "\" is not an entitlement key");
      }
    }
    return "";
  });
  return checks;
}

EntitlementsConfig ReadEntitlementsConfig(const config::Config& config) {
  EntitlementsConfig out;
  out.service.env = config.Get("billing-env");
  out.service.grace = config.GetDuration("paid-through-grace");
  out.service.max_staleness = config.GetDuration("max-staleness");
  out.service.max_entities = static_cast<size_t>(config.GetInt("max-entities"));
  for (const std::string& key : config.GetList("fail-open-keys")) out.service.fail_open_keys.insert(key);
  out.feed_poll_interval = config.GetDuration("feed-poll-interval");
  return out;
}

}  // namespace billmesh::entitlements
