#include "common/db/migrate.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/db/connection.h"
#include "common/status/status.h"

namespace billmesh::db {
namespace {

constexpr absl::Duration kMigrationTimeout = absl::Minutes(30);

absl::Status Invalid(const std::string& message) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, message, {{"field", "migrations"}});
}

struct Applied {
  std::string name;
  std::string sha256;
};

absl::StatusOr<std::map<int, Applied>> ReadApplied(Connection& connection) {
  std::map<int, Applied> applied;
  ASSIGN_OR_RETURN(const Result exists, connection.Exec("SELECT to_regclass('billing.schema_migrations') IS NOT NULL", {}));
  if (!exists[0].Bool(0)) return applied;
  ASSIGN_OR_RETURN(const Result rows, connection.Exec(
      "SELECT m.version, m.name, m.sha256 FROM billing.schema_migrations m ORDER BY m.version", {}));
  for (int i = 0; i < rows.size(); ++i) {
    applied[static_cast<int>(rows[i].Int(0))] = {rows[i].Text(1), rows[i].Text(2)};
  }
  return applied;
}

absl::Status CheckHistory(const std::map<int, Applied>& applied, const std::vector<Migration>& migrations) {
  for (const auto& [version, row] : applied) {
    const auto it = std::find_if(migrations.begin(), migrations.end(), [&](const Migration& m) { return m.version == version; });
    if (it == migrations.end()) {
      return Invalid(absl::StrCat("the database has migration ", version, " (", row.name,
                                  "), which this version doesn't know: use a newer billctl"));
    }
    if (it->sha256 != row.sha256) {
      return Invalid(absl::StrCat("migration ", version, " (", row.name, ") has changed since it was applied: restore the file and "
                                  "write a new migration"));
    }
  }
  return absl::OkStatus();
}

absl::Status ApplyOne(Connection& connection, const Migration& migration) {
  RETURN_IF_ERROR(connection.Script("BEGIN").status());
  absl::Status status = connection.Script(migration.sql).status();
  if (status.ok()) {
    status = connection
                 .Exec("INSERT INTO billing.schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
                       {migration.version, migration.name, migration.sha256})
                 .status();
  }
  if (status.ok()) status = connection.Script("COMMIT").status();
  if (!status.ok()) {
    (void)connection.Script("ROLLBACK");
    return Fail(ReasonOf(status), absl::StrCat("migration ", migration.version, " (", migration.name, ") failed: ",
                                               std::string(status.message())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Migration>> LoadMigrations(const std::string& directory) {
  static const std::regex kName("([0-9]{4})_([a-z0-9_]+)\\.sql");
  std::vector<Migration> migrations;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string file = entry.path().filename().string();
    std::smatch match;
    if (!std::regex_match(file, match, kName)) return Invalid(absl::StrCat(file, ": expected a name like 0001_name.sql"));
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    if (!in) return Invalid(absl::StrCat("cannot read ", file));
    migrations.push_back({std::stoi(match[1]), match[2], text.str(), crypto::Sha256Hex(text.str())});
  }
  if (error) return Invalid(absl::StrCat("cannot read ", directory, ": ", error.message()));
  std::sort(migrations.begin(), migrations.end(), [](const auto& a, const auto& b) { return a.version < b.version; });
  for (size_t i = 0; i < migrations.size(); ++i) {
    if (migrations[i].version != static_cast<int>(i) + 1) {
      return Invalid(absl::StrCat("migrations have a gap or a duplicate at number ", i + 1));
    }
  }
  if (migrations.empty()) return Invalid(absl::StrCat("no migrations in ", directory));
  return migrations;
}

absl::StatusOr<MigrateReport> ApplyMigrations(const std::string& owner_url, const std::vector<Migration>& migrations,
                                              Clock& clock) {
  ASSIGN_OR_RETURN(auto connection, Connection::Open(owner_url, absl::Seconds(5), kMigrationTimeout, false, clock));
  // Held until the connection closes: two runs on one database don't meet.
  RETURN_IF_ERROR(connection->Script("SELECT pg_advisory_lock(727000001)").status());
  ASSIGN_OR_RETURN(const auto applied, ReadApplied(*connection));
  RETURN_IF_ERROR(CheckHistory(applied, migrations));
  MigrateReport report;
  report.from_version = applied.empty() ? 0 : applied.rbegin()->first;
  report.to_version = report.from_version;
  for (const Migration& migration : migrations) {
    if (applied.count(migration.version) != 0) continue;
    RETURN_IF_ERROR(ApplyOne(*connection, migration));
    report.to_version = migration.version;
    report.applied.push_back(absl::StrCat(absl::Dec(migration.version, absl::kZeroPad4), "_", migration.name));
  }
  return report;
}

}  // namespace billmesh::db
