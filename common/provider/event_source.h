// The half of the provider port that takes what the provider says (PRV-1): checking a delivery's signature, reading an
// event, and reading an object that was fetched. Stripe's is common/stripe/event_source.h. Implementations do no I/O
// and are thread safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/provider/objects.h"

namespace billmesh::provider {

// A delivery whose signature is right.
struct VerifiedDelivery {
  absl::Time signed_at;
  // signed_at minus our time: below zero by the transport's delay, further off by our clock's error.
  absl::Duration skew;
  // Signed for an endpoint of thin notifications, which sends nothing else; others send whole objects only.
  bool thin = false;
};

class EventSource {
 public:
  virtual ~EventSource() = default;
  // The provider's name as it stands in the ingest path and in every row: "stripe".
  virtual const std::string& name() const = 0;
  // Whether these exact bytes were sent by the provider, at the given time of ours. WEBHOOK_SIGNATURE_INVALID with
  // metadata `cause` (one of a fixed set of words).
  virtual absl::StatusOr<VerifiedDelivery> Verify(std::string_view body, std::string_view signature_header,
                                                  absl::Time now) const = 0;
  // Reads a body. WEBHOOK_PAYLOAD_MALFORMED when it isn't an event of this provider.
  virtual absl::StatusOr<Event> Read(std::string_view body) const = 0;
  // Reads an object as an answer holds it. kind: object_format.h. INVALID_ARGUMENT naming the field, never a value,
  // when it isn't such an object. Card numbers in it are masked (PRT-6); Read takes a body in which they are already.
  virtual absl::StatusOr<Object> ReadObject(std::string_view kind, std::string_view object_json) const = 0;
};

}  // namespace billmesh::provider
