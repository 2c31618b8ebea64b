// The shape that every daemon shares: settings, logging, metrics and probes over HTTP, the database pool, the gRPC
// server, readiness, workers, and draining on SIGTERM (CFG-4). A daemon's main is a parts list over this class.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/user_assertion.h"
#include "common/config/config.h"
#include "common/db/pool.h"
#include "common/http/server.h"
#include "common/ids/id_generator.h"
#include "common/rpc/executor.h"
#include "common/rpc/server.h"
#include "common/time/clock.h"

namespace billmesh::daemon {

// The version of the schema that these binaries were written for: the highest migration (a test compares).
inline constexpr int kSchemaVersion = 21;

// Settings that every daemon has: metrics-listen, tls-ca, tls-cert, tls-key, log-level, billing-env, drain-timeout;
// with a database also listen, database-url, database-connections, database-prepare, user-assertion-jwks,
// executor-threads, executor-queue, clock-skew-max.
std::vector<config::Setting> CommonSettings(bool with_database);
// CFG-2: BILLING_ENV, and the content of the TLS files; with a database also the form of DATABASE_URL and the assertion
// keys. Checks of other settings live with them.
std::vector<config::CrossCheck> CommonChecks(bool with_database);

struct Options {
  std::string name;  // "checkout"
  bool with_database = true;
};

class Daemon {
 public:
  // Sets up logging, pool, executor and assertion verifier from the settings. Does not wait for the database.
  static absl::StatusOr<std::unique_ptr<Daemon>> Create(const Options& options, const config::Config& config);
  ~Daemon();

  Clock& clock() { return clock_; }
  IdGenerator& ids() { return ids_; }
  db::Pool& pool() { return *pool_; }         // only with a database
  rpc::CallHost& calls() { return *calls_; }  // only with a database
  rpc::Executor& executor() { return *executor_; }
  const rpc::TlsFiles& tls() const { return tls_; }

  // Readiness (CFG-4): every check must be OK. The database, its schema version and the clock are checked already.
  // Named for /readyz. Called every second from one thread; must be bounded in time.
  void AddReadinessCheck(std::string name, std::function<absl::Status()> check);
  // ENT-8: with this, a database that is away doesn't make the daemon unready by itself; the given check decides.
  void ReplaceDatabaseReadiness(std::function<absl::Status(const absl::Status& database)> decide);
  // A background loop: run_once is called again and again, `period` apart, from a thread of its own, until draining; it
  // returns true to be called again at once (there is more to do). Each worker also wakes when the daemon drains.
  // Returns a function that wakes it before its period is over: it never blocks, is thread safe, and may be called as
  // long as the daemon lives. A worker that is busy runs once more. `rest`: woken or not, it isn't called again sooner
  // after it had nothing more to do, so that what it is woken for gathers meanwhile.
  std::function<void()> AddWorker(std::string name, absl::Duration period, std::function<bool()> run_once,
                                  absl::Duration rest = absl::ZeroDuration());
  // Runs on drain, after the servers stopped taking calls and before workers are joined.
  void OnDrain(std::function<void()> fn);

  // Serves the gRPC services (none for the edge) and the probes until SIGTERM or SIGINT, then drains. Returns the exit
  // code: 0 after a clean drain, 1 with a logged line when a port is taken or a file is broken.
  int Serve(const std::vector<grpc::Service*>& services);

 private:
  Daemon(const Options& options, const config::Config& config);
  absl::Status Init();
  absl::Status CheckReadiness();
  absl::Status CheckDatabase();
  void StartWorkers();
  void HandleProbe(http::Request request, http::Respond respond);

  struct Worker;
  const Options options_;
  const config::Config config_;
  SystemClock clock_;
  SystemIdGenerator ids_{clock_};
  rpc::TlsFiles tls_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<rpc::Executor> executor_;
  std::unique_ptr<auth::AssertionVerifier> verifier_;
  std::unique_ptr<rpc::CallHost> calls_;
  std::vector<std::pair<std::string, std::function<absl::Status()>>> checks_;
  std::function<absl::Status(const absl::Status&)> decide_database_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::function<void()>> on_drain_;
  std::mutex state_mutex_;
  std::condition_variable state_changed_;
  absl::Status readiness_;  // guarded by state_mutex_
  bool draining_ = false;   // guarded by state_mutex_
};

}  // namespace billmesh::daemon
