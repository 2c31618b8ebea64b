#include "services/reconciler/scope_runner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/reconciler/fault_points.h"

namespace billmesh::reconciler {
namespace {

constexpr char kFencingConflict[] = "BILLING_RECONCILIATION_FENCING_CONFLICT";
constexpr char kDrift[] = "BILLING_RECONCILIATION_DRIFT";
constexpr char kRepairFailed[] = "BILLING_RECONCILIATION_REPAIR_FAILED";

// Metrics and guardrails of what a batch found, once it is stored.
void Report(const std::string& scope, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    telemetry::GetCounter("billmesh_reconciliation_findings_total", "What runs looked at, by scope and result",
                          {{"scope", scope}, {"result", std::string(ResultName(finding.result))}})
        .Add();
    if (finding.result == Finding::Result::kInOrder) continue;
    telemetry::Guardrail(finding.result == Finding::Result::kFailed ? kRepairFailed : kDrift,
                         {{"scope", scope},
                          {"subject", finding.subject},
                          {"kind", finding.kind},
                          {"result", std::string(ResultName(finding.result))},
                          {"detail", finding.detail}});
  }
}

}  // namespace

ScopeRunner::ScopeRunner(Deps deps, Options options)
    : deps_(deps),
      options_(std::move(options)),
      key_{options_.env, options_.provider, std::string(deps.scope.name())},
      first_at_(deps.clock.Monotonic() +
                absl::Microseconds(deps.ids.Uniform(absl::ToInt64Microseconds(options_.first_run) + 1))) {}

absl::StatusOr<bool> ScopeRunner::RunOnce() {
  if (!held_.has_value()) {
    ASSIGN_OR_RETURN(const bool claimed, Claim());
    if (!claimed) return false;
  }
  FAULT_POINT(fault_points::kBeforeBatch);
  const absl::StatusOr<Batch> batch = deps_.scope.Next({held_->started_at, held_->cursor}, writing_end_);
  FAULT_POINT(fault_points::kAfterBatch);
  if (batch.ok()) return Store(*batch);
  if (IsRetryable(batch.status())) return batch.status();
  return GiveUp(batch.status());
}

// A run to go on with, or a new one if it is time.
absl::StatusOr<bool> ScopeRunner::Claim() {
  // Read before the lease begins, so that a holder that slept finds itself past its time (IDM-13).
  const absl::Duration read_at = deps_.clock.Monotonic();
  const bool may_start = read_at >= first_at_;
  ASSIGN_OR_RETURN(std::optional<Run> run, db::RunInTransaction(deps_.pool, db::Scope::System("claim_run"),
                                                                [&](db::Tx& tx) -> absl::StatusOr<std::optional<Run>> {
                                                                  ASSIGN_OR_RETURN(std::optional<Run> left,
                                                                                   TakeRun(tx, key_, Holder()));
                                                                  if (left.has_value() || !may_start) return left;
                                                                  return StartScheduledRun(tx, deps_.ids.NewId(), key_,
                                                                                           Holder(), options_.period);
                                                                }));
  if (!run.has_value()) return false;
  telemetry::Info(run->lease.version > 1 ? "reconciliation run taken over" : "reconciliation run began",
                  {{"scope", key_.scope}, {"run_id", run->id}, {"cursor", run->cursor}});
  held_ = std::move(run);
  writing_end_ = lease::WritingEnd(read_at, options_.lease, options_.lease);
  return true;
}

absl::StatusOr<bool> ScopeRunner::Store(const Batch& batch) {
  Run next = *held_;
  AddFindings(batch.findings, next.tally);
  next.cursor = batch.cursor;
  const absl::Duration read_at = deps_.clock.Monotonic();
  ASSIGN_OR_RETURN(const bool held, db::RunInTransaction(deps_.pool, db::Scope::System("store_run"), [&](db::Tx& tx) {
                     return batch.finished ? FinishRun(tx, next, std::nullopt)
                                           : StoreProgress(tx, next, options_.lease);
                   }));
  FAULT_POINT(fault_points::kAfterProgressCommit);
  if (!held) return Lost();
  Report(key_.scope, batch.findings);
  if (!batch.finished) {
    held_ = std::move(next);
    writing_end_ = lease::WritingEnd(read_at, options_.lease, options_.lease);
    // Where nothing could be looked at now, asking again at once would turn without end.
    return !batch.findings.empty();
  }
  held_.reset();
  telemetry::Info("reconciliation run done", {{"scope", key_.scope},
                                              {"run_id", next.id},
                                              {"scanned", absl::StrCat(next.tally.scanned)},
                                              {"repaired", absl::StrCat(next.tally.repaired)},
                                              {"failed", absl::StrCat(next.tally.failed)}});
  return false;
}

absl::StatusOr<bool> ScopeRunner::GiveUp(const absl::Status& why) {
  const std::string message(why.message());
  ASSIGN_OR_RETURN(const bool held, db::RunInTransaction(deps_.pool, db::Scope::System("fail_run"),
                                                         [&](db::Tx& tx) { return FinishRun(tx, *held_, message); }));
  if (!held) return Lost();
  telemetry::Guardrail(kRepairFailed, {{"scope", key_.scope}, {"run_id", held_->id}, {"detail", message}});
  held_.reset();
  return false;
}

bool ScopeRunner::Lost() {
  telemetry::Guardrail(kFencingConflict, {{"scope", key_.scope}, {"run_id", held_->id}});
  held_.reset();
  return false;
}

void ScopeRunner::LetGo() {
  if (!held_.has_value()) return;
  // If it can't be told now, the lease ends by itself.
  const absl::Status told =
      deps_.pool.Run(db::Scope::System("release_run"), [&](db::Tx& tx) { return ReleaseRun(tx, *held_).status(); });
  if (!told.ok()) telemetry::Warn("a run keeps its lease", {{"error", std::string(told.message())}});
  held_.reset();
}

}  // namespace billmesh::reconciler
