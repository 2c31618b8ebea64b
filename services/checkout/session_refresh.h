// Back from payment (CHK-11): asks the provider for the present state of a checkout that still blocks, stores it, and
// has the webhook daemon project it, so that somebody who paid needn't wait for a webhook.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/checkout/projection_peer.h"

namespace billmesh::checkout {

struct RefreshTimes {
  // At most one fetch of a session in so long a time, however many ask on however many replicas.
  absl::Duration pause = absl::Seconds(3);
  // Of all calls together: somebody waits for the answer, and what is stored is one, too.
  absl::Duration timeout = absl::Seconds(5);
};

// Thread safe.
class SessionRefresher {
 public:
  // All references must outlive the refresher.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    IdGenerator& ids;
    provider::PaymentProvider& provider;
    const provider::ObjectFormat& format;
    ProjectionPeer& projection;
    std::string env;  // BILLING_ENV
    RefreshTimes times;
  };
  explicit SessionRefresher(Deps deps) : deps_(std::move(deps)) {}

  // Brings the session of the entity's operation up to the provider's word, if it still blocks and wasn't asked about
  // just now. Where provider or webhook daemon are away, what is stored stays the answer: that is OK as well, counted
  // and logged. Errors: of the database only. Blocks for the timeout at most, and never inside a transaction.
  absl::Status Refresh(const std::string& entity_id, const std::string& operation_key);

 private:
  // An answer of the provider's, with its date.
  struct Answer {
    std::string object_json;
    std::optional<absl::Time> provider_date;
  };
  // Empty where the provider doesn't tell in time.
  std::optional<Answer> Ask(std::string_view kind, const std::string& id, absl::Duration give_up) const;
  absl::Status Store(const std::string& entity_id, const std::string& operation_key,
                     const provider::CheckoutSession& session, const Answer& answer) const;
  // The subscription that a session names, and the session, to the webhook daemon. How that went, for the count.
  const char* Project(const Answer& session, const std::string& subscription_id, absl::Duration give_up) const;

  const Deps deps_;
};

}  // namespace billmesh::checkout
