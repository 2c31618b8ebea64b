#include "common/db/pool.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/db/connection.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"

namespace billmesh::db {
namespace {

// Before running a transaction again after a conflict: 5, 10, 20 ms, half of it at random.
constexpr int kConflictBackoffMs = 5;

bool IsRetriedConflict(const absl::Status& status) {
  if (ReasonOf(status) != Reason::FAILURE_REASON_TRANSACTION_CONFLICT) return false;
  const Metadata metadata = MetadataOf(status);
  const auto state = metadata.find("sqlstate");
  // Not 55P03: somebody held the lock for the whole lock_timeout, and would again.
  return state != metadata.end() && (state->second == "40001" || state->second == "40P01");
}

}  // namespace

absl::StatusOr<Result> Tx::Exec(const char* sql, std::initializer_list<Param> params) {
  return Exec(sql, std::vector<Param>(params));
}

absl::StatusOr<Result> Tx::Exec(const char* sql, std::vector<Param> params) {
  if (begun_ && queue_.empty()) return connection_.Exec(sql, params);
  Queue(sql, std::move(params));
  ASSIGN_OR_RETURN(std::vector<Result> results, RunQueued());
  return std::move(results.back());
}

void Tx::Queue(const char* sql, std::vector<Param> params, OnResult on_result, Format format) {
  queue_.push_back({sql, std::move(params), std::move(on_result), nullptr, format});
}

void Tx::QueueAndTake(const char* sql, std::vector<Param> params, TakeResult take, Format format) {
  queue_.push_back({sql, std::move(params), nullptr, std::move(take), format});
}

absl::Status Tx::Flush() { return queue_.empty() ? absl::OkStatus() : RunQueued().status(); }

bool Tx::MayCommitAtOnce() const {
  return std::none_of(queue_.begin(), queue_.end(), [](const Queued& queued) { return queued.on_result != nullptr; });
}

absl::StatusOr<std::vector<Result>> Tx::RunQueued(const char* closing) {
  std::vector<Statement> together;
  if (!begun_) {
    for (const std::string& command : begin_) together.push_back({command.c_str(), {}, /*may_prepare=*/false});
  }
  const auto opening = static_cast<std::ptrdiff_t>(together.size());
  std::vector<Queued> queue = std::move(queue_);
  queue_.clear();
  for (Queued& queued : queue) {
    together.push_back({queued.sql, std::move(queued.params), /*may_prepare=*/true, queued.format});
  }
  if (closing != nullptr) together.push_back({closing, {}, /*may_prepare=*/false});
  begun_ = true;
  ASSIGN_OR_RETURN(std::vector<Result> results, connection_.ExecAll(together));
  results.erase(results.begin(), results.begin() + opening);
  for (size_t i = 0; i < queue.size(); ++i) {
    if (queue[i].on_result) RETURN_IF_ERROR(queue[i].on_result(results[i]));
    if (queue[i].take) queue[i].take(results[i]);
  }
  return results;
}

absl::StatusOr<absl::Time> Tx::Now() {
  ASSIGN_OR_RETURN(const Result result, Exec("SELECT billing.now()"));
  return result[0].Time(0);
}

Pool::Pool(PoolOptions options, Clock& clock, IdGenerator& ids)
    : options_(std::move(options)), clock_(clock), ids_(ids) {}

Pool::~Pool() = default;

absl::Status Pool::Run(const Scope& scope, const std::function<absl::Status(Tx&)>& fn) {
  absl::Status status;
  for (int attempt = 1;; ++attempt) {
    status = RunOnce(scope, fn);
    if (!IsRetriedConflict(status) || attempt >= options_.max_attempts) return status;
    const int64_t most = kConflictBackoffMs << attempt;
    std::this_thread::sleep_for(std::chrono::milliseconds(most / 2 + ids_.Uniform(most / 2 + 1)));
  }
}

absl::Status Pool::RunOnce(const Scope& scope, const std::function<absl::Status(Tx&)>& fn) {
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, Acquire());
  Tx tx(*connection);
  auto opening = OpeningOf(scope);
  if (!opening.ok()) {
    Release(std::move(connection));
    return opening.status();
  }
  tx.begin_ = *std::move(opening);
  absl::Status status = fn(tx);
  if (status.ok()) status = Commit(tx);
  if (!status.ok() && tx.begun_ && !connection->Script("ROLLBACK").ok()) connection->Discard();
  Release(std::move(connection));
  return status;
}

