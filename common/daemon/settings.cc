#include <iterator>

#include "absl/strings/str_cat.h"
#include "common/auth/user_assertion.h"
#include "common/daemon/daemon.h"
#include "common/daemon/file_checks.h"
#include "common/db/url.h"
#include "common/time/clock.h"

namespace billmesh::daemon {

using config::Config;
using config::Setting;
using config::Type;

namespace {

std::string CheckEnv(const Config& c) {
  return c.Get("billing-env").size() <= 32 ? "" : "--billing-env is longer than 32 characters";
}

std::string CheckDatabaseUrl(const Config& c) {
  const absl::Status status = db::CheckUrl(c.Get("database-url"));
  return status.ok() ? "" : absl::StrCat("DATABASE_URL ", status.message());
}

std::string CheckAssertionKeys(const Config& c) {
  SystemClock clock;
  const absl::Status status = auth::AssertionVerifier::Create(c.Get("user-assertion-jwks"), clock).status();
  return status.ok() ? "" : absl::StrCat("USER_ASSERTION_JWKS_FILE: ", status.message());
}

}  // namespace

std::vector<Setting> CommonSettings(bool with_database) {
  std::vector<Setting> settings = {
      {"metrics-listen", "METRICS_ADDR", Type::kAddress, "127.0.0.1:0", "host:port of /metrics, /healthz and /readyz (plain HTTP)"},
      {"tls-ca", "TLS_CA_FILE", Type::kFile, std::nullopt, "PEM file of the CA that peers' certificates must come from"},
      {"tls-cert", "TLS_CERT_FILE", Type::kFile, std::nullopt, "PEM file of this daemon's certificate chain"},
      {"tls-key", "TLS_KEY_FILE", Type::kFile, std::nullopt, "PEM file of this daemon's private key"},
      {"log-level", "LOG_LEVEL", Type::kString, "info", "least level that is logged: debug, info, warn or error", 0, 0,
       {"debug", "info", "warn", "error"}},
      {"drain-timeout", "DRAIN_TIMEOUT", Type::kDuration, "10s", "how long running calls may take to end after SIGTERM", 100,
       600000},
      {"billing-env", "BILLING_ENV", Type::kString, std::nullopt, "the one billing environment served, for example live or test"},
  };
  if (!with_database) return settings;
  const std::vector<Setting> database = {
      {"listen", "LISTEN_ADDR", Type::kAddress, "127.0.0.1:0", "host:port of the gRPC server; port 0 takes any free one"},
      {"database-url", "DATABASE_URL", Type::kSecret, std::nullopt, "PostgreSQL URL of this daemon's login role"},
      {"database-connections", "DATABASE_CONNECTIONS", Type::kInt, "12", "most connections to PostgreSQL", 1, 200},
      {"database-prepare", "DATABASE_PREPARE", Type::kBool, "true",
       "use named prepared statements (false behind PgBouncer before 1.21 in transaction mode)"},
      {"user-assertion-jwks", "USER_ASSERTION_JWKS_FILE", Type::kFile, std::nullopt,
       "JWKS file of the keys that the edge signs user assertions with"},
      {"executor-threads", "EXECUTOR_THREADS", Type::kInt, "12", "threads for calls that may block", 1, 256},
      {"executor-queue", "EXECUTOR_QUEUE", Type::kInt, "512", "calls that may wait for a thread before 503", 1, 100000},
      {"clock-skew-max", "CLOCK_SKEW_MAX", Type::kDuration, "5s", "not ready when this clock and the database's differ by more", 100,
       60000},
  };
  settings.insert(settings.end(), database.begin(), database.end());
  return settings;
}

std::vector<config::CrossCheck> CommonChecks(bool with_database) {
  const FileSetting chain = {"tls-cert", "TLS_CERT_FILE"};
  std::vector<config::CrossCheck> checks = {CheckEnv, AnchorsCheck({"tls-ca", "TLS_CA_FILE"}), ChainCheck(chain)};
  std::vector<config::CrossCheck> key = PrivateKeyChecks({"tls-key", "TLS_KEY_FILE"}, chain);
  checks.insert(checks.end(), std::make_move_iterator(key.begin()), std::make_move_iterator(key.end()));
  if (with_database) checks.insert(checks.end(), {CheckDatabaseUrl, CheckAssertionKeys});
  return checks;
}

}  // namespace billmesh::daemon
