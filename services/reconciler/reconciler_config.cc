#include "services/reconciler/reconciler_config.h"

#include "common/daemon/daemon.h"
#include "common/lease/lease.h"
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
      {"checkout-addr", "CHECKOUT_ADDR", Type::kAddress, std::nullopt,
       "host:port of the checkout daemon, which recovers operations"},
      {"webhook-addr", "WEBHOOK_ADDR", Type::kAddress, std::nullopt,
       "host:port of the webhook daemon, which projects what is fetched"},
      {"recover-timeout", "RECOVER_TIMEOUT", Type::kDuration, "60s", "how long the recovery of one operation may take",
       50, 300'000},
      {"run-lease", "RUN_LEASE", Type::kDuration, "180s",
       "how long a reconciliation run is its holder's; each batch renews it and ends within half of it, in which "
       "--recover-timeout and a tenth of it must fit",
       200, 3'600'000},
      {"run-poll", "RUN_POLL", Type::kDuration, "1s", "how often is looked whether a scope's run is due or was left",
       10, 60'000},
      {"run-batch", "RUN_BATCH", Type::kInt, "50", "things that a batch of a run looks at, at most", 1, 1000},
      {"first-run", "FIRST_RUN", Type::kDuration, "30s",
       "a scope whose run is due at start begins it at a random moment within this time", 0, 3'600'000},
      {"pending-recent-period", "PENDING_RECENT_PERIOD", Type::kDuration, "15m",
       "how often stale operations are recovered", 50, 86'400'000},
      {"checkout-watch", "CHECKOUT_WATCH", Type::kDuration, "15s",
       "how often pending operations, holds and blocking sessions are measured", 50, 3'600'000},
      {"checkout-lease", "CHECKOUT_LEASE", Type::kDuration, "120s",
       "the checkout daemons' setting; operations pending for longer than twice this alert", 200, 600'000},
      {"replay-deadline-near", "REPLAY_DEADLINE_NEAR", Type::kDuration, "1h",
       "how long before its replay deadline a pending operation alerts", 1, 82'800'000},
      {"checkout-session-expires-at-grace-seconds", "CHECKOUT_SESSION_EXPIRES_AT_GRACE_SECONDS", Type::kInt, "90",
       "the checkout daemons' setting; sessions open for longer than this after their expiry alert", 0, 86'400},
      {"completion-within", "COMPLETION_WITHIN", Type::kDuration, "5m",
       "paid sessions without a subscription for longer than this alert", 10, 86'400'000},
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
  checks.push_back([](const config::Config& c) -> std::string {
    // A tenth more than the call itself: by the time that a batch begins, a little of the lease has gone already.
    return c.GetDuration("recover-timeout") * 1.1 <= lease::WritingTime(c.GetDuration("run-lease"))
               ? ""
               : "--recover-timeout and a tenth of it are over half of --run-lease: a recovery might never be begun";
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

PendingRecentScope::Options PendingRecentOptions(const config::Config& config, const std::string& provider) {
  return {.env = config.Get("billing-env"),
          .provider = provider,
          .batch = static_cast<int>(config.GetInt("run-batch")),
          .call_timeout = config.GetDuration("recover-timeout"),
          .fault_wait = config.GetDuration("run-poll")};
}

ScopeRunner::Options PendingRecentRuns(const config::Config& config, const std::string& provider,
                                       const std::string& owner) {
  return {.env = config.Get("billing-env"),
          .provider = provider,
          .owner = owner,
          .lease = config.GetDuration("run-lease"),
          .period = config.GetDuration("pending-recent-period"),
          .first_run = config.GetDuration("first-run")};
}

WatchLimits CheckoutWatchLimits(const config::Config& config) {
  return {.checkout_lease = config.GetDuration("checkout-lease"),
          .replay_near = config.GetDuration("replay-deadline-near"),
          .session_grace = absl::Seconds(config.GetInt("checkout-session-expires-at-grace-seconds")),
          .completion_within = config.GetDuration("completion-within")};
}

}  // namespace billmesh::reconciler
