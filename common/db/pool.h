// A bounded pool of PostgreSQL connections, and the only place that begins or commits a transaction.
//
// Every transaction takes one of the daemon's roles for its duration (TEN-7): <daemon>_tenant bound to one entity, or
// <daemon>_system for a named task. State is set with SET LOCAL only, so that a transaction pooler (PgBouncer) may
// stand between.
#pragma once

#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/result.h"
#include "common/ids/id_generator.h"
#include "common/time/clock.h"

namespace billmesh::db {

class Connection;

// Which role a transaction takes.
class Scope {
 public:
  // One entity: row-level security shows its rows only. The id must be a UUID.
  static Scope Tenant(std::string_view entity_id) { return Scope(std::string(entity_id), ""); }
  // A named task over many entities; the name appears in pg_stat_activity's application_name-like comment and in logs.
  static Scope System(std::string_view task) { return Scope("", std::string(task)); }
  bool is_tenant() const { return !entity_id_.empty(); }
  const std::string& entity_id() const { return entity_id_; }
  const std::string& task() const { return task_; }

 private:
  Scope(std::string entity_id, std::string task) : entity_id_(std::move(entity_id)), task_(std::move(task)) {}
  std::string entity_id_;
  std::string task_;
};

// An open transaction. Stores take it first and never begin, commit or keep it. Not thread safe.
class Tx {
 public:
  // Sees the result of a queued statement, before the commit; an error fails the transaction.
  using OnResult = std::function<absl::Status(const Result&)>;
  // Takes the result of a queued statement, and refuses nothing. May run after the commit: it counts once Run is OK.
  using TakeResult = std::function<void(const Result&)>;

  explicit Tx(Connection& connection) : connection_(connection) {}
  Tx(const Tx&) = delete;
  // Runs one statement, and those queued before it, in one round trip. After an error the transaction can only be
  // rolled back: return the error. Errors: DATABASE_UNAVAILABLE (metadata client_timeout where we stopped waiting),
  // TRANSACTION_CONFLICT (40001, 40P01, 55P03), CONSTRAINT_VIOLATION (class 23; metadata constraint, sqlstate),
  // DATA_INVALID (class 22), else an INTERNAL without reason.
  absl::StatusOr<Result> Exec(const char* sql, std::initializer_list<Param> params = {});
  absl::StatusOr<Result> Exec(const char* sql, std::vector<Param> params);
  // Queues a statement whose result isn't needed at once: it travels with the next Exec or Flush, or before the commit,
  // in the order of queuing. Each sees what those before it did, as if they were run one by one. `sql` is a literal;
  // what `on_result` or `take` refers to must live until then: as long as Pool::Run, where nothing comes after. What is
  // queued last travels with COMMIT itself, unless a result of it has to be seen first (`on_result`).
  void Queue(const char* sql, std::vector<Param> params, OnResult on_result = nullptr, Format format = Format::kText);
  void QueueAndTake(const char* sql, std::vector<Param> params, TakeResult take, Format format = Format::kText);
  // Runs what is queued. Nothing queued costs nothing.
  absl::Status Flush();
  // billing.now(): the time that decides.
  absl::StatusOr<absl::Time> Now();

 private:
  friend class Pool;
  struct Queued {
    const char* sql;
    std::vector<Param> params;
    OnResult on_result;
    TakeResult take;
    Format format;
  };
  // The results of what is queued, in its order. `closing` goes last, if it's there.
  absl::StatusOr<std::vector<Result>> RunQueued(const char* closing = nullptr);
  // Whether COMMIT may travel with what is queued.
  bool MayCommitAtOnce() const;

  Connection& connection_;
  std::vector<std::string> begin_;  // what opens the transaction; sent with the first statement
  bool begun_ = false;              // begin_ was sent
  std::vector<Queued> queue_;
};

struct PoolOptions {
  std::string url;                                       // libpq URL or key=value string
  std::string daemon;                                    // "checkout": roles checkout_tenant, checkout_system
  int max_connections = 8;                               // more are never opened
  absl::Duration acquire_timeout = absl::Seconds(2);     // then OVERLOADED
  absl::Duration connect_timeout = absl::Seconds(3);     // whole seconds
  absl::Duration statement_timeout = absl::Seconds(12);  // client side; the role's own is shorter
  bool prepare_statements = false;                       // named prepared statements: off behind PgBouncer 1.18
  int max_attempts = 4;                                  // of one transaction, on serialization failure or deadlock
};

class Pool {
 public:
  // Opens nothing yet. Clock and ids must outlive the pool.
  Pool(PoolOptions options, Clock& clock, IdGenerator& ids);
  ~Pool();
  Pool(const Pool&) = delete;

  // Runs fn in one transaction: OK commits, an error rolls back. A business refusal is therefore a value of fn, so that
  // its audit row is kept. fn is run again, from the start, on serialization failures and deadlocks: it may have no
  // effect but through tx. COMMIT_IN_DOUBT when the connection was lost during COMMIT or among what travels with it.
  // INTERNAL when fn returns OK though a statement failed. Blocks; thread safe. No provider call and no RPC belongs
  // inside fn (IDM-15).
  absl::Status Run(const Scope& scope, const std::function<absl::Status(Tx&)>& fn);

  // Whether the database answers, its real clock (not billing.now()), and the applied schema version.
  struct Probe {
    absl::Time database_time;
    int schema_version;
  };
  absl::StatusOr<Probe> Check();

  // Connections open and in use, for metrics.
  int open_connections() const;
  int used_connections() const;

 private:
  absl::StatusOr<std::unique_ptr<Connection>> Acquire();
  void Release(std::unique_ptr<Connection> connection);
  absl::Status RunOnce(const Scope& scope, const std::function<absl::Status(Tx&)>& fn);
  static absl::Status Commit(Tx& tx);
  absl::StatusOr<std::vector<std::string>> OpeningOf(const Scope& scope) const;

  const PoolOptions options_;
  Clock& clock_;
  IdGenerator& ids_;
  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_
  int open_ = 0;                                   // guarded by mutex_
};

// Pool::Run for a function that returns a value: auto x = RunInTransaction(pool, scope, [&](Tx& tx) -> StatusOr<X>
// {…});
template <typename F>
auto RunInTransaction(Pool& pool, const Scope& scope, F&& fn) -> decltype(fn(std::declval<Tx&>())) {
  using Out = decltype(fn(std::declval<Tx&>()));
  if constexpr (std::is_same_v<Out, absl::Status>) {
    return pool.Run(scope, fn);
  } else {
    Out out = absl::InternalError("transaction did not run");
    const absl::Status status = pool.Run(scope, [&](Tx& tx) {
      out = fn(tx);
      return out.status();
    });
    if (!status.ok()) return status;
    return out;
  }
}

}  // namespace billmesh::db
