// One libpq connection with bounded waits. Private to common/db: libpq's header is included nowhere else.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/result.h"
#include "common/time/clock.h"

namespace billmesh::db {

// One of several statements that travel together. The literal must live as long as the connection, as all of ours do.
struct Statement {
  const char* sql = nullptr;
  std::vector<Param> params;
  bool may_prepare = true;        // false for what is no query: SET and the like
  Format format = Format::kText;  // of its result
};

class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& url, absl::Duration connect_timeout,
                                                          absl::Duration statement_timeout, bool prepare, Clock& clock);
  ~Connection();
  Connection(const Connection&) = delete;

  // One statement with parameters.
  absl::StatusOr<Result> Exec(const char* sql, const std::vector<Param>& params);
  // Several statements in one round trip, each with parameters: libpq's pipeline mode. Their results in order, or the
  // first error; what follows a statement that failed is not run.
  absl::StatusOr<std::vector<Result>> ExecAll(const std::vector<Statement>& statements);
  // Several statements without parameters, in one round trip; the last result counts.
  absl::StatusOr<Result> Script(const std::string& sql);

  // False once anything went wrong that leaves the connection in doubt: it must not be reused.
  bool usable() const;
  // For one that lay idle: false if the server has ended it meanwhile. Asks the socket only, no round trip.
  bool StillOpen();
  // Whether every answer that is due has been read, and the server is there. Not after a lost connection or a time-out.
  bool InStep() const { return !broken_ && PQstatus(connection_) == CONNECTION_OK; }
  // Whether a statement of the open transaction failed: COMMIT would roll back, and say that it went well.
  bool InFailedTransaction() const { return PQtransactionStatus(connection_) == PQTRANS_INERROR; }
  // Marks the connection as not to be reused.
  void Discard() { broken_ = true; }

 private:
  Connection(PGconn* connection, absl::Duration statement_timeout, bool prepare, Clock& clock)
      : connection_(connection), statement_timeout_(statement_timeout), prepare_(prepare), clock_(clock) {}
  absl::Status Send(const char* sql, const std::vector<Param>& params);
  absl::Status EnsurePrepared(const char* sql, std::string* name);
  absl::Status SendPiped(const Statement& statement, std::vector<const char*>& preparing);
  absl::StatusOr<std::vector<Result>> CollectPiped(const std::vector<Statement>& statements,
                                                   const std::vector<const char*>& preparing);
  // Waits, within the statement's time, for all results; the last one, or the first error.
  absl::StatusOr<Result> Collect();
  // The next result, or null where libpq says that there is none (which separates statements in a pipeline).
  absl::StatusOr<PGresult*> Next(absl::Duration deadline);
  absl::Status WaitReadable(absl::Duration deadline);
  absl::Status Lost(std::string_view what);

  PGconn* connection_;
  const absl::Duration statement_timeout_;
  const bool prepare_;
  Clock& clock_;
  bool broken_ = false;
  std::unordered_set<const char*> prepared_;  // by the literal's address: statements are string literals
};

}  // namespace billmesh::db
