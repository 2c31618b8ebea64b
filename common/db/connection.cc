#include "common/db/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::db {
namespace {

struct ResultDeleter {
  void operator()(PGresult* r) const { PQclear(r); }
};

std::string OneLine(const char* text) {
  std::string out = text != nullptr ? text : "";
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

std::string Field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? text : "";
}

// SQLSTATE → reason: the classes that callers treat differently. Exact codes come before their class.
struct SqlStateRule {
  const char* prefix;
  Reason reason;
};
constexpr SqlStateRule kSqlStates[] = {
    {"40001", Reason::FAILURE_REASON_TRANSACTION_CONFLICT},  // serialization_failure
    {"40P01", Reason::FAILURE_REASON_TRANSACTION_CONFLICT},  // deadlock_detected
    {"55P03", Reason::FAILURE_REASON_TRANSACTION_CONFLICT},  // lock_not_available (lock_timeout)
    {"57014", Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},  // query_canceled (statement_timeout)
    {"57P", Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},    // admin shutdown, crash shutdown, cannot connect now
    {"25P", Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},    // idle_in_transaction_session_timeout
    {"08", Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},     // connection exceptions
    {"53", Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},     // disk full, out of memory, too many connections
    {"58", Reason::FAILURE_REASON_DATABASE_UNAVAILABLE},     // system errors
    {"22", Reason::FAILURE_REASON_DATA_INVALID},
    {"23", Reason::FAILURE_REASON_CONSTRAINT_VIOLATION},
};

absl::Status StatusOfResult(const PGresult* result) {
  const std::string state = Field(result, PG_DIAG_SQLSTATE);
  const std::string message = absl::StrCat("postgres ", state, ": ", Field(result, PG_DIAG_MESSAGE_PRIMARY));
  for (const SqlStateRule& rule : kSqlStates) {
    if (state.rfind(rule.prefix, 0) == 0) {
      return Fail(rule.reason, message, {{"sqlstate", state}, {"constraint", Field(result, PG_DIAG_CONSTRAINT_NAME)}});
    }
  }
  return absl::InternalError(message);
}

std::string PreparedName(const char* sql) { return absl::StrCat("s", absl::Hex(reinterpret_cast<uintptr_t>(sql))); }

// Parameters as libpq takes them; valid while the params live.
struct Wire {
  explicit Wire(const std::vector<Param>& params) {
    for (const Param& p : params) {
      values.push_back(p.value() ? p.value()->c_str() : nullptr);
      lengths.push_back(p.value() ? static_cast<int>(p.value()->size()) : 0);
      formats.push_back(p.binary() ? 1 : 0);
    }
  }
  int size() const { return static_cast<int>(values.size()); }
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
};

bool IsOk(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& url, absl::Duration connect_timeout,
                                                             absl::Duration statement_timeout, bool prepare,
                                                             Clock& clock) {
  // expand_dbname lets "dbname" hold a whole URL, whose own settings win over ours except for the time-out.
  const std::string seconds = std::to_string(std::max<int64_t>(2, absl::ToInt64Seconds(connect_timeout)));
  const char* keywords[] = {"connect_timeout",
                            "keepalives_idle",
                            "keepalives_interval",
                            "keepalives_count",
                            "tcp_user_timeout",
                            "dbname",
                            nullptr};
  const char* values[] = {seconds.c_str(), "10", "5", "3", "20000", url.c_str(), nullptr};
  PGconn* raw = PQconnectdbParams(keywords, values, 1);
  auto connection = std::unique_ptr<Connection>(new Connection(raw, statement_timeout, prepare, clock));
  if (raw == nullptr || PQstatus(raw) != CONNECTION_OK) {
    return Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE,
                absl::StrCat("cannot connect to the database: ", raw ? OneLine(PQerrorMessage(raw)) : "out of memory"));
  }
  // Notices ("role exists already") are for a person at psql; libpq would print them on standard error, between our
  // logs.
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  if (PQsetnonblocking(raw, 1) != 0) return connection->Lost("cannot set up the connection");
  return connection;
}

