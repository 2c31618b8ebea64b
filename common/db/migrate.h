// Applies the schema's migrations: files NNNN_name.sql in order, each in one transaction with its row in schema_migrations. Forward
// only. Run by `billctl migrate` and by tests as the schema's owner, never by a daemon.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/time/clock.h"

namespace billmesh::db {

struct Migration {
  int version;
  std::string name;  // "roles_and_clock"
  std::string sql;
  std::string sha256;
};

// Reads a directory. Errors name the file: a gap in the numbers, a duplicate, a name that isn't NNNN_name.sql.
absl::StatusOr<std::vector<Migration>> LoadMigrations(const std::string& directory);

struct MigrateReport {
  int from_version = 0;
  int to_version = 0;
  std::vector<std::string> applied;  // file names
};

// Applies what is missing, holding an advisory lock so that two runs don't meet. Refuses if an applied migration's file has changed
// since, or the database is newer than the directory. On an error everything up to the failed file stays applied.
absl::StatusOr<MigrateReport> ApplyMigrations(const std::string& owner_url, const std::vector<Migration>& migrations,
                                              Clock& clock);

}  // namespace billmesh::db
