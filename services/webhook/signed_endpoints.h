// The endpoints whose deliveries this daemon takes: their secrets, kept as the mounted files have them (CFG-5), and the
// source that verifies and reads what they send.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/provider/event_source.h"
#include "common/stripe/event_source.h"
#include "common/stripe/signature.h"
#include "services/webhook/secret_reloader.h"
#include "services/webhook/webhook_config.h"

namespace billmesh::webhook {

class SignedEndpoints {
 public:
  // invalid_argument for secrets that can't be any.
  static absl::StatusOr<std::unique_ptr<SignedEndpoints>> Create(const WebhookConfig& config);

  // Thread safe, as long as this object lives.
  const provider::EventSource& source() const { return source_; }
  // Looks at the secrets' files once. By one thread at a time.
  void Reload();

 private:
  using Verifier = std::unique_ptr<stripe::SignatureVerifier>;
  SignedEndpoints(const WebhookConfig& config, Verifier whole, Verifier thin);

  const Verifier whole_;
  const Verifier thin_;  // null: no thin notification is taken
  const stripe::StripeEventSource source_;
  SecretReloader whole_secrets_;
  std::unique_ptr<SecretReloader> thin_secrets_;
};

}  // namespace billmesh::webhook
