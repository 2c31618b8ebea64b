#include "common/auth/jwt.h"

#include "absl/strings/match.h"
#include "common/auth/claims.h"
#include "common/auth/file_key_source.h"
#include "common/auth/jws.h"
#include "common/auth/url_key_source.h"
#include "common/status/status.h"

namespace billmesh::auth {
namespace {

// What an access or ID token may call itself. A user assertion, or any other kind of token of the same issuer, may not
// pass.
bool IsAcceptedType(std::string_view type) {
  return type.empty() || type == "jwt" || type == "at+jwt" || type == "application/at+jwt";
}

}  // namespace

absl::StatusOr<std::unique_ptr<JwtVerifier>> JwtVerifier::Create(JwtOptions options, std::unique_ptr<KeySource> keys,
                                                                 Clock& clock) {
  if (options.issuer.empty() || options.audience.empty()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "the issuer and the audience of tokens must be set");
  }
  if (options.leeway < absl::ZeroDuration() || options.leeway > kMaxJwtLeeway) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "the leeway of tokens must be 0 to 60 s");
  }
  return std::unique_ptr<JwtVerifier>(new JwtVerifier(std::move(options), std::move(keys), clock));
}

std::optional<absl::StatusOr<UserIdentity>> JwtVerifier::TryVerify(std::string_view token) {
  const auto jws = ParseJws(token);
  if (!jws.ok()) return absl::StatusOr<UserIdentity>(jws.status());
  const auto keys = keys_->Keys();
  const bool known = keys != nullptr && keys->Find(jws->kid) != nullptr;
  if (!known && keys_->MayRefresh()) return std::nullopt;
  return Finish(*jws, keys.get());
}

absl::StatusOr<UserIdentity> JwtVerifier::Verify(std::string_view token) {
  ASSIGN_OR_RETURN(const Jws jws, ParseJws(token));
  auto keys = keys_->Keys();
  if (keys == nullptr || keys->Find(jws.kid) == nullptr) {
    keys_->Refresh();
    keys = keys_->Keys();
  }
  return Finish(jws, keys.get());
}

absl::StatusOr<UserIdentity> JwtVerifier::Finish(const Jws& jws, const KeySet* keys) {
  if (keys == nullptr) {
    return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "the keys that tokens are verified with are not here yet");
  }
  if (!IsAcceptedType(jws.type)) return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "the token is of another kind");
  const VerificationKey* const key = keys->Find(jws.kid);
  if (key == nullptr) return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "the token's key is not known");
  RETURN_IF_ERROR(VerifyJws(jws, *key));
  const ClaimRules rules{options_.issuer, options_.audience, options_.leeway, options_.leeway, std::nullopt};
  return ReadClaims(jws.payload, rules, clock_.Now());
}

absl::StatusOr<std::unique_ptr<KeySource>> MakeKeySource(const std::string& url_or_path, const std::string& ca_file,
                                                         Clock& clock) {
  if (absl::StartsWith(url_or_path, "https://") || absl::StartsWith(url_or_path, "http://")) {
    return std::make_unique<UrlKeySource>(HttpFetch(url_or_path, ca_file), UrlKeySourceOptions{}, clock);
  }
  ASSIGN_OR_RETURN(auto source, FileKeySource::Create(url_or_path, clock));
  return source;
}

}  // namespace billmesh::auth
