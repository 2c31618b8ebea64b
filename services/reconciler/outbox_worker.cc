#include "services/reconciler/outbox_worker.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/lease/lease.h"
#include "common/outbox/outbox_store.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/reconciler/fault_points.h"

namespace billmesh::reconciler {
namespace {

constexpr char kDeadLetter[] = "BILLING_OUTBOX_DEAD_LETTER";
constexpr char kFencingConflict[] = "BILLING_OUTBOX_FENCING_CONFLICT";

std::string_view KindName(JobResult::Kind kind) {
  switch (kind) {
    case JobResult::Kind::kDone:
      return "done";
    case JobResult::Kind::kRetry:
      return "retry";
    case JobResult::Kind::kGiveUp:
      return "dead";
  }
  return "";
}

void Count(const std::string& type, std::string_view outcome) {
  telemetry::GetCounter("billmesh_outbox_attempts_total", "Attempts at outbox jobs by type and outcome",
                        {{"type", type}, {"outcome", std::string(outcome)}})
      .Add();
}

}  // namespace

absl::StatusOr<bool> OutboxWorker::RunOnce() {
  // Read before the lease begins, so that a holder that slept, or was stopped, finds itself past its time before it
  // writes at the provider (IDM-13).
  const absl::Duration deadline = lease::WritingEnd(deps_.clock.Monotonic(), options_.lease, options_.lease);
  ASSIGN_OR_RETURN(const std::vector<outbox::Job> jobs,
                   db::RunInTransaction(deps_.pool, db::Scope::System("outbox_lease"),
                                        [&](db::Tx& tx) -> absl::StatusOr<std::vector<outbox::Job>> {
                                          auto leased =
                                              outbox::Lease(tx, options_.env, options_.owner, options_.lease, 1);
                                          FAULT_POINT(fault_points::kBeforeLeaseCommit);
                                          return leased;
                                        }));
  if (jobs.empty()) return false;
  FAULT_POINT(fault_points::kAfterLeaseCommit);
  const outbox::Job& job = jobs.front();
  RETURN_IF_ERROR(Store(job, Do(job, deadline)));
  return true;
}

JobResult OutboxWorker::Do(const outbox::Job& job, absl::Duration deadline_monotonic) {
  // Over the budget already: earlier holders died with it, again and again. It isn't tried once more.
  if (job.attempts > options_.max_attempts) {
    return {JobResult::Kind::kGiveUp, "every attempt of the budget ended without an outcome", std::nullopt};
  }
  const auto handler = deps_.handlers.find(job.job_type);
  if (handler == deps_.handlers.end()) {
    return {JobResult::Kind::kRetry, absl::StrCat("no handler for jobs of type ", job.job_type), std::nullopt};
  }
  const absl::Duration begin = deps_.clock.Monotonic();
  JobResult result = handler->second->Run(job, deadline_monotonic);
  telemetry::GetHistogram("billmesh_outbox_job_seconds", "Time of one attempt at an outbox job",
                          {{"type", job.job_type}})
      .Observe(absl::ToDoubleSeconds(deps_.clock.Monotonic() - begin));
  return result;
}

bool OutboxWorker::IsFinal(const outbox::Job& job, const JobResult& result) const {
  return result.kind == JobResult::Kind::kGiveUp ||
         (result.kind == JobResult::Kind::kRetry && job.attempts >= options_.max_attempts);
}

absl::StatusOr<bool> OutboxWorker::WriteOutcome(db::Tx& tx, const outbox::Job& job, const JobResult& result) {
  if (IsFinal(job, result)) return outbox::Bury(tx, job, result.error);
  if (result.kind == JobResult::Kind::kRetry) {
    return outbox::Retry(tx, job, lease::DelayAfter(options_.backoff, job.attempts, deps_.ids), result.error);
  }
  ASSIGN_OR_RETURN(const bool held, outbox::Complete(tx, job));
  if (held && result.audit.has_value()) RETURN_IF_ERROR(audit::Append(tx, deps_.ids, {*result.audit}));
  return held;
}

absl::Status OutboxWorker::Store(const outbox::Job& job, const JobResult& result) {
  ASSIGN_OR_RETURN(const bool held, db::RunInTransaction(deps_.pool, db::Scope::System("outbox_outcome"),
                                                         [&](db::Tx& tx) -> absl::StatusOr<bool> {
                                                           auto written = WriteOutcome(tx, job, result);
                                                           FAULT_POINT(fault_points::kBeforeOutcomeCommit);
                                                           return written;
                                                         }));
  FAULT_POINT(fault_points::kAfterOutcomeCommit);
  // Types come from rows: only those that we know become a label.
  const std::string type = deps_.handlers.contains(job.job_type) ? job.job_type : "unknown";
  const telemetry::Labels fields = {{"job_id", job.id},
                                    {"job_type", job.job_type},
                                    {"attempts", std::to_string(job.attempts)},
                                    {"error", result.error}};
  if (!held) {
    // The lease ended and the job is another's: nothing was written (IDM-13).
    Count(type, "lease_lost");
    telemetry::Guardrail(kFencingConflict, fields);
    return absl::OkStatus();
  }
  const bool dead = IsFinal(job, result);
  Count(type, dead ? KindName(JobResult::Kind::kGiveUp) : KindName(result.kind));
  if (dead) {
    telemetry::Guardrail(kDeadLetter, fields);
  } else if (result.kind == JobResult::Kind::kRetry) {
    telemetry::Warn("outbox job will be tried again", {{"job_id", job.id},
                                                       {"job_type", job.job_type},
                                                       {"attempts", std::to_string(job.attempts)},
                                                       {"error", result.error}});
  }
  return absl::OkStatus();
}

absl::Status MeasureOutbox(db::Pool& pool, const std::string& env) {
  ASSIGN_OR_RETURN(const outbox::Stats stats,
                   db::RunInTransaction(pool, db::Scope::System("outbox_stats"),
                                        [&](db::Tx& tx) { return outbox::ReadStats(tx, env); }));
  const auto set = [](const char* state, int64_t count) {
    telemetry::GetGauge("billmesh_outbox_jobs", "Outbox jobs that aren't done, by state", {{"state", state}})
        .Set(static_cast<double>(count));
  };
  set("ready", stats.ready);
  set("leased", stats.leased);
  set("dead", stats.dead);
  telemetry::GetGauge("billmesh_outbox_oldest_due_seconds", "How long the oldest due outbox job has waited")
      .Set(absl::ToDoubleSeconds(stats.oldest_due));
  return absl::OkStatus();
}

}  // namespace billmesh::reconciler