Connection::~Connection() { PQfinish(connection_); }

bool Connection::usable() const {
  return !broken_ && PQstatus(connection_) == CONNECTION_OK && PQtransactionStatus(connection_) == PQTRANS_IDLE;
}

bool Connection::StillOpen() {
  pollfd fd{PQsocket(connection_), POLLIN, 0};
  // Nothing is due on an idle connection: what can be read is the server's farewell or its end. (Or, rarely, a changed
  // setting that it reports: then a sound connection is replaced, which does no harm.)
  return poll(&fd, 1, 0) == 0;
}

absl::Status Connection::Lost(std::string_view what) {
  broken_ = true;
  return Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE,
              absl::StrCat(AbslView(what), ": ", OneLine(PQerrorMessage(connection_))));
}

absl::StatusOr<Result> Connection::Exec(const char* sql, const std::vector<Param>& params) {
  RETURN_IF_ERROR(Send(sql, params));
  return Collect();
}

absl::StatusOr<Result> Connection::Script(const std::string& sql) {
  if (broken_ || PQsendQuery(connection_, sql.c_str()) != 1) return Lost("cannot send");
  return Collect();
}

absl::Status Connection::EnsurePrepared(const char* sql, std::string* name) {
  *name = PreparedName(sql);
  if (prepared_.count(sql) != 0) return absl::OkStatus();
  if (PQsendPrepare(connection_, name->c_str(), sql, 0, nullptr) != 1) return Lost("cannot send");
  const auto result = Collect();
  if (!result.ok()) return result.status();
  prepared_.insert(sql);
  return absl::OkStatus();
}

absl::Status Connection::Send(const char* sql, const std::vector<Param>& params) {
  if (broken_) return Lost("connection is broken");
  const Wire wire(params);
  int sent;
  if (prepare_) {
    std::string name;
    RETURN_IF_ERROR(EnsurePrepared(sql, &name));
    sent = PQsendQueryPrepared(connection_, name.c_str(), wire.size(), wire.values.data(), wire.lengths.data(),
                               wire.formats.data(), 0);
  } else {
    sent = PQsendQueryParams(connection_, sql, wire.size(), nullptr, wire.values.data(), wire.lengths.data(),
                             wire.formats.data(), 0);
  }
  return sent == 1 ? absl::OkStatus() : Lost("cannot send");
}

