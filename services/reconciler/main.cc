// The reconciler daemon: what was promised in a transaction and is done later, and what operators set right.
#include <cstdio>
#include <cstdlib>

#include "common/daemon/daemon.h"
#include "common/outbox/outbox_store.h"
#include "common/stripe/client_config.h"
#include "common/stripe/client_format.h"
#include "common/telemetry/log.h"
#include "services/reconciler/checkout_peer.h"
#include "services/reconciler/checkout_watch.h"
#include "services/reconciler/expire_session_job.h"
#include "services/reconciler/operations_server.h"
#include "services/reconciler/outbox_worker.h"
#include "services/reconciler/pending_recent_scope.h"
#include "services/reconciler/reconciler_config.h"
#include "services/reconciler/reconciler_server.h"
#include "services/reconciler/refresh_object_job.h"
#include "services/reconciler/run_watch.h"
#include "services/reconciler/scope_runner.h"

namespace billmesh {
namespace {

// Faults are of ours (the database away): said once a pass, and the next pass tries again.
bool MoreAfter(const absl::StatusOr<bool>& pass, const char* worker) {
  if (pass.ok()) return *pass;
  telemetry::Warn("worker pass failed", {{"worker", worker}, {"error", std::string(pass.status().message())}});
  return false;
}

bool MoreAfter(const absl::Status& pass, const char* worker) {
  return MoreAfter(pass.ok() ? absl::StatusOr<bool>(false) : pass, worker);
}

int Run(const config::Config& config) {
  auto created = daemon::Daemon::Create({.name = "reconciler"}, config);
  if (!created.ok()) {
    std::fprintf(stderr, "billmesh-reconciler: %s\n", std::string(created.status().message()).c_str());
    return 1;
  }
  daemon::Daemon& daemon = **created;
  const std::string env = config.Get("billing-env");
  const std::string owner = "reconciler/" + daemon.ids().NewId();

  const auto provider = stripe::MakeProvider(config, daemon.clock(), daemon.ids());
  const stripe::StripeFormat format;
  reconciler::ExpireSessionJob expire_session({.provider = *provider, .format = format, .clock = daemon.clock()});
  reconciler::GrpcProjectionPeer projection(rpc::MakeChannel(config.Get("webhook-addr"), daemon.tls()));
  reconciler::RefreshObjectJob refresh({*provider, projection, daemon.clock(), format.provider()});
  auto handlers = reconciler::RefreshHandlers(refresh);
  handlers[outbox::kExpireCheckoutSession] = &expire_session;
  reconciler::OutboxWorker outbox(
      {.pool = daemon.pool(), .clock = daemon.clock(), .ids = daemon.ids(), .handlers = handlers},
      reconciler::OutboxOptions(config, owner));
  for (int64_t n = 0; n < config.GetInt("outbox-workers"); ++n) {
    daemon.AddWorker("outbox", config.GetDuration("outbox-poll"),
                     [&] { return MoreAfter(outbox.RunOnce(), "outbox"); });
  }
  daemon.AddWorker("outbox-stats", config.GetDuration("outbox-stats"),
                   [&] { return MoreAfter(reconciler::MeasureOutbox(daemon.pool(), env), "outbox-stats"); });

  reconciler::GrpcCheckoutPeer checkout(rpc::MakeChannel(config.Get("checkout-addr"), daemon.tls()));
  reconciler::PendingRecentScope pending_recent({.pool = daemon.pool(), .clock = daemon.clock(), .checkout = checkout},
                                                reconciler::PendingRecentOptions(config, format.provider()));
  reconciler::ScopeRunner pending_runs(
      {.pool = daemon.pool(), .clock = daemon.clock(), .ids = daemon.ids(), .scope = pending_recent},
      reconciler::PendingRecentRuns(config, format.provider(), owner));
  daemon.AddWorker("pending-recent", config.GetDuration("run-poll"),
                   [&] { return MoreAfter(pending_runs.RunOnce(), "pending-recent"); });
  daemon.AddWorker("checkout-watch", config.GetDuration("checkout-watch"),
                   [&, limits = reconciler::CheckoutWatchLimits(config)] {
                     MoreAfter(reconciler::MeasureRuns(daemon.pool(), pending_runs.key()), "run-watch");
                     return MoreAfter(reconciler::MeasureCheckout(daemon.pool(), env, limits), "checkout-watch");
                   });

  reconciler::OperationsServer operations(
      {.calls = daemon.calls(), .pool = daemon.pool(), .ids = daemon.ids(), .env = env});
  reconciler::ReconcilerServer reconciler(
      {daemon.calls(), daemon.pool(), daemon.ids(), env, format.provider(), {reconciler::kPendingRecent}});
  const int exit_code = daemon.Serve({&operations, &reconciler});
  pending_runs.LetGo();
  return exit_code;
}

}  // namespace
}  // namespace billmesh

int main(int argc, char** argv) {
  const billmesh::config::Parsed parsed = billmesh::config::Parse(
      "billmesh-reconciler", "runs what was promised and shows what went wrong", billmesh::reconciler::Settings(),
      billmesh::reconciler::Checks(), argc, argv, [](const char* name) -> const char* { return std::getenv(name); });
  if (!parsed.config.has_value()) {
    std::fprintf(parsed.exit_code == 0 ? stdout : stderr, "%s\n", parsed.message.c_str());
    return parsed.exit_code;
  }
  if (parsed.config->check_only()) return 0;
  return billmesh::Run(*parsed.config);
}
