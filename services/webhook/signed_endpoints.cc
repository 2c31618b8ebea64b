#include "services/webhook/signed_endpoints.h"

#include <utility>

#include "common/status/status.h"

namespace billmesh::webhook {

absl::StatusOr<std::unique_ptr<SignedEndpoints>> SignedEndpoints::Create(const WebhookConfig& config) {
  ASSIGN_OR_RETURN(Verifier whole, stripe::SignatureVerifier::Create(config.secrets, config.signature_tolerance));
  Verifier thin;
  if (!config.thin_secrets.empty()) {
    ASSIGN_OR_RETURN(thin, stripe::SignatureVerifier::Create(config.thin_secrets, config.signature_tolerance));
  }
  return std::unique_ptr<SignedEndpoints>(new SignedEndpoints(config, std::move(whole), std::move(thin)));
}

SignedEndpoints::SignedEndpoints(const WebhookConfig& config, Verifier whole, Verifier thin)
    : whole_(std::move(whole)),
      thin_(std::move(thin)),
      source_(*whole_, thin_.get()),
      whole_secrets_(config.secret_file, config.secrets, *whole_) {
  if (thin_ != nullptr) {
    thin_secrets_ = std::make_unique<SecretReloader>(config.thin_secret_file, config.thin_secrets, *thin_);
  }
}

void SignedEndpoints::Reload() {
  whole_secrets_.RunOnce();
  if (thin_secrets_ != nullptr) thin_secrets_->RunOnce();
}

}  // namespace billmesh::webhook
