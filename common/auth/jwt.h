// The browser's bearer tokens (TEN-2): JWTs signed with RS256, ES256 or EdDSA by the deployment's identity provider.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/identity.h"
#include "common/auth/jws.h"
#include "common/auth/key_source.h"
#include "common/time/clock.h"

namespace billmesh::auth {

inline constexpr absl::Duration kMaxJwtLeeway = absl::Seconds(60);

struct JwtOptions {
  std::string issuer;
  std::string audience;
  absl::Duration leeway = absl::Seconds(30);  // for exp and nbf; at most kMaxJwtLeeway
};

class JwtVerifier {
 public:
  // invalid_argument for an empty issuer or audience or a leeway out of bounds. The clock must outlive the verifier.
  static absl::StatusOr<std::unique_ptr<JwtVerifier>> Create(JwtOptions options, std::unique_ptr<KeySource> keys,
                                                             Clock& clock);

  // Verifies with the keys at hand and never blocks. nullopt: the token's key isn't among them and looking again may
  // help, so call Verify from a thread that may block. Errors as Verify's.
  std::optional<absl::StatusOr<UserIdentity>> TryVerify(std::string_view token);
  // UNAUTHENTICATED for anything but a valid token; PEER_UNAVAILABLE while no keys were ever had. May block while keys
  // are fetched. Thread safe.
  absl::StatusOr<UserIdentity> Verify(std::string_view token);

  // Whether there are keys to verify with; for readiness.
  bool HasKeys() { return keys_->Keys() != nullptr; }
  // For a worker, about once a second. May block while keys are fetched.
  void RefreshIfDue() { keys_->RefreshIfDue(); }

 private:
  JwtVerifier(JwtOptions options, std::unique_ptr<KeySource> keys, Clock& clock)
      : options_(std::move(options)), keys_(std::move(keys)), clock_(clock) {}
  absl::StatusOr<UserIdentity> Finish(const Jws& jws, const KeySet* keys);

  const JwtOptions options_;
  const std::unique_ptr<KeySource> keys_;
  Clock& clock_;
};

// The key source that a setting names: a URL (http:// or https://) or the path of a file. ca_file as HttpFetch's.
absl::StatusOr<std::unique_ptr<KeySource>> MakeKeySource(const std::string& url_or_path, const std::string& ca_file,
                                                         Clock& clock);

}  // namespace billmesh::auth
