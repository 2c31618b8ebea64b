// Webhook signatures, by the rules of Stripe's official client: `Stripe-Signature: t=<unix
// seconds>,v1=<hex>[,v1=<hex>…]`, where the signed text is `<t>.<raw body>`. Other schemes (v0) are ignored, any v1 may
// match, hex is lower case, of two t the later counts, a blank is part of a name, and only the past is bounded: a time
// in the future is accepted.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::stripe {

// Bounds on the header, so that a forged one costs nothing. Stripe sends one v1 for each active secret.
inline constexpr size_t kMaxSignatureHeaderBytes = 8192;
inline constexpr size_t kMaxSignatures = 64;
inline constexpr size_t kMaxSecrets = 16;
inline constexpr absl::Duration kDefaultSignatureTolerance = absl::Seconds(300);

// The cause of a refusal that another secret's verifier may not share.
inline constexpr char kSignatureMismatch[] = "mismatch";

// Verifies with any of several secrets, which can be replaced while in use (CFG-5). Thread safe.
class SignatureVerifier {
 public:
  // invalid_argument for no secret, a blank one, or more than kMaxSecrets; the message names its place, never the
  // secret.
  static absl::StatusOr<std::unique_ptr<SignatureVerifier>> Create(
      std::vector<std::string> secrets, absl::Duration tolerance = kDefaultSignatureTolerance);

  // Checks the raw body against the header. Returns the signed time, which may lie in the future.
  // WEBHOOK_SIGNATURE_INVALID, metadata `cause`: header_missing, header_too_large, timestamp_missing,
  // signature_missing, too_many_signatures, mismatch, too_old. Signatures are compared in constant time, and before the
  // age.
  absl::StatusOr<absl::Time> Verify(std::string_view body, std::string_view header, absl::Time now) const;

  // The same refusals as Create; what was there stays then.
  absl::Status ReplaceSecrets(std::vector<std::string> secrets);

 private:
  using Secrets = std::shared_ptr<const std::vector<std::string>>;
  SignatureVerifier(Secrets secrets, absl::Duration tolerance) : tolerance_(tolerance), secrets_(std::move(secrets)) {}
  Secrets Current() const;

  const absl::Duration tolerance_;
  mutable std::mutex mutex_;
  Secrets secrets_;  // guarded by mutex_
};

// OK, or why these can't be webhook secrets. For checks at boot.
absl::Status CheckWebhookSecrets(const std::vector<std::string>& secrets);

}  // namespace billmesh::stripe
