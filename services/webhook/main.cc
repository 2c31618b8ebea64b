// billmesh-webhook: what was bought. Every event of the provider's durable, applied once, in any order, to the same
// truth.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/config/config.h"
#include "common/daemon/daemon.h"
#include "common/stripe/client_config.h"
#include "common/telemetry/metrics.h"
#include "services/webhook/change_notifier.h"
#include "services/webhook/event_worker.h"
#include "services/webhook/ingest_batcher.h"
#include "services/webhook/operations_server.h"
#include "services/webhook/projection_server.h"
#include "services/webhook/signed_endpoints.h"
#include "services/webhook/webhook_config.h"
#include "services/webhook/webhook_server.h"

namespace {

using namespace billmesh;  // NOLINT: a parts list

constexpr char kProgram[] = "billmesh-webhook";
constexpr char kSummary[] = "Takes the payment provider's events and projects them, each exactly once.";
constexpr absl::Duration kSecretsPeriod = absl::Seconds(5);
constexpr absl::Duration kPartitionsPeriod = absl::Hours(1);
constexpr absl::Duration kStatsPeriod = absl::Seconds(10);

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", kProgram, std::string(status.message()).c_str());
  return 1;
}

int Run(const config::Config& config) {
  auto made = daemon::Daemon::Create({.name = "webhook"}, config);
  if (!made.ok()) return Fail(made.status());
  daemon::Daemon& daemon = **made;
  const webhook::WebhookConfig settings =
      webhook::ReadWebhookConfig(config, "stripe", "webhook/" + daemon.ids().NewId());

  auto endpoints = webhook::SignedEndpoints::Create(settings);
  if (!endpoints.ok()) return Fail(endpoints.status());
  const provider::EventSource& source = (*endpoints)->source();
  const auto provider = stripe::MakeProvider(config, daemon.clock(), daemon.ids());
  const webhook::EventFetcher fetcher({.provider = *provider, .source = source, .clock = daemon.clock()});

  webhook::GrpcChangeNotifier notifier(rpc::MakeChannel(settings.entitlements_addr, daemon.tls()),
                                       settings.hint_timeout);
  webhook::Suspects suspects(daemon.clock());
  webhook::WebhookService service(
      {.pool = daemon.pool(), .ids = daemon.ids(), .notifier = notifier, .suspects = suspects}, settings.batch);
  webhook::ProjectionService projection(
      {.pool = daemon.pool(), .ids = daemon.ids(), .notifier = notifier, .source = source}, settings.batch);
  webhook::IngestBatcher batcher(settings.batcher, daemon.clock(),
                                 [&service](const auto& events) { return service.Apply(events); });
  webhook::EventWorker worker({.pool = daemon.pool(),
                               .clock = daemon.clock(),
                               .service = service,
                               .suspects = suspects,
                               .source = source,
                               .fetcher = fetcher},
                              settings.worker);
  webhook::WebhookServer server(
      {.calls = daemon.calls(), .clock = daemon.clock(), .source = source, .batcher = batcher});
  webhook::EventAdmin admin({.pool = daemon.pool(), .ids = daemon.ids(), .service = service, .source = source},
                            settings.batch);
  webhook::OperationsServer operations(daemon.calls(), admin);
  webhook::ProjectionServer projection_server(
      {.calls = daemon.calls(), .service = projection, .provider = source.name()});

  telemetry::SetGaugeCallback("billmesh_webhook_queued", "Deliveries that wait for a batch", {},
                              [&batcher] { return static_cast<double>(batcher.queued()); });
  telemetry::SetGaugeCallback("billmesh_webhook_suspects", "Customers and objects whose events are set aside", {},
                              [&suspects] { return static_cast<double>(suspects.size()); });
  for (const webhook::Lane lane : {webhook::Lane::kOthers, webhook::Lane::kSetAside}) {
    const char* const name = lane == webhook::Lane::kOthers ? "events" : "set-aside-events";
    const auto run = [&worker, lane] { return worker.RunOnce(lane); };
    notifier.OnWake(lane, daemon.AddWorker(name, settings.worker_period, run, webhook::EventWorker::kRest));
  }
  const auto every_period = [](auto run) { return [run] { return run(), false; }; };
  daemon.AddWorker("event-stats", kStatsPeriod, every_period([&worker] { worker.ReportStats(); }));
  daemon.AddWorker("partitions", kPartitionsPeriod, every_period([&worker] { worker.KeepPartitions(); }));
  daemon.AddWorker("secrets", kSecretsPeriod, every_period([&endpoints] { (*endpoints)->Reload(); }));
  daemon.OnDrain([&batcher] { batcher.Stop(); });
  return daemon.Serve({&server, &projection_server, &operations});
}

}  // namespace

int main(int argc, char** argv) {
  const config::Parsed parsed =
      config::Parse(kProgram, kSummary, webhook::WebhookSettings(), webhook::WebhookChecks(), argc, argv,
                    [](const char* name) -> const char* { return std::getenv(name); });
  if (!parsed.config.has_value()) {
    std::fprintf(parsed.exit_code == 0 ? stdout : stderr, "%s\n", parsed.message.c_str());
    return parsed.exit_code;
  }
  return parsed.config->check_only() ? 0 : Run(*parsed.config);
}
