// Stripe's words for what checkout wants and for what it gets back (PRV-1).
#pragma once

#include <string>
#include <string_view>

#include "common/provider/object_format.h"

namespace billmesh::stripe {

class StripeFormat : public provider::ObjectFormat {
 public:
  std::string provider() const override;
  absl::StatusOr<provider::EncodedParams> EncodeCustomer(const provider::CustomerSpec& spec) const override;
  absl::StatusOr<provider::EncodedParams> EncodeCheckoutSession(
      const provider::CheckoutSessionSpec& spec) const override;
  absl::StatusOr<provider::EncodedParams> EncodePortalSession(const provider::PortalSessionSpec& spec) const override;
  absl::StatusOr<provider::EncodedParams> EncodePaymentLink(const provider::PaymentLinkSpec& spec) const override;
  absl::StatusOr<provider::EncodedParams> EncodeSubscriptionUpdate(
      const provider::SubscriptionUpdateSpec& spec) const override;
  absl::StatusOr<provider::EncodedParams> EncodeObjectCall(std::string_view object_id) const override;
  absl::StatusOr<provider::FrozenFacts> ReadFrozen(std::string_view params_json) const override;
  absl::StatusOr<provider::SubscriptionUpdateSpec> ReadSubscriptionUpdate(std::string_view params_json) const override;
  absl::StatusOr<provider::CheckoutSession> ReadCheckoutSession(std::string_view object_json) const override;
  absl::StatusOr<provider::Subscription> ReadSubscription(std::string_view object_json) const override;
  absl::StatusOr<provider::HostedPage> ReadHostedPage(std::string_view object_json) const override;
  absl::StatusOr<provider::ObjectSnapshot> ReadObject(std::string_view object_json) const override;
  absl::StatusOr<provider::ListSnapshot> ReadList(std::string_view list_json) const override;
};

}  // namespace billmesh::stripe
