#include "common/stripe/event_source.h"

#include "common/status/status.h"
#include "common/stripe/event_reader.h"
#include "common/stripe/object_readers.h"
#include "common/telemetry/card_numbers.h"

namespace billmesh::stripe {

const std::string& StripeEventSource::name() const {
  static const auto* const kName = new std::string("stripe");
  return *kName;
}

absl::StatusOr<provider::VerifiedDelivery> StripeEventSource::Verify(std::string_view body,
                                                                     std::string_view signature_header,
                                                                     absl::Time now) const {
  const absl::StatusOr<absl::Time> signed_at = verifier_.Verify(body, signature_header, now);
  if (signed_at.ok()) return provider::VerifiedDelivery{*signed_at, *signed_at - now, /*thin=*/false};
  // What only is too old was signed by an endpoint of whole events: another secret's verdict would hide that.
  if (thin_ == nullptr || MetadataOf(signed_at.status())["cause"] != kSignatureMismatch) return signed_at.status();
  ASSIGN_OR_RETURN(const absl::Time thin_signed_at, thin_->Verify(body, signature_header, now));
  return provider::VerifiedDelivery{thin_signed_at, thin_signed_at - now, /*thin=*/true};
}

absl::StatusOr<provider::Event> StripeEventSource::Read(std::string_view body) const { return ReadEvent(body); }

absl::StatusOr<provider::Object> StripeEventSource::ReadObject(std::string_view kind,
                                                               std::string_view object_json) const {
  // What is fetched passes nothing that an event wouldn't (PRT-6).
  std::string masked(object_json);
  telemetry::MaskCardNumbers(masked);
  return stripe::ReadObject(kind, masked);
}

}  // namespace billmesh::stripe
