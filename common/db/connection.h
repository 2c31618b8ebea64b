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

class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& url, absl::Duration connect_timeout,
                                                          absl::Duration statement_timeout, bool prepare, Clock& clock);
  ~Connection();
  Connection(const Connection&) = delete;

  // One statement with parameters.
  absl::StatusOr<Result> Exec(const char* sql, const std::vector<Param>& params);
  // Several statements without parameters, in one round trip; the last result counts.
  absl::StatusOr<Result> Script(const std::string& sql);

  // False once anything went wrong that leaves the connection in doubt: it must not be reused.
  bool usable() const;
  // For one that lay idle: false if the server has ended it meanwhile. Asks the socket only, no round trip.
  bool StillOpen();
  // Marks the connection as not to be reused.
  void Discard() { broken_ = true; }

 private:
  Connection(PGconn* connection, absl::Duration statement_timeout, bool prepare, Clock& clock)
      : connection_(connection), statement_timeout_(statement_timeout), prepare_(prepare), clock_(clock) {}
  absl::Status Send(const char* sql, const std::vector<Param>& params);
  absl::Status EnsurePrepared(const char* sql, std::string* name);
  // Waits, within the statement's time, for all results; the last one, or the first error.
  absl::StatusOr<Result> Collect();
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
