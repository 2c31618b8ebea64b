#include "common/stripe/event_source.h"

#include "common/status/status.h"
#include "common/stripe/event_reader.h"
#include "common/stripe/object_readers.h"

namespace billmesh::stripe {

const std::string& StripeEventSource::name() const {
  static const auto* const kName = new std::string("stripe");
  return *kName;
}

absl::StatusOr<provider::VerifiedDelivery> StripeEventSource::Verify(std::string_view body,
                                                                     std::string_view signature_header,
                                                                     absl::Time now) const {
  ASSIGN_OR_RETURN(const absl::Time signed_at, verifier_.Verify(body, signature_header, now));
  return provider::VerifiedDelivery{signed_at, signed_at - now};
}

absl::StatusOr<provider::Event> StripeEventSource::Read(std::string_view body) const { return ReadEvent(body); }

absl::StatusOr<provider::Object> StripeEventSource::ReadObject(std::string_view kind,
                                                               std::string_view object_json) const {
  if (kind == "checkout_session") return ReadCheckoutSession(object_json);
  if (kind == "subscription") return ReadSubscription(object_json);
  if (kind == "invoice") return ReadInvoice(object_json);
  return absl::InvalidArgumentError("kind: unknown");
}

}  // namespace billmesh::stripe
