// The manual sync of payment methods (PRT-5): asks the provider for an entity's customer and the methods that it has,
// and has the webhook daemon project them, for whoever doesn't want to wait for the events.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/checkout/projection_peer.h"

namespace billmesh::checkout {

struct SyncedMethods {
  int count = 0;  // that the customer has at the provider, as far as they were looked at
  // Every method was looked at: those that the provider lists, and those that are only stored.
  bool complete = true;
};

// Thread safe.
class PaymentMethodSync {
 public:
  // Methods of one sync at most: whoever has more gets the newest.
  static constexpr int kMaxListed = 300;
  // Stored ones that the provider doesn't list are asked for one by one, so many a sync: they were detached.
  static constexpr int kMaxAskedFor = 20;

  // All references must outlive the sync.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    provider::PaymentProvider& provider;
    const provider::ObjectFormat& format;
    ProjectionPeer& projection;
    absl::Duration timeout = absl::Seconds(15);  // of all calls together: somebody waits
  };
  explicit PaymentMethodSync(Deps deps) : deps_(std::move(deps)) {}

  // Doing it again does the same, so it has no key; it writes nothing here or at the provider, and the projection
  // audits what it changes. An entity without a live customer has nothing to sync, which is success. Errors:
  // PROVIDER_UNAVAILABLE, CHECKOUT_PROVIDER_ERROR (it refused for certain), the projection's and the database's; what
  // was projected until then stays. Blocks for the timeout at most, and never inside a transaction.
  absl::StatusOr<SyncedMethods> Sync(const std::string& entity_id) const;

 private:
  class Round;
  const Deps deps_;
};

}  // namespace billmesh::checkout
