// Stripe's half of the provider port that takes events (common/provider/event_source.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/provider/event_source.h"
#include "common/stripe/signature.h"

namespace billmesh::stripe {

class StripeEventSource final : public provider::EventSource {
 public:
  // The verifiers must outlive this object. `thin` has the secrets of endpoints of thin notifications; null: there are
  // none.
  explicit StripeEventSource(const SignatureVerifier& verifier, const SignatureVerifier* thin = nullptr)
      : verifier_(verifier), thin_(thin) {}
  const std::string& name() const override;
  absl::StatusOr<provider::VerifiedDelivery> Verify(std::string_view body, std::string_view signature_header,
                                                    absl::Time now) const override;
  absl::StatusOr<provider::Event> Read(std::string_view body) const override;
  absl::StatusOr<provider::Object> ReadObject(std::string_view kind, std::string_view object_json) const override;

 private:
  const SignatureVerifier& verifier_;
  const SignatureVerifier* const thin_;
};

}  // namespace billmesh::stripe
