#include "services/webhook/webhook_config.h"

#include "common/daemon/daemon.h"
#include "common/stripe/client_config.h"
#include "common/stripe/signature.h"

namespace billmesh::webhook {
namespace {

using config::Setting;
using config::Type;

constexpr char kLiveEnv[] = "live";

bool IsLive(const config::Config& config) {
  const std::string& mode = config.Get("provider-livemode");
  return mode == "auto" ? config.Get("billing-env") == kLiveEnv : mode == "true";
}

}  // namespace

std::vector<Setting> WebhookSettings() {
  std::vector<Setting> settings = daemon::CommonSettings(/*with_database=*/true);
  const std::vector<Setting> client = stripe::ClientSettings();
  settings.insert(settings.end(), client.begin(), client.end());
  const std::vector<Setting> own = {
      {"stripe-webhook-secret", "STRIPE_WEBHOOK_SECRET", Type::kSecret, std::nullopt,
       "secrets of the webhook endpoint, comma separated; any of them may sign (rotation)"},
      {"stripe-thin-webhook-secret", "STRIPE_THIN_WEBHOOK_SECRET", Type::kSecret, "",
       "secrets of the endpoint of thin notifications, comma separated; empty: there is none"},
      {"signature-tolerance", "SIGNATURE_TOLERANCE", Type::kDuration, "300s", "how old a delivery's signature may be",
       1000, 3600000},
      {"provider-livemode",
       "PROVIDER_LIVEMODE",
       Type::kString,
       "auto",
       "which of the provider's modes this deployment serves; auto: live mode for BILLING_ENV=live only",
       0,
       0,
       {"auto", "true", "false"}},
      {"entitlements-addr", "ENTITLEMENTS_ADDR", Type::kAddress, std::nullopt,
       "host:port of the entitlements daemon, which is told of changes"},
      {"hint-timeout", "HINT_TIMEOUT", Type::kDuration, "1s", "how long telling it may take", 10, 60000},
      {"ingest-committers", "INGEST_COMMITTERS", Type::kInt, "2", "batches that may be committing at the same time", 1,
       64},
      {"ingest-batch", "INGEST_BATCH", Type::kInt, "64", "most events in a batch", 1, 256},
      {"ingest-queue", "INGEST_QUEUE", Type::kInt, "1024", "most deliveries that wait for a batch, then 503", 1,
       100000},
      {"event-attempts", "EVENT_ATTEMPTS", Type::kInt, "10", "attempts at an event before it is a dead letter", 1,
       1000},
      {"event-backoff", "EVENT_BACKOFF", Type::kDuration, "10s", "delay after an event's first failed attempt; doubles",
       1, 3600000},
      {"event-backoff-max", "EVENT_BACKOFF_MAX", Type::kDuration, "1h", "longest delay between attempts", 1, 86400000},
      {"event-lease", "EVENT_LEASE", Type::kDuration, "60s", "how long a worker holds the events that it took", 100,
       3600000},
      {"event-period", "EVENT_PERIOD", Type::kDuration, "1s", "how often workers look for due events", 10, 3600000},
      {"partition-days", "PARTITION_DAYS", Type::kInt, "7", "days ahead for which partitions are kept ready", 1, 60},
  };
  settings.insert(settings.end(), own.begin(), own.end());
  return settings;
}

std::vector<config::CrossCheck> WebhookChecks() {
  std::vector<config::CrossCheck> checks = daemon::CommonChecks(/*with_database=*/true);
  const std::vector<config::CrossCheck> client = stripe::ClientChecks();
  checks.insert(checks.end(), client.begin(), client.end());
  checks.push_back([](const config::Config& config) -> std::string {
    if (config.Get("stripe-thin-webhook-secret").empty()) return "";
    const absl::Status secrets = stripe::CheckWebhookSecrets(SplitSecrets(config.Get("stripe-thin-webhook-secret")));
    return secrets.ok() ? "" : "STRIPE_THIN_WEBHOOK_SECRET: " + std::string(secrets.message());
  });
  checks.push_back([](const config::Config& config) -> std::string {
    const absl::Status secrets = stripe::CheckWebhookSecrets(SplitSecrets(config.Get("stripe-webhook-secret")));
    return secrets.ok() ? "" : "STRIPE_WEBHOOK_SECRET: " + std::string(secrets.message());
  });
  checks.push_back([](const config::Config& config) -> std::string {
    const bool live = IsLive(config), live_env = config.Get("billing-env") == kLiveEnv;
    return live == live_env
               ? ""
               : "--provider-livemode contradicts BILLING_ENV: live mode goes with live, and with nothing else";
  });
  checks.push_back([](const config::Config& config) -> std::string {
    // One for the workers, one for other daemons' calls: at least.
    const bool enough = config.GetInt("ingest-committers") + 2 <= config.GetInt("database-connections");
    return enough ? "" : "--ingest-committers: at most --database-connections less 2, which others need";
  });
  checks.push_back([](const config::Config& config) -> std::string {
    const bool ordered = config.GetDuration("event-backoff") <= config.GetDuration("event-backoff-max");
    return ordered ? "" : "--event-backoff is over --event-backoff-max";
  });
  return checks;
}

std::vector<std::string> SplitSecrets(std::string_view text) {
  std::vector<std::string> secrets;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t' || part.back() == '\n' || part.back() == '\r')) {
      part.remove_suffix(1);
    }
    secrets.emplace_back(part);
    if (comma == std::string_view::npos) return secrets;
    text.remove_prefix(comma + 1);
  }
}

WebhookConfig ReadWebhookConfig(const config::Config& config, const std::string& provider,
                                const std::string& lease_owner) {
  WebhookConfig read;
  read.secrets = SplitSecrets(config.Get("stripe-webhook-secret"));
  read.secret_file = config.SecretFile("stripe-webhook-secret");
  if (!config.Get("stripe-thin-webhook-secret").empty()) {
    read.thin_secrets = SplitSecrets(config.Get("stripe-thin-webhook-secret"));
    read.thin_secret_file = config.SecretFile("stripe-thin-webhook-secret");
  }
  read.signature_tolerance = config.GetDuration("signature-tolerance");
  read.entitlements_addr = config.Get("entitlements-addr");
  read.hint_timeout = config.GetDuration("hint-timeout");
  read.worker_period = config.GetDuration("event-period");
  read.batch = {config.Get("billing-env"),
                provider,
                IsLive(config),
                {config.GetDuration("event-backoff"), config.GetDuration("event-backoff-max")},
                config.GetInt("event-attempts")};
  read.batcher.committers = static_cast<int>(config.GetInt("ingest-committers"));
  read.batcher.max_batch_events = static_cast<size_t>(config.GetInt("ingest-batch"));
  read.batcher.max_queued_events = static_cast<size_t>(config.GetInt("ingest-queue"));
  read.worker.env = config.Get("billing-env");
  read.worker.owner = lease_owner;
  read.worker.livemode = read.batch.livemode;
  read.worker.defer_backoff = read.batch.backoff;
  read.worker.lease = config.GetDuration("event-lease");
  read.worker.partition_days = static_cast<int>(config.GetInt("partition-days"));
  return read;
}

}  // namespace billmesh::webhook
