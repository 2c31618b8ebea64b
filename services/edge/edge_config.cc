#include "services/edge/edge_config.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/auth/file_key_source.h"
#include "common/auth/user_assertion.h"
#include "common/daemon/daemon.h"
#include "common/daemon/file_checks.h"
#include "common/time/clock.h"

namespace billmesh::edge {
namespace {

using config::Config;
using config::Setting;
using config::Type;

constexpr const char* kPeers[] = {"checkout", "webhook", "entitlements", "reconciler"};

std::string CheckTlsPair(const Config& config) {
  return config.Get("http-tls-cert").empty() == config.Get("http-tls-key").empty()
             ? ""
             : "--http-tls-cert and --http-tls-key need each other";
}

std::string CheckJwks(const Config& config) {
  const std::string& jwks = config.Get("jwt-jwks");
  if (absl::StartsWith(jwks, "https://") || absl::StartsWith(jwks, "http://")) return "";
  SystemClock clock;
  const absl::Status status = auth::FileKeySource::Create(jwks, clock).status();
  return status.ok()
             ? ""
             : absl::StrCat("--jwt-jwks is neither an http:// or https:// URL nor a file of keys: ", status.message());
}

std::string CheckAssertionKey(const Config& config) {
  SystemClock clock;
  const absl::Status status = auth::AssertionSigner::Create(config.Get("user-assertion-key"), clock).status();
  return status.ok() ? "" : absl::StrCat("USER_ASSERTION_KEY_FILE: ", status.message());
}

std::string CheckClaims(const Config& config) {
  return config.Get("jwt-issuer").empty() || config.Get("jwt-audience").empty()
             ? "--jwt-issuer and --jwt-audience must not be empty"
             : "";
}

}  // namespace

std::vector<Setting> EdgeSettings() {
  std::vector<Setting> settings = daemon::CommonSettings(/*with_database=*/false);
  const std::vector<Setting> own = {
      {"http-listen", "HTTP_LISTEN_ADDR", Type::kAddress, "127.0.0.1:8080",
       "host:port of the public HTTP server; port 0 takes any free one"},
      {"http-tls-cert", "HTTP_TLS_CERT_FILE", Type::kFile, "",
       "PEM file of the public server's certificate chain; none: plain HTTP behind a proxy"},
      {"http-tls-key", "HTTP_TLS_KEY_FILE", Type::kFile, "", "PEM file of the public server's private key"},
      {"http-threads", "HTTP_THREADS", Type::kInt, "1",
       "I/O threads of the public server; each hand-over between them costs", 1, 64},
      {"http-connections", "HTTP_CONNECTIONS", Type::kInt, "1024",
       "most connections to the public server; more are closed at once", 1, 100'000},
      {"user-assertion-key", "USER_ASSERTION_KEY_FILE", Type::kFile, std::nullopt,
       "PEM file of the P-256 key that user assertions are signed with; read again when it changes"},
      {"jwt-issuer", "JWT_ISSUER", Type::kString, std::nullopt, "the issuer (iss) of users' tokens"},
      {"jwt-audience", "JWT_AUDIENCE", Type::kString, std::nullopt, "the audience (aud) of users' tokens"},
      {"jwt-jwks", "JWT_JWKS", Type::kString, std::nullopt,
       "URL or file of the JWKS that users' tokens are verified with; fetched or read again as it changes"},
      {"jwt-jwks-ca", "JWT_JWKS_CA_FILE", Type::kFile, "",
       "PEM file of the CA of an https JWKS URL; none: the system's"},
      {"jwt-leeway", "JWT_LEEWAY", Type::kDuration, "30s", "how far the issuer's clock may differ", 0, 60'000},
      {"rate-limit-per-second", "RATE_LIMIT_PER_SECOND", Type::kInt, "50",
       "requests per second of one caller to one route", 1, 100'000},
      {"rate-limit-burst", "RATE_LIMIT_BURST", Type::kInt, "100", "requests of one caller to one route at once", 1,
       1'000'000},
      {"read-timeout", "READ_TIMEOUT", Type::kDuration, "10s", "how long a daemon may take for a GET", 10, 600'000},
      {"write-timeout", "WRITE_TIMEOUT", Type::kDuration, "40s", "how long a daemon may take for any other request", 10,
       600'000},
      {"webhook-timeout", "WEBHOOK_TIMEOUT", Type::kDuration, "10s", "how long storing a delivery may take before 503",
       10, 600'000},
  };
  settings.insert(settings.end(), own.begin(), own.end());
  for (const std::string peer : kPeers) {
    settings.push_back({peer + "-addr", absl::AsciiStrToUpper(peer) + "_ADDR", Type::kAddress, std::nullopt,
                        "host:port of the " + peer + " daemon's gRPC server"});
  }
  return settings;
}

std::vector<config::CrossCheck> EdgeChecks() {
  std::vector<config::CrossCheck> checks = daemon::CommonChecks(/*with_database=*/false);
  const daemon::FileSetting chain = {"http-tls-cert", "HTTP_TLS_CERT_FILE"};
  // The identity provider's may be its own certificate, which need not be a CA's.
  checks.insert(checks.end(), {CheckTlsPair, CheckJwks, CheckAssertionKey, CheckClaims, daemon::ChainCheck(chain),
                               daemon::ChainCheck({"jwt-jwks-ca", "JWT_JWKS_CA_FILE"})});
  for (config::CrossCheck& check : daemon::PrivateKeyChecks({"http-tls-key", "HTTP_TLS_KEY_FILE"}, chain)) {
    checks.push_back(std::move(check));
  }
  return checks;
}

EdgeConfig ReadEdgeConfig(const Config& config) {
  EdgeConfig read;
  read.http.listen = config.Get("http-listen");
  read.http.tls_cert_file = config.Get("http-tls-cert");
  read.http.tls_key_file = config.Get("http-tls-key");
  read.http.threads = static_cast<int>(config.GetInt("http-threads"));
  read.http.max_connections = static_cast<int>(config.GetInt("http-connections"));
  read.http.max_body_bytes = kMaxBodyBytes;
  for (const std::string peer : kPeers) read.peers[peer] = config.Get(peer + "-addr");
  read.user_assertion_key = config.Get("user-assertion-key");
  read.jwt = {config.Get("jwt-issuer"), config.Get("jwt-audience"), config.GetDuration("jwt-leeway")};
  read.jwks = config.Get("jwt-jwks");
  read.jwks_ca = config.Get("jwt-jwks-ca");
  read.limits.per_second = static_cast<double>(config.GetInt("rate-limit-per-second"));
  read.limits.burst = static_cast<double>(config.GetInt("rate-limit-burst"));
  read.timeouts = {config.GetDuration("read-timeout"), config.GetDuration("write-timeout"),
                   config.GetDuration("webhook-timeout")};
  read.drain_timeout = config.GetDuration("drain-timeout");
  return read;
}

}  // namespace billmesh::edge