// After an error the transaction is still to be ended: what a lost connection held is gone by itself.
absl::Status Pool::Commit(Tx& tx) {
  if (tx.connection_.InFailedTransaction()) {
    return absl::InternalError("a statement failed, and its error was passed over: there is nothing to commit");
  }
  const bool at_once = tx.MayCommitAtOnce();
  if (!at_once) RETURN_IF_ERROR(tx.Flush());
  // Nothing was run: there is nothing to commit.
  if (!tx.begun_ && tx.queue_.empty()) return absl::OkStatus();
  const absl::Status status = tx.RunQueued("COMMIT").status();
  // Where the server has answered to the end, what failed is rolled back for certain.
  if (status.ok() || tx.connection_.InStep()) return status;
  return Fail(Reason::FAILURE_REASON_COMMIT_IN_DOUBT,
              absl::StrCat("the connection was lost during COMMIT: ", std::string(status.message())));
}

absl::StatusOr<std::vector<std::string>> Pool::OpeningOf(const Scope& scope) const {
  std::vector<std::string> opening = {
      "BEGIN", absl::StrCat("SET LOCAL ROLE ", options_.daemon, scope.is_tenant() ? "_tenant" : "_system")};
  if (!scope.is_tenant()) return opening;
  // The only place where a value becomes part of a statement: allow nothing but a UUID.
  if (!IsUuid(scope.entity_id())) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "entity id is not a UUID", {{"field", "entity_id"}});
  }
  opening.push_back(absl::StrCat("SELECT set_config('billmesh.entity_id', '", scope.entity_id(), "', true)"));
  return opening;
}

absl::StatusOr<std::unique_ptr<Connection>> Pool::Acquire() {
  std::vector<std::unique_ptr<Connection>> ended;  // closed after the lock is released
  {
    std::unique_lock lock(mutex_);
    const auto timeout = std::chrono::microseconds(absl::ToInt64Microseconds(options_.acquire_timeout));
    const bool had =
        released_.wait_for(lock, timeout, [&] { return !idle_.empty() || open_ < options_.max_connections; });
    if (!had) {
      return Fail(Reason::FAILURE_REASON_OVERLOADED,
                  absl::StrCat("all ", options_.max_connections, " database connections are in use"));
    }
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->StillOpen()) return connection;
      --open_;
      ended.push_back(std::move(connection));
    }
    ++open_;  // a place is reserved; opening happens outside the lock
  }
  auto opened = Connection::Open(options_.url, options_.connect_timeout, options_.statement_timeout,
                                 options_.prepare_statements, clock_);
  if (!opened.ok()) {
    std::lock_guard lock(mutex_);
    --open_;
    released_.notify_one();
  }
  return opened;
}

void Pool::Release(std::unique_ptr<Connection> connection) {
  const bool usable = connection->usable();
  if (!usable) connection.reset();  // closing may take a moment: outside the lock
  std::lock_guard lock(mutex_);
  if (usable) {
    idle_.push_back(std::move(connection));
  } else {
    --open_;
    // When the server went away, the idle connections went with it: don't hand them out one failure at a time.
    open_ -= static_cast<int>(idle_.size());
    idle_.clear();
  }
  released_.notify_one();
}

absl::StatusOr<Pool::Probe> Pool::Check() {
  Probe probe;
  RETURN_IF_ERROR(RunOnce(Scope::System("probe"), [&](Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(
        const Result rows,
        tx.Exec("SELECT clock_timestamp(), (SELECT coalesce(max(m.version), 0) FROM billing.schema_migrations m)"));
    probe = {rows[0].Time(0), static_cast<int>(rows[0].Int(1))};
    return absl::OkStatus();
  }));
  return probe;
}

int Pool::open_connections() const {
  std::lock_guard lock(mutex_);
  return open_;
}

int Pool::used_connections() const {
  std::lock_guard lock(mutex_);
  return open_ - static_cast<int>(idle_.size());
}

}  // namespace billmesh::db
