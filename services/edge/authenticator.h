// Who calls over HTTP (TEN-2): a bearer token, and nothing else. Headers that only hint (x-surface-id and the like) are
// never read.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "common/auth/identity.h"
#include "common/auth/jwt.h"
#include "common/http/server.h"
#include "common/rpc/executor.h"

namespace billmesh::edge {

// Called exactly once, on the caller's thread or another.
using AuthenticateDone = std::function<void(absl::StatusOr<auth::UserIdentity>)>;

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // UNAUTHENTICATED without a valid credential; never blocks. Thread safe.
  virtual void Authenticate(const http::Request& request, AuthenticateDone done) = 0;
};

class BearerAuthenticator : public Authenticator {
 public:
  // The executor takes the rare verification that has to fetch keys first. Both must outlive this object, and the
  // executor must have ended before what `done` refers to goes away.
  BearerAuthenticator(auth::JwtVerifier& verifier, rpc::Executor& executor)
      : verifier_(verifier), executor_(executor) {}
  void Authenticate(const http::Request& request, AuthenticateDone done) override;

 private:
  auth::JwtVerifier& verifier_;
  rpc::Executor& executor_;
};

}  // namespace billmesh::edge
