#include "common/rpc/server.h"

#include "absl/strings/str_cat.h"
#include "common/auth/identity.h"
#include "common/rpc/grpc_log.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "grpc/support/time.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace billmesh::rpc {
namespace {

namespace tls = grpc::experimental;

// How often the files are looked at for new certificates. Both files must be swapped at once: with a pair that doesn't
// match, new handshakes fail until it does.
constexpr unsigned kCertificateReloadSeconds = 5;
// The DNS name in every server certificate of the mesh: addresses differ from one deployment to the next, this doesn't.
constexpr char kServerName[] = "billmesh";

std::shared_ptr<tls::CertificateProviderInterface> MakeProvider(const TlsFiles& files) {
  return std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.cert, files.ca,
                                                               kCertificateReloadSeconds);
}

// A deadline by gRPC's own clock: deadlines are about its waiting, not about a decision of ours.
gpr_timespec FromNow(absl::Duration d) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(absl::ToInt64Milliseconds(d), GPR_TIMESPAN));
}

class GrpcServer : public Server {
 public:
  GrpcServer(std::unique_ptr<grpc::Server> server, int port) : server_(std::move(server)), port_(port) {}
  ~GrpcServer() override { Drain(absl::ZeroDuration()); }

  int port() const override { return port_; }

  void SetServing(bool serving) override {
    if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(serving);
  }

  void Drain(absl::Duration grace) override {
    if (drained_) return;
    drained_ = true;
    SetServing(false);
    server_->Shutdown(FromNow(grace));
    server_->Wait();
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  const int port_;
  bool drained_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services) {
  RouteGrpcLog();
  static const bool once = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)once;
  tls::TlsServerCredentialsOptions credentials(MakeProvider(options.tls));
  credentials.watch_root_certs();
  credentials.watch_identity_key_cert_pairs();
  credentials.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);

  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, tls::TlsServerCredentials(credentials), &port);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetMaxSendMessageSize(options.max_message_bytes);
  // Two daemons on one port would share its calls silently: an address in use must be an error.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(options.max_connection_age)));
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen, ": is the address in use?"));
  }
  auto made = std::make_unique<GrpcServer>(std::move(server), port);
  made->SetServing(false);
  return made;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const TlsFiles& files) {
  RouteGrpcLog();
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(MakeProvider(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(true);
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(kServerName);
  arguments.SetLoadBalancingPolicyName("round_robin");
  // A daemon that comes back is found within a second or two.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  return grpc::CreateCustomChannel(address, tls::TlsCredentials(options), arguments);
}

void PrepareContext(grpc::ClientContext& context, absl::Duration timeout, const std::string& user_assertion) {
  context.set_deadline(FromNow(timeout));
  const telemetry::TraceContext& trace = telemetry::CallScope::Current();
  if (!trace.request_id.empty()) context.AddMetadata("x-request-id", trace.request_id);
  if (!trace.traceparent.empty()) context.AddMetadata("traceparent", trace.traceparent);
  if (!user_assertion.empty()) context.AddMetadata(auth::kUserAssertionHeader, user_assertion);
}

}  // namespace billmesh::rpc
