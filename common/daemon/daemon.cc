#include "common/daemon/daemon.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/daemon/allocator.h"
#include "common/daemon/probe.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"

namespace billmesh::daemon {
namespace {

// Until the daemon is ready it is looked at often, so that it is found ready soon after it is; then once a second.
constexpr absl::Duration kProbePeriodStarting = absl::Milliseconds(100);
constexpr absl::Duration kProbePeriod = absl::Seconds(1);

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

http::Response Text(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

}  // namespace

struct Daemon::Worker {
  std::string name;
  absl::Duration period, rest;
  std::function<bool()> run_once;
  bool woken = false;  // guarded by state_mutex_
  std::thread thread;
};

Daemon::Daemon(const Options& options, const config::Config& config) : options_(options), config_(config) {}

Daemon::~Daemon() = default;

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Create(const Options& options, const config::Config& config) {
  // Before any thread is made, so that all inherit it: signals are taken by Serve alone, and a peer that goes away
  // while we write is an error code, not the end.
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Debian's build looks for cycles of locks, at every lock, and would end the process at one.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  telemetry::InitLogging(options.name, config.Get("log-level"));
  BoundAllocator();
  auto made = std::unique_ptr<Daemon>(new Daemon(options, config));
  RETURN_IF_ERROR(made->Init());
  return made;
}

absl::Status Daemon::Init() {
  readiness_ = absl::UnavailableError("starting");
  tls_ = {config_.Get("tls-ca"), config_.Get("tls-cert"), config_.Get("tls-key")};
  if (!options_.with_database) return absl::OkStatus();
  db::PoolOptions pool;
  pool.url = config_.Get("database-url");
  pool.daemon = options_.name;
  pool.max_connections = static_cast<int>(config_.GetInt("database-connections"));
  pool.prepare_statements = config_.GetBool("database-prepare");
  pool_ = std::make_unique<db::Pool>(pool, clock_, ids_);
  executor_ = std::make_unique<rpc::Executor>(static_cast<int>(config_.GetInt("executor-threads")),
                                              static_cast<size_t>(config_.GetInt("executor-queue")));
  ASSIGN_OR_RETURN(verifier_, auth::AssertionVerifier::Create(config_.Get("user-assertion-jwks"), clock_));
  calls_ = std::make_unique<rpc::CallHost>(clock_, *executor_, verifier_.get());
  telemetry::SetGaugeCallback("billmesh_db_connections", "Connections to PostgreSQL", {{"state", "open"}},
                              [this] { return pool_->open_connections(); });
  telemetry::SetGaugeCallback("billmesh_db_connections", "Connections to PostgreSQL", {{"state", "used"}},
                              [this] { return pool_->used_connections(); });
  telemetry::SetGaugeCallback("billmesh_executor_queued", "Calls that wait for a thread", {},
                              [this] { return static_cast<double>(executor_->queued()); });
  return absl::OkStatus();
}

void Daemon::AddReadinessCheck(std::string name, std::function<absl::Status()> check) {
  checks_.emplace_back(std::move(name), std::move(check));
}

void Daemon::ReplaceDatabaseReadiness(std::function<absl::Status(const absl::Status&)> decide) {
  decide_database_ = std::move(decide);
}

std::function<void()> Daemon::AddWorker(std::string name, absl::Duration period, std::function<bool()> run_once,
                                        absl::Duration rest) {
  auto worker = std::make_unique<Worker>();
  worker->name = std::move(name);
  worker->period = std::max(period, rest);
  worker->rest = rest;
  worker->run_once = std::move(run_once);
  Worker* const raw = worker.get();
  workers_.push_back(std::move(worker));
  return [this, raw] {
    {
      std::lock_guard lock(state_mutex_);
      if (std::exchange(raw->woken, true)) return;
    }
    state_changed_.notify_all();
  };
}

void Daemon::OnDrain(std::function<void()> fn) { on_drain_.push_back(std::move(fn)); }

absl::Status Daemon::CheckDatabase() {
  ASSIGN_OR_RETURN(const db::Pool::Probe probe, pool_->Check());
  const absl::Time now = clock_.Now();
  telemetry::GetGauge("billmesh_clock_skew_seconds", "This clock minus the database's")
      .Set(absl::ToDoubleSeconds(now - probe.database_time));
  return CheckProbe(probe, now, {kSchemaVersion, config_.GetDuration("clock-skew-max")});
}

absl::Status Daemon::CheckReadiness() {
  if (options_.with_database) {
    absl::Status database = CheckDatabase();
    if (decide_database_) database = decide_database_(database);
    if (!database.ok()) return absl::UnavailableError(absl::StrCat("database: ", std::string(database.message())));
  }
  for (const auto& [name, check] : checks_) {
    if (const absl::Status status = check(); !status.ok()) {
      return absl::UnavailableError(absl::StrCat(name, ": ", std::string(status.message())));
    }
  }
  return absl::OkStatus();
}

void Daemon::HandleProbe(http::Request request, http::Respond respond) {
  if (request.path == "/metrics") {
    respond(Text(200, telemetry::RenderMetrics()));
  } else if (request.path == "/healthz") {
    respond(Text(200, "ok\n"));
  } else if (request.path == "/readyz") {
    absl::Status status;
    {
      std::lock_guard lock(state_mutex_);
      status = draining_ ? absl::UnavailableError("draining") : readiness_;
    }
    respond(status.ok() ? Text(200, "ready\n") : Text(503, absl::StrCat(std::string(status.message()), "\n")));
  } else {
    respond(Text(404, "not found\n"));
  }
}

void Daemon::StartWorkers() {
  for (auto& worker : workers_) {
    worker->thread = std::thread([this, w = worker.get()] {
      while (true) {
        const bool more = w->run_once();
        std::unique_lock lock(state_mutex_);
        const auto unless_more = [more](absl::Duration wait) {
          return std::chrono::microseconds(more ? 0 : absl::ToInt64Microseconds(wait));
        };
        state_changed_.wait_for(lock, unless_more(w->rest), [this] { return draining_; });
        state_changed_.wait_for(lock, unless_more(w->period - w->rest), [this, w] { return draining_ || w->woken; });
        if (draining_) return;
        w->woken = false;
      }
    });
  }
}

int Daemon::Serve(const std::vector<grpc::Service*>& services) {
  const auto fail = [](const absl::Status& status) {
    telemetry::Error("cannot start", {{"error", std::string(status.message())}});
    return 1;
  };
  http::ServerOptions probe_options;
  probe_options.listen = config_.Get("metrics-listen");
  probe_options.threads = 1;
  probe_options.max_connections = 64;
  auto probes = http::Server::Start(probe_options, [this](http::Request request, http::Respond respond) {
    HandleProbe(std::move(request), std::move(respond));
  });
  if (!probes.ok()) return fail(probes.status());
  std::unique_ptr<rpc::Server> server;
  if (!services.empty()) {
    rpc::ServerOptions server_options;
    server_options.listen = config_.Get("listen");
    server_options.tls = tls_;
    auto started = rpc::Server::Start(server_options, services);
    if (!started.ok()) return fail(started.status());
    server = std::move(*started);
  }
  telemetry::Info("listening", {{"grpc_port", absl::StrCat(server ? server->port() : 0)},
                                {"metrics_port", absl::StrCat((*probes)->port())}});
  StartWorkers();
  // Readiness is looked at until the daemon drains; gRPC's health service says the same as /readyz.
  std::thread prober([this, &server] {
    bool was_ready = false;
    while (true) {
      const absl::Status now = CheckReadiness();
      if (server != nullptr) server->SetServing(now.ok());
      if (now.ok() != was_ready) {
        telemetry::Info(now.ok() ? "ready" : "not ready", {{"reason", std::string(now.message())}});
      }
      was_ready = now.ok();
      std::unique_lock lock(state_mutex_);
      readiness_ = now;
      const auto wait = absl::ToChronoMilliseconds(now.ok() ? kProbePeriod : kProbePeriodStarting);
      if (state_changed_.wait_for(lock, wait, [this] { return draining_; })) return;
    }
  });

  const sigset_t signals = EndSignals();
  int taken = 0;
  sigwait(&signals, &taken);
  telemetry::Info("draining", {{"signal", absl::StrCat(taken)}});
  {
    std::lock_guard lock(state_mutex_);
    draining_ = true;
  }
  state_changed_.notify_all();
  prober.join();
  const absl::Duration grace = config_.GetDuration("drain-timeout");
  if (server != nullptr) server->Drain(grace);
  for (const auto& fn : on_drain_) fn();
  for (auto& worker : workers_) worker->thread.join();
  (*probes)->Drain(absl::Milliseconds(100));
  telemetry::Info("stopped");
  return 0;
}

}  // namespace billmesh::daemon
