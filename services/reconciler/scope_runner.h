// Drives the runs of one scope (REC-1, REC-2): starts one when it is due, takes over one that its holder left, and goes
// through it batch by batch, each stored under the fence together with the lease's renewal.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/time/clock.h"
#include "services/reconciler/run_store.h"
#include "services/reconciler/scope.h"

namespace billmesh::reconciler {

class ScopeRunner {
 public:
  // All must outlive the runner.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    IdGenerator& ids;
    ReconciliationScope& scope;
  };
  struct Options {
    std::string env;
    std::string provider;
    std::string owner;         // of leases, unique among processes
    absl::Duration lease;      // of a batch; what it does ends within half of it
    absl::Duration period;     // from the beginning of a run to that of the next, whichever processes ran them
    absl::Duration first_run;  // a run that is due at start begins within this time, at random
  };
  ScopeRunner(Deps deps, Options options);

  // Of the runs. Thread safe.
  const RunKey& key() const { return key_; }

  // At most one batch: true if the run goes on at once. False: nothing is due, the run has nothing to look at for now,
  // it ended, or it was lost to another holder, which is counted (BILLING_RECONCILIATION_FENCING_CONFLICT) and after
  // which nothing more is written. An error is a fault of ours (the database or a peer away): the run goes on with the
  // next call, or with whoever takes it over. Not thread safe.
  absl::StatusOr<bool> RunOnce();
  // Lets go a run that is held, so that another process takes it at once. For the end of this one.
  void LetGo();

 private:
  absl::StatusOr<bool> Claim();
  absl::StatusOr<bool> Store(const Batch& batch);
  absl::StatusOr<bool> GiveUp(const absl::Status& why);
  bool Lost();
  RunHolder Holder() const { return {options_.owner, options_.lease}; }

  Deps deps_;
  const Options options_;
  const RunKey key_;
  const absl::Duration first_at_;  // by the monotonic clock
  std::optional<Run> held_;
  absl::Duration writing_end_;  // of the held run's lease, by the monotonic clock
};

}  // namespace billmesh::reconciler
