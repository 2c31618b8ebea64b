#include "common/testing/test_database.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/status/status.h"

namespace billmesh::testing {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(60);

[[noreturn]] void GiveUp(const std::string& what) {
  std::fprintf(stderr, "test database: %s\n", what.c_str());
  std::abort();
}

std::string ServerUrl() {
  const char* url = std::getenv("BILLMESH_TEST_DATABASE_URL");
  if (url == nullptr) GiveUp("BILLMESH_TEST_DATABASE_URL is not set; run this through tests/run");
  return url;
}

// Replaces the database, and optionally the user, of a URL like postgresql://user@host:port/db.
std::string WithDatabase(const std::string& url, const std::string& database, const std::string& user = "") {
  const size_t scheme = url.find("://");
  const size_t slash = url.find('/', scheme + 3);
  std::string authority = url.substr(scheme + 3, slash - scheme - 3);
  if (!user.empty()) authority = user + authority.substr(authority.find('@'));
  return absl::StrCat(url.substr(0, scheme + 3), authority, "/", database);
}

std::unique_ptr<db::Connection> Connect(const std::string& url, Clock& clock) {
  auto connection = db::Connection::Open(url, absl::Seconds(5), kTimeout, false, clock);
  if (!connection.ok()) GiveUp(std::string(connection.status().message()));
  return std::move(*connection);
}

void Script(db::Connection& connection, const std::string& sql) {
  const auto result = connection.Script(sql);
  if (!result.ok()) GiveUp(absl::StrCat(std::string(result.status().message()), " in: ", sql));
}

std::string MigrationsDirectory() {
  const char* directory = std::getenv("BILLMESH_MIGRATIONS_DIR");
  return directory != nullptr ? directory : BILLMESH_SOURCE_DIR "/deploy/migrations";
}

// Makes the template database for the present migrations unless it's there. One process at a time.
std::string EnsureTemplate(Clock& clock) {
  const auto migrations = db::LoadMigrations(MigrationsDirectory());
  if (!migrations.ok()) GiveUp(std::string(migrations.status().message()));
  std::string all;
  for (const auto& m : *migrations) all += m.sha256;
  const std::string name = absl::StrCat("billmesh_template_", crypto::Sha256Hex(all).substr(0, 12));
  auto admin = Connect(ServerUrl(), clock);
  Script(*admin, "SELECT pg_advisory_lock(727000002)");
  const auto found = admin->Exec("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", {name});
  if (!found.ok()) GiveUp(std::string(found.status().message()));
  if (found->empty()) {
    Script(*admin, absl::StrCat("DROP DATABASE IF EXISTS ", name));
    Script(*admin, absl::StrCat("CREATE DATABASE ", name));
    const auto report = db::ApplyMigrations(WithDatabase(ServerUrl(), name), *migrations, clock);
    if (!report.ok()) GiveUp(std::string(report.status().message()));
    // Tests move time by an offset that all connections share.
    auto migrated = Connect(WithDatabase(ServerUrl(), name), clock);
    Script(*migrated, R"sql(
      CREATE TABLE billing.test_clock (offset_interval interval NOT NULL);
      INSERT INTO billing.test_clock (offset_interval) VALUES ('0');
      GRANT SELECT ON billing.test_clock TO PUBLIC;
      CREATE OR REPLACE FUNCTION billing.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
        AS 'SELECT clock_timestamp() + (SELECT c.offset_interval FROM billing.test_clock c)';
    )sql");
    migrated.reset();
    Script(*admin, absl::StrCat("ALTER DATABASE ", name, " WITH IS_TEMPLATE true"));
  }
  return name;
}

}  // namespace

struct TestDatabase::Impl {
  std::string name;
  std::unique_ptr<db::Connection> server;  // on another database: for create, drop, terminate
  std::unique_ptr<db::Connection> admin;
  std::map<std::string, std::unique_ptr<db::Pool>> pools;
};

TestDatabase::TestDatabase() : impl_(std::make_unique<Impl>()) {
  const std::string pattern = EnsureTemplate(clock_);
  impl_->name = absl::StrCat("billmesh_t_", crypto::HexEncode(crypto::RandomBytes(8)));
  impl_->server = Connect(ServerUrl(), clock_);
  Script(*impl_->server, absl::StrCat("CREATE DATABASE ", impl_->name, " TEMPLATE ", pattern));
  impl_->admin = Connect(AdminUrl(), clock_);
}

TestDatabase::~TestDatabase() {
  impl_->pools.clear();
  impl_->admin.reset();
  Script(*impl_->server, absl::StrCat("DROP DATABASE ", impl_->name, " WITH (FORCE)"));
}

std::string TestDatabase::AdminUrl() const { return WithDatabase(ServerUrl(), impl_->name); }

std::string TestDatabase::Url(std::string_view daemon) const {
  return WithDatabase(ServerUrl(), impl_->name, "billmesh_" + std::string(daemon));
}

