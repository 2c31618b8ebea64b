// Server and channel builders: mTLS with reloaded certificates, health, reflection, bounded message sizes and connection age.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/user_assertion.h"
#include "common/rpc/executor.h"
#include "common/time/clock.h"
#include "grpcpp/grpcpp.h"

namespace billmesh::rpc {

// Certificates of a process, reloaded from the files when they change (CFG-5).
struct TlsFiles {
  std::string ca;    // trust anchors of peers
  std::string cert;  // own chain
  std::string key;
};

// What the call wrapper needs; one a process. All references must outlive the server.
class CallHost {
 public:
  // verifier may be null where no method takes a user.
  CallHost(Clock& clock, Executor& executor, auth::AssertionVerifier* verifier)
      : clock_(clock), executor_(executor), verifier_(verifier) {}
  Clock& clock() { return clock_; }
  Executor& executor() { return executor_; }
  auth::AssertionVerifier* verifier() { return verifier_; }

 private:
  Clock& clock_;
  Executor& executor_;
  auth::AssertionVerifier* verifier_;
};

struct ServerOptions {
  std::string listen;  // host:port; port 0 takes any
  TlsFiles tls;
  int max_message_bytes = 4 << 20;
  absl::Duration max_connection_age = absl::Minutes(30);  // live connections aren't verified again: bound their age
};

class Server {
 public:
  // Listens at once, with health NOT_SERVING until SetServing(true). An address in use is an error that names it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services);
  virtual ~Server() = default;
  virtual int port() const = 0;
  // What grpc.health.v1 answers. Thread safe.
  virtual void SetServing(bool serving) = 0;
  // Not serving, no new calls, running ones have until the grace, then are cancelled. Idempotent.
  virtual void Drain(absl::Duration grace) = 0;
};

// A channel to a daemon at host:port (round robin over all its addresses). The peer must present a certificate of the mesh: signed by
// our CA, with the DNS name `billmesh`. Connects lazily.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const TlsFiles& tls);

// Prepares a client call: deadline, request id, traceparent of the current CallScope, and the user assertion if not empty.
void PrepareContext(grpc::ClientContext& context, absl::Duration timeout, const std::string& user_assertion = "");

}  // namespace billmesh::rpc
