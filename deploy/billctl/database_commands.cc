#include "deploy/billctl/database_commands.h"

#include "absl/strings/str_cat.h"
#include "common/daemon/daemon.h"
#include "common/db/migrate.h"
#include "common/db/pool.h"
#include "common/status/status.h"
#include "deploy/billctl/invariant_store.h"
#include "nlohmann/json.hpp"

namespace billmesh::billctl {
namespace {

// An invariant reads whole tables; nobody waits for it.
constexpr absl::Duration kStatementTimeout = absl::Minutes(10);

std::vector<config::Setting> DatabaseSettings() {
  return {{"database-url", "DATABASE_URL", config::Type::kSecret, std::nullopt,
           "PostgreSQL URL: of the schema's owner for migrate; for verify also of the reconciler's login role"}};
}

absl::StatusOr<int> Migrate(Context& context) {
  ASSIGN_OR_RETURN(const std::vector<db::Migration> migrations, db::LoadMigrations(context.config.Get("dir")));
  ASSIGN_OR_RETURN(const db::MigrateReport report,
                   db::ApplyMigrations(context.config.Get("database-url"), migrations, context.clock));
  if (context.json()) {
    context.out << nlohmann::json{{"fromVersion", report.from_version},
                                  {"toVersion", report.to_version},
                                  {"applied", report.applied}}
                       .dump()
                << "\n";
    return kExitOk;
  }
  for (const std::string& name : report.applied) context.out << "applied " << name << "\n";
  context.out << "schema version " << report.to_version
              << (report.applied.empty() ? ", nothing to apply\n" : absl::StrCat(", was ", report.from_version, "\n"));
  return kExitOk;
}

db::PoolOptions Options(const Context& context) {
  db::PoolOptions options;
  options.url = context.config.Get("database-url");
  // The role that may read what invariants are about; its own login role and superusers may take it.
  options.daemon = "reconciler";
  options.max_connections = 1;
  options.statement_timeout = kStatementTimeout;
  return options;
}

absl::StatusOr<int> SchemaVersion(Context& context) {
  db::Pool pool(Options(context), context.clock, context.ids);
  ASSIGN_OR_RETURN(const db::Pool::Probe probe, pool.Check());
  const bool expected = probe.schema_version == daemon::kSchemaVersion;
  if (context.json()) {
    context.out << nlohmann::json{{"version", probe.schema_version}, {"expected", daemon::kSchemaVersion}}.dump()
                << "\n";
  } else {
    context.out << "schema version " << probe.schema_version
                << (expected ? "" : absl::StrCat("; these binaries need ", daemon::kSchemaVersion)) << "\n";
  }
  return expected ? kExitOk : kExitFailed;
}

absl::StatusOr<int> Verify(Context& context) {
  db::Pool pool(Options(context), context.clock, context.ids);
  const bool settled = context.config.GetBool("settled");
  nlohmann::json results = nlohmann::json::array();
  int broken = 0, checked = 0;
  for (const Invariant& invariant : Invariants()) {
    if (invariant.when == Invariant::When::kSettled && !settled) continue;
    ASSIGN_OR_RETURN(
        const InvariantResult result,
        db::RunInTransaction(pool, db::Scope::System("verify"), [&](db::Tx& tx) -> absl::StatusOr<InvariantResult> {
          RETURN_IF_ERROR(PrepareToReadAll(tx, kStatementTimeout));
          return CheckInvariant(tx, invariant);
        }));
    ++checked;
    broken += result.violations > 0 ? 1 : 0;
    if (context.json()) {
      results.push_back({{"name", invariant.name}, {"violations", result.violations}, {"samples", result.samples}});
      continue;
    }
    context.out << invariant.name << ": ";
    if (result.violations == 0) {
      context.out << "OK\n";
      continue;
    }
    context.out << result.violations << (result.violations == 1 ? " violation" : " violations")
                << " of: " << invariant.rule << "\n";
    for (const std::string& sample : result.samples) context.out << "  " << sample << "\n";
  }
  if (context.json()) {
    context.out << nlohmann::json{{"invariants", results}, {"broken", broken}}.dump() << "\n";
  } else {
    context.out << checked << " invariants, " << broken << " broken\n";
  }
  return broken == 0 ? kExitOk : kExitFailed;
}

}  // namespace

std::vector<Command> DatabaseCommands() {
  std::vector<config::Setting> migrate = DatabaseSettings();
  migrate.push_back(
      {"dir", "MIGRATIONS_DIR", config::Type::kString, "deploy/migrations", "folder of NNNN_name.sql files"});
  std::vector<config::Setting> verify = DatabaseSettings();
  verify.push_back(
      SwitchFlag("settled", "also check what holds only when nothing is under way: nothing overdue is left"));
  return {
      {"migrate", {}, "apply the schema's migrations", migrate, {}, Migrate},
      {"schema-version",
       {},
       "the schema's version; fails if it isn't the one these binaries need",
       DatabaseSettings(),
       {},
       SchemaVersion},
      {"verify", {}, "check the invariants that are queries over the tables", verify, {}, Verify},
  };
}

}  // namespace billmesh::billctl
