// Fetches the whole object of an event that didn't hold it (WHK-6): thin notifications, and subscriptions of which the
// event shows only a part. With no transaction open (IDM-15).
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/provider/event_source.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/webhook/event_batch.h"

namespace billmesh::webhook {

struct Fetch {
  enum class Outcome {
    kFetched,  // `object` and its version, or that there is none any more
    kLater,    // the provider didn't say: a fault of its or of ours, not of the event
    kBroken,   // what it said can't be read
  };
  Outcome outcome = Outcome::kLater;
  FetchedForEvent fetched;
  std::string why;  // kLater and kBroken; no values
};

// Thread safe.
class EventFetcher {
 public:
  struct Deps {
    provider::PaymentProvider& provider;
    const provider::EventSource& source;
    Clock& clock;
  };
  explicit EventFetcher(const Deps& deps) : deps_(deps) {}

  // The object of a kind (object_format.h) as it is now, dated by the answer. Nothing is sent after the deadline
  // (Clock::Monotonic). Blocks.
  Fetch FetchObject(std::string_view kind, const std::string& id, absl::Duration deadline_monotonic) const;

 private:
  const Deps deps_;
};

}  // namespace billmesh::webhook
