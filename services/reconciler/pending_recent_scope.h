// Scope pending_recent (REC-1, REC-3): operations of every action that are pending although nobody works on them any
// more. Each is brought to its end by checkout (IDM-9), which alone knows how: once a run, whatever it answers, so that
// a provider that is away is asked again with the next run and not without end. Where checkout itself is away, the run
// waits for it at its place. It doesn't wait for ever, because an operation may be what makes checkout fall: one at
// which checkout was away three times or more, over the time of a whole call, counts as failed, and the run goes on.
#pragma once

#include <optional>
#include <string>

#include "common/db/pool.h"
#include "common/time/clock.h"
#include "services/reconciler/checkout_peer.h"
#include "services/reconciler/pending_store.h"
#include "services/reconciler/scope.h"

namespace billmesh::reconciler {

class PendingRecentScope final : public ReconciliationScope {
 public:
  // All must outlive the scope.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    CheckoutPeer& checkout;
  };
  struct Options {
    std::string env;
    std::string provider;
    int batch;                                     // most operations of one
    absl::Duration call_timeout;                   // of one recovery; half of a run's lease is longer
    absl::Duration fault_wait;                     // the first wait where checkout is away; they double
    absl::Duration batch_time = absl::Seconds(5);  // after which a batch begins no other, so that progress shows
  };
  PendingRecentScope(Deps deps, Options options) : deps_(deps), options_(std::move(options)) {}

  std::string_view name() const override { return kPendingRecent; }
  absl::StatusOr<Batch> Next(const RunPosition& position, absl::Duration deadline_monotonic) override;

 private:
  // An operation at which checkout was away, time after time.
  struct Fault {
    std::string operation_id;
    int times = 0;
    absl::Duration first_at, retry_at;  // by the monotonic clock
  };
  bool WaitsAfterFault(const StaleOperation& operation);
  Deps deps_;
  const Options options_;
  std::optional<Fault> fault_;
};

}  // namespace billmesh::reconciler
