// The settings of this daemon: the one table that --help is printed from, and what is made of it. Read by main.cc only.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/config.h"
#include "services/webhook/event_batch.h"
#include "services/webhook/event_worker.h"
#include "services/webhook/ingest_batcher.h"

namespace billmesh::webhook {

std::vector<config::Setting> WebhookSettings();
std::vector<config::CrossCheck> WebhookChecks();

struct WebhookConfig {
  std::vector<std::string> secrets;
  std::string secret_file;  // where they came from, if from a file: it is read again when it changes (CFG-5)
  std::vector<std::string> thin_secrets;  // none: no thin notification is taken
  std::string thin_secret_file;
  absl::Duration signature_tolerance;
  std::string entitlements_addr;
  absl::Duration hint_timeout;
  absl::Duration worker_period;
  BatchSettings batch;
  IngestBatcher::Options batcher;
  EventWorker::Options worker;
};
WebhookConfig ReadWebhookConfig(const config::Config& config, const std::string& provider,
                                const std::string& lease_owner);

// "a, b" → a and b. Blank ones stay, so that they can be refused.
std::vector<std::string> SplitSecrets(std::string_view text);

}  // namespace billmesh::webhook