db::Pool& TestDatabase::Pool(const std::string& daemon, int max_connections) {
  auto& pool = impl_->pools[daemon];
  if (pool == nullptr) {
    db::PoolOptions options;
    options.url = Url(daemon);
    options.daemon = daemon;
    options.max_connections = max_connections;
    pool = std::make_unique<db::Pool>(options, clock_, ids_);
  }
  return *pool;
}

db::Result TestDatabase::Admin(const char* sql, const std::vector<db::Param>& params) {
  auto result = impl_->admin->Exec(sql, params);
  if (!result.ok()) GiveUp(absl::StrCat(std::string(result.status().message()), " in: ", sql));
  return std::move(*result);
}

void TestDatabase::AdminScript(const std::string& sql) { Script(*impl_->admin, sql); }

std::string TestDatabase::Value(const char* sql, const std::vector<db::Param>& params) {
  const db::Result result = Admin(sql, params);
  if (result.empty() || result[0].IsNull(0)) return "";
  return result[0].Text(0);
}

void TestDatabase::SetClockOffset(absl::Duration offset) {
  Admin("UPDATE billing.test_clock SET offset_interval = $1::interval", {db::Param::Interval(offset)});
}

void TestDatabase::TakeAway() {
  Script(*impl_->server, absl::StrCat("ALTER DATABASE ", impl_->name, " WITH ALLOW_CONNECTIONS false"));
  EndConnections();
}

// Those of the daemons; waits for none.
void TestDatabase::EndConnections() {
  const auto ended = impl_->server->Exec(
      "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.datname = $1 AND a.usename <> 'postgres'",
      {impl_->name});
  if (!ended.ok()) GiveUp(std::string(ended.status().message()));
}

void TestDatabase::Restore() {
  Script(*impl_->server, absl::StrCat("ALTER DATABASE ", impl_->name, " WITH ALLOW_CONNECTIONS true"));
}

void TestDatabase::ForgetScans() {
  AwaitCounts();
  Admin("SELECT pg_stat_reset()");
}

std::string TestDatabase::ScannedTables() {
  AwaitCounts();
  return Value(R"sql(
    SELECT string_agg(t.relname, ', ' ORDER BY t.relname) FROM pg_stat_user_tables t
    WHERE t.schemaname = 'billing' AND t.seq_scan > 0 AND t.relname <> 'test_clock'
  )sql");
}

// A session reports what it has counted when it ends.
void TestDatabase::AwaitCounts() {
  Admin("SELECT pg_stat_force_next_flush()");
  EndConnections();
  const bool ended = WaitUntil([&] {
    return Value(
               "SELECT count(*)::text FROM pg_stat_activity a WHERE a.datname = current_database() AND "
               "a.usename LIKE 'billmesh%'") == "0";
  });
  if (!ended) GiveUp("connections don't end");
}

std::string TestDatabase::AddWorkspace(const std::string& slug, const std::string& owner_subject,
                                       const std::string& env) {
  const std::string id = ids_.NewId();
  Admin(
      "INSERT INTO billing.entities (id, env, kind, ref, slug, display_name) VALUES ($1, $2, 'workspace', $3, $3, $3)",
      {id, env, slug});
  if (!owner_subject.empty()) {
    Admin("INSERT INTO billing.entity_members (entity_id, subject, role) VALUES ($1, $2, 'owner')",
          {id, owner_subject});
  }
  return id;
}

std::string TestDatabase::AddPlan(const std::string& code, int64_t unit_amount_minor,
                                  const std::vector<Entitlement>& entitlements, bool is_default) {
  const std::string id = ids_.NewId();
  Admin(R"sql(
    INSERT INTO billing.plans (id, code, family_code, version, name, kind, applies_to, pricing_model, is_default, content_sha256)
    VALUES ($1, $2, $2, 1, $2, 'base', 'any', 'flat', $3, '')
  )sql",
        {id, code, is_default});
  if (!is_default) {
    Admin(R"sql(
      INSERT INTO billing.plan_prices (id, plan_id, provider, component, usage_type, interval, interval_count, currency,
                                       unit_amount_minor, provider_product_id, provider_price_id)
      VALUES ($1, $2, 'stripe', 'base', 'licensed', 'month', 1, 'eur', $3, $4, $5)
    )sql",
          {ids_.NewId(), id, unit_amount_minor, "prod_" + code, "price_" + code});
  }
  for (const Entitlement& e : entitlements) {
    Admin("INSERT INTO billing.plan_entitlements (plan_id, key, schema_version, payload) VALUES ($1, $2, $3, $4)",
          {id, e.key, e.schema, e.payload});
  }
  Admin("UPDATE billing.catalog_state SET revision = revision + 1");
  return id;
}

void TestDatabase::LinkCustomer(const std::string& entity_id, const std::string& provider_customer_id) {
  Admin(R"sql(
    INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id) VALUES ($1, $2, 'stripe', $3)
  )sql",
        {ids_.NewId(), entity_id, provider_customer_id});
}

bool WaitUntil(const std::function<bool()>& condition, absl::Duration limit) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoMicroseconds(limit);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace billmesh::testing
