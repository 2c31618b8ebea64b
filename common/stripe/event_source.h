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
  // The verifier must outlive this object.
  explicit StripeEventSource(const SignatureVerifier& verifier) : verifier_(verifier) {}
  const std::string& name() const override;
  absl::StatusOr<provider::VerifiedDelivery> Verify(std::string_view body, std::string_view signature_header,
                                                    absl::Time now) const override;
  absl::StatusOr<provider::Event> Read(std::string_view body) const override;
  absl::StatusOr<provider::Object> ReadObject(std::string_view kind, std::string_view object_json) const override;

 private:
  const SignatureVerifier& verifier_;
};

}  // namespace billmesh::stripe
