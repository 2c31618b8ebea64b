#include "common/auth/user_assertion.h"

#include <mutex>

#include "absl/strings/str_cat.h"
#include "common/auth/claims.h"
#include "common/auth/file_key_source.h"
#include "common/auth/jws.h"
#include "common/auth/watched_file.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::auth {
namespace {

constexpr char kIssuer[] = "billmesh-edge";
constexpr char kAudience[] = "billmesh-daemons";
// A type of its own, so that no other token of any issuer can pass for an assertion (RFC 8725, 3.11).
constexpr char kType[] = "billmesh-user+jwt";
constexpr size_t kMaxPemBytes = 16 << 10;
// How far the edge's clock may be ahead of a daemon's (IDM-16 bounds both). No leeway past the end: 60 s are 60 s.
constexpr absl::Duration kStartLeeway = absl::Seconds(5);

class Signer : public AssertionSigner {
 public:
  Signer(const std::string& key_file, Clock& clock) : clock_(clock), file_(key_file, kMaxPemBytes, clock) {}

  absl::Status Load() {
    ASSIGN_OR_RETURN(const std::string pem, file_.Read());
    ASSIGN_OR_RETURN(key_, SigningKey::FromPem(pem));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Sign(const UserIdentity& user) override {
    // Whole seconds, rounded down: the assertion ends at most 60 s after this instant.
    const int64_t now = absl::ToUnixSeconds(clock_.Now());
    const nlohmann::json claims = {{"iss", kIssuer},      {"aud", kAudience},
                                   {"sub", user.subject}, {"permissions", user.permissions},
                                   {"iat", now},          {"exp", now + kAssertionLifetimeSeconds}};
    // Replaces what isn't UTF-8 instead of throwing; a verified token holds nothing else.
    return Key()->Sign(kType, claims.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }

 private:
  // The present key; the last good one while the file holds none.
  std::shared_ptr<const SigningKey> Key() {
    std::lock_guard lock(mutex_);
    if (const auto pem = file_.Poll(/*at_once=*/false)) {
      if (auto key = SigningKey::FromPem(*pem); key.ok()) key_ = *std::move(key);
    }
    return key_;
  }

  Clock& clock_;
  std::mutex mutex_;
  WatchedFile file_;                       // guarded by mutex_
  std::shared_ptr<const SigningKey> key_;  // guarded by mutex_
};

class Verifier : public AssertionVerifier {
 public:
  Verifier(std::unique_ptr<FileKeySource> keys, Clock& clock) : clock_(clock), keys_(std::move(keys)) {}

  absl::StatusOr<UserIdentity> Verify(std::string_view token) override {
    ASSIGN_OR_RETURN(const Jws jws, ParseJws(token));
    if (jws.type != kType) return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "the token is not a user assertion");
    std::shared_ptr<const KeySet> keys = keys_->Keys();
    if (keys->Find(jws.kid) == nullptr) {
      keys_->Refresh();
      keys = keys_->Keys();
    }
    const VerificationKey* const key = keys->Find(jws.kid);
    if (key == nullptr || key->algorithm() != JwsAlgorithm::kEs256) {
      return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "the assertion's key is not known");
    }
    RETURN_IF_ERROR(VerifyJws(jws, *key));
    static const ClaimRules rules{kIssuer, kAudience, absl::ZeroDuration(), kStartLeeway,
                                  absl::Seconds(kAssertionLifetimeSeconds)};
    return ReadClaims(jws.payload, rules, clock_.Now());
  }

 private:
  Clock& clock_;
  const std::unique_ptr<FileKeySource> keys_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AssertionSigner>> AssertionSigner::Create(const std::string& key_file, Clock& clock) {
  auto signer = std::make_unique<Signer>(key_file, clock);
  if (const absl::Status status = signer->Load(); !status.ok()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
                absl::StrCat("user assertion key ", key_file, ": ", status.message()));
  }
  return signer;
}

absl::StatusOr<std::unique_ptr<AssertionVerifier>> AssertionVerifier::Create(const std::string& jwks_file,
                                                                             Clock& clock) {
  ASSIGN_OR_RETURN(auto keys, FileKeySource::Create(jwks_file, clock));
  return std::make_unique<Verifier>(std::move(keys), clock);
}

absl::StatusOr<std::string> AssertionJwks(const std::string& key_file, Clock& clock) {
  ASSIGN_OR_RETURN(const std::string pem, WatchedFile(key_file, kMaxPemBytes, clock).Read());
  ASSIGN_OR_RETURN(const auto key, SigningKey::FromPem(pem));
  return key->PublicJwks();
}

}  // namespace billmesh::auth
