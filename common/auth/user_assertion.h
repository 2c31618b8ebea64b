// The edge's assertion of a user to the daemons (TEN-2): a JWT (ES256) of at most 60 s, issued by "billmesh-edge" for
// the audience "billmesh-daemons". Only a caller with the edge's certificate may present one; that is checked by
// common/rpc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/auth/identity.h"
#include "common/time/clock.h"

namespace billmesh::auth {

inline constexpr int kAssertionLifetimeSeconds = 60;

class AssertionSigner {
 public:
  // key_file: PEM of a P-256 private key; read again when it changes. kid is the RFC 7638 thumbprint of its public key.
  // The clock must outlive the signer.
  static absl::StatusOr<std::unique_ptr<AssertionSigner>> Create(const std::string& key_file, Clock& clock);
  virtual ~AssertionSigner() = default;
  // Thread safe.
  virtual absl::StatusOr<std::string> Sign(const UserIdentity& user) = 0;
};

class AssertionVerifier {
 public:
  // jwks_file: the public keys; read again when it changes, so that keys rotate (CFG-5); a broken file keeps the last
  // good keys.
  static absl::StatusOr<std::unique_ptr<AssertionVerifier>> Create(const std::string& jwks_file, Clock& clock);
  virtual ~AssertionVerifier() = default;
  // UNAUTHENTICATED for anything but a valid, unexpired assertion of at most 60 s. Thread safe.
  virtual absl::StatusOr<UserIdentity> Verify(std::string_view token) = 0;
};

// The JWKS document that verifiers need for the key in this PEM file; invalid_argument if it holds no P-256 private
// key.
absl::StatusOr<std::string> AssertionJwks(const std::string& key_file, Clock& clock);

}  // namespace billmesh::auth
