// Runs outbox jobs (REC-6): lease one with its fence, do it with no transaction open, store the outcome under the
// fence.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/lease/backoff.h"
#include "common/time/clock.h"
#include "services/reconciler/job_handler.h"

namespace billmesh::reconciler {

class OutboxWorker {
 public:
  // All must outlive the worker.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    IdGenerator& ids;
    std::map<std::string, JobHandler*> handlers;  // by job type
  };
  struct Options {
    std::string env;
    std::string owner;  // of leases, unique among processes
    absl::Duration lease;
    int64_t max_attempts;
    lease::Backoff backoff;
  };
  OutboxWorker(Deps deps, Options options) : deps_(std::move(deps)), options_(std::move(options)) {}

  // At most one job: true if there was one, so that there may be more. An error is a fault of ours (the database away):
  // the job's lease then ends by itself. Thread safe.
  absl::StatusOr<bool> RunOnce();

 private:
  JobResult Do(const outbox::Job& job, absl::Duration deadline_monotonic);
  absl::Status Store(const outbox::Job& job, const JobResult& result);
  absl::StatusOr<bool> WriteOutcome(db::Tx& tx, const outbox::Job& job, const JobResult& result);
  bool IsFinal(const outbox::Job& job, const JobResult& result) const;

  Deps deps_;
  Options options_;
};

// One reading of the queue into gauges: billmesh_outbox_jobs{state} and billmesh_outbox_oldest_due_seconds. Thread
// safe.
absl::Status MeasureOutbox(db::Pool& pool, const std::string& env);

}  // namespace billmesh::reconciler
