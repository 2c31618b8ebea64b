#include "services/reconciler/reconciler_config.h"

#include "common/daemon/daemon.h"
#include "common/stripe/client_config.h"

namespace billmesh::reconciler {

using config::Type;

std::vector<config::Setting> Settings() {
  std::vector<config::Setting> settings = daemon::CommonSettings(/*with_database=*/true);
  const std::vector<config::Setting> provider = stripe::ClientSettings();
  settings.insert(settings.end(), provider.begin(), provider.end());
  const std::vector<config::Setting> own = {
      {"outbox-workers", "OUTBOX_WORKERS", Type::kInt, "2", "outbox jobs that run at once", 1, 64},
      {"outbox-poll", "OUTBOX_POLL", Type::kDuration, "1s", "how often the outbox is looked at when nothing was due",
       10, 60'000},
      {"outbox-lease", "OUTBOX_LEASE", Type::kDuration, "60s",
       "how long a job is its worker's; an attempt ends within half of it", 500, 600'000},
      {"outbox-max-attempts", "OUTBOX_MAX_ATTEMPTS", Type::kInt, "12", "attempts at a job before it is a dead letter",
       1, 100},
      {"outbox-backoff-base", "OUTBOX_BACKOFF_BASE", Type::kDuration, "2s",
       "wait after the first failed attempt; doubles", 1, 3'600'000},
      {"outbox-backoff-max", "OUTBOX_BACKOFF_MAX", Type::kDuration, "15m", "longest wait between attempts", 1,
       86'400'000},
      {"outbox-stats", "OUTBOX_STATS", Type::kDuration, "10s", "how often queue depths are measured", 100, 600'000},
  };
  settings.insert(settings.end(), own.begin(), own.end());
  return settings;
}

std::vector<config::CrossCheck> Checks() {
  std::vector<config::CrossCheck> checks = daemon::CommonChecks(/*with_database=*/true);
  const std::vector<config::CrossCheck> provider = stripe::ClientChecks();
  checks.insert(checks.end(), provider.begin(), provider.end());
  checks.push_back([](const config::Config& c) -> std::string {
    return c.GetDuration("outbox-backoff-base") <= c.GetDuration("outbox-backoff-max")
               ? ""
               : "--outbox-backoff-base is over --outbox-backoff-max";
  });
  return checks;
}

OutboxWorker::Options OutboxOptions(const config::Config& config, const std::string& owner) {
  return {.env = config.Get("billing-env"),
          .owner = owner,
          .lease = config.GetDuration("outbox-lease"),
          .max_attempts = config.GetInt("outbox-max-attempts"),
          .backoff = {config.GetDuration("outbox-backoff-base"), config.GetDuration("outbox-backoff-max")}};
}

}  // namespace billmesh::reconciler