absl::Status Connection::WaitReadable(absl::Duration deadline) {
  while (true) {
    const int flush = PQflush(connection_);
    if (flush < 0) return Lost("cannot send");
    const absl::Duration left = deadline - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) {
      // The answer may still come: the connection can't be used again.
      broken_ = true;
      return Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "the database did not answer in time",
                  {{"client_timeout", absl::FormatDuration(statement_timeout_)}});
    }
    pollfd fd{PQsocket(connection_), static_cast<short>(flush == 1 ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready < 0 && errno != EINTR) return Lost("poll failed");
    if (ready > 0 && (fd.revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
      if (PQconsumeInput(connection_) != 1) return Lost("connection lost");
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<PGresult*> Connection::Next(absl::Duration deadline) {
  while (PQisBusy(connection_) == 1) RETURN_IF_ERROR(WaitReadable(deadline));
  return PQgetResult(connection_);
}

absl::StatusOr<Result> Connection::Collect() {
  const absl::Duration deadline = clock_.Monotonic() + statement_timeout_;
  std::unique_ptr<PGresult, ResultDeleter> last;
  absl::Status error;
  while (true) {
    ASSIGN_OR_RETURN(PGresult* const raw, Next(deadline));
    std::unique_ptr<PGresult, ResultDeleter> next(raw);
    if (next == nullptr) break;
    if (!IsOk(next.get()) && error.ok()) error = StatusOfResult(next.get());
    last = std::move(next);
  }
  if (PQstatus(connection_) != CONNECTION_OK) {
    broken_ = true;
    if (error.ok() || ReasonOf(error) == Reason::FAILURE_REASON_UNSPECIFIED) return Lost("connection lost");
  }
  if (!error.ok()) return error;
  if (last == nullptr) return Lost("no result");
  return Result(last.release());
}

absl::Status Connection::SendPiped(const Statement& statement, std::vector<const char*>& preparing) {
  const Wire wire(statement.params);
  if (!prepare_ || !statement.may_prepare) {
    const int sent = PQsendQueryParams(connection_, statement.sql, wire.size(), nullptr, wire.values.data(),
                                       wire.lengths.data(), wire.formats.data(), static_cast<int>(statement.format));
    return sent == 1 ? absl::OkStatus() : Lost("cannot send");
  }
  const std::string name = PreparedName(statement.sql);
  const bool known = prepared_.count(statement.sql) != 0 ||
                     std::find(preparing.begin(), preparing.end(), statement.sql) != preparing.end();
  if (!known) {
    if (PQsendPrepare(connection_, name.c_str(), statement.sql, 0, nullptr) != 1) return Lost("cannot send");
    preparing.push_back(statement.sql);
  }
  const int sent = PQsendQueryPrepared(connection_, name.c_str(), wire.size(), wire.values.data(), wire.lengths.data(),
                                       wire.formats.data(), static_cast<int>(statement.format));
  return sent == 1 ? absl::OkStatus() : Lost("cannot send");
}

absl::StatusOr<std::vector<Result>> Connection::ExecAll(const std::vector<Statement>& statements) {
  if (broken_ || PQenterPipelineMode(connection_) != 1) return Lost("connection is broken");
  std::vector<const char*> preparing;
  for (const Statement& statement : statements) RETURN_IF_ERROR(SendPiped(statement, preparing));
  if (PQpipelineSync(connection_) != 1) return Lost("cannot send");
  auto results = CollectPiped(statements, preparing);
  if (broken_) return results;
  if (PQexitPipelineMode(connection_) != 1) return Lost("cannot leave the pipeline");
  return results;
}

// A statement that is prepared on the way has two results. All are read, whatever failed: what is left would be taken
// for the answer to the next statement.
absl::StatusOr<std::vector<Result>> Connection::CollectPiped(const std::vector<Statement>& statements,
                                                             const std::vector<const char*>& preparing) {
  const absl::Duration deadline = clock_.Monotonic() + statement_timeout_;
  std::vector<Result> results;
  absl::Status error;
  const auto take = [&](bool keep) -> absl::Status {
    ASSIGN_OR_RETURN(PGresult* const raw, Next(deadline));
    std::unique_ptr<PGresult, ResultDeleter> result(raw);
    if (result == nullptr) return Lost("no result");
    const bool skipped = PQresultStatus(result.get()) == PGRES_PIPELINE_ABORTED;
    if (!skipped && !IsOk(result.get()) && error.ok()) error = StatusOfResult(result.get());
    ASSIGN_OR_RETURN(PGresult* const end, Next(deadline));
    if (end != nullptr) {
      PQclear(end);
      return Lost("a result too many");
    }
    if (error.ok() && keep) results.emplace_back(result.release());
    return absl::OkStatus();
  };
  std::unordered_set<const char*> to_prepare(preparing.begin(), preparing.end());
  for (const Statement& statement : statements) {
    if (to_prepare.erase(statement.sql) == 1) {
      RETURN_IF_ERROR(take(/*keep=*/false));
      if (error.ok()) prepared_.insert(statement.sql);
    }
    RETURN_IF_ERROR(take(/*keep=*/true));
    if (PQstatus(connection_) != CONNECTION_OK) return error.ok() ? Lost("connection lost") : (broken_ = true, error);
  }
  ASSIGN_OR_RETURN(PGresult* const sync, Next(deadline));
  const bool synced = sync != nullptr && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
  if (sync != nullptr) PQclear(sync);
  if (!synced) return Lost("the pipeline has no end");
  if (!error.ok()) return error;
  return results;
}

}  // namespace billmesh::db
