// billmesh-edge: HTTP in, gRPC out. No billing logic and no database.
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/daemon/daemon.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "services/edge/edge_config.h"
#include "services/edge/grpc_forwarder.h"
#include "services/edge/peer_readiness.h"

namespace {

namespace auth = billmesh::auth;
namespace edge = billmesh::edge;
using billmesh::config::Config;
using billmesh::daemon::Daemon;

constexpr char kProgram[] = "billmesh-edge";
constexpr char kSummary[] = "HTTP in, gRPC out: authenticates, limits, transcodes and forwards.";
constexpr int kKeyThreads = 2;  // for tokens whose keys must be fetched first, which is rare
constexpr size_t kKeyQueue = 64;
constexpr absl::Duration kKeyCheckPeriod = absl::Seconds(1);

// In the order in which they may be destroyed, last first: whoever can still call something goes before it.
struct Parts {
  edge::RouteTable routes;
  std::unique_ptr<auth::AssertionSigner> signer;
  std::unique_ptr<auth::JwtVerifier> verifier;
  std::unique_ptr<edge::RateLimiter> limiter;
  std::unique_ptr<edge::EdgeServer> server;
  std::unique_ptr<edge::Authenticator> authenticator;
  std::unique_ptr<edge::GrpcForwarder> forwarder;
  std::unique_ptr<billmesh::rpc::Executor> key_executor;
  std::unique_ptr<billmesh::http::Server> http;
};

absl::Status Wire(const edge::EdgeConfig& settings, Daemon& daemon, Parts& parts) {
  ASSIGN_OR_RETURN(parts.routes, edge::RouteTable::FromLinkedProtos());
  ASSIGN_OR_RETURN(parts.signer, auth::AssertionSigner::Create(settings.user_assertion_key, daemon.clock()));
  ASSIGN_OR_RETURN(auto keys, auth::MakeKeySource(settings.jwks, settings.jwks_ca, daemon.clock()));
  ASSIGN_OR_RETURN(parts.verifier, auth::JwtVerifier::Create(settings.jwt, std::move(keys), daemon.clock()));
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
  for (const auto& [name, address] : settings.peers) {
    channels[name] = billmesh::rpc::MakeChannel(address, daemon.tls());
    // The console's daemon may be away without the public routes suffering from it.
    if (name == "reconciler") continue;
    auto readiness = edge::PeerReadiness::Of(name, channels[name], daemon.clock());
    daemon.AddReadinessCheck(name, [readiness]() mutable { return readiness.Check(); });
  }
  parts.limiter = std::make_unique<edge::RateLimiter>(settings.limits, daemon.clock());
  parts.forwarder = std::make_unique<edge::GrpcForwarder>(channels, *parts.signer);
  parts.key_executor = std::make_unique<billmesh::rpc::Executor>(kKeyThreads, kKeyQueue);
  parts.authenticator = std::make_unique<edge::BearerAuthenticator>(*parts.verifier, *parts.key_executor);
  parts.server = std::make_unique<edge::EdgeServer>(edge::EdgeServer::Dependencies{
      parts.routes, *parts.authenticator, *parts.limiter, *parts.forwarder, daemon.clock(), settings.timeouts,
      /*tls=*/!settings.http.tls_cert_file.empty()});
  ASSIGN_OR_RETURN(parts.http, billmesh::http::Server::Start(settings.http,
                                                             [server = parts.server.get()](auto request, auto respond) {
                                                               server->Handle(std::move(request), std::move(respond));
                                                             }));
  return absl::OkStatus();
}

int Run(const Config& config) {
  auto daemon = Daemon::Create({.name = "edge", .with_database = false}, config);
  const edge::EdgeConfig settings = edge::ReadEdgeConfig(config);
  Parts parts;
  const absl::Status wired = daemon.ok() ? Wire(settings, **daemon, parts) : daemon.status();
  if (!wired.ok()) {
    std::fprintf(stderr, "%s: %s\n", kProgram, std::string(wired.message()).c_str());
    return 1;
  }
  (*daemon)->AddReadinessCheck("token keys", [&parts] {
    return parts.verifier->HasKeys() ? absl::OkStatus() : absl::UnavailableError("none were had yet");
  });
  (*daemon)->AddWorker("token keys", kKeyCheckPeriod, [&parts] { return parts.verifier->RefreshIfDue(), false; });
  (*daemon)->AddWorker("deliveries", edge::EdgeServer::kSendPeriod, [&parts] { return parts.server->SendGathered(); });
  (*daemon)->OnDrain([&] { parts.server->StopHoldingBack(); });
  (*daemon)->OnDrain([&] { parts.http->Drain(settings.drain_timeout); });
  billmesh::telemetry::Info("serving HTTP", {{"http_port", absl::StrCat(parts.http->port())}});
  billmesh::telemetry::Warn("rate limits are kept in this process' memory (development): replicas don't share them");
  return (*daemon)->Serve({});
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = billmesh::config::Parse(kProgram, kSummary, edge::EdgeSettings(), edge::EdgeChecks(), argc, argv,
                                              [](const char* name) { return std::getenv(name); });
  if (!parsed.config.has_value()) {
    std::fprintf(parsed.exit_code == 0 ? stdout : stderr, "%s\n", parsed.message.c_str());
    return parsed.exit_code;
  }
  return parsed.config->check_only() ? 0 : Run(*parsed.config);
}
