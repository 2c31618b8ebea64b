#include "services/reconciler/pending_recent_scope.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::reconciler {
namespace {

using Result = Finding::Result;

// Times that checkout is away at an operation before the operation may be to blame.
constexpr int kLeastFaults = 3;

absl::StatusOr<std::optional<RowPlace>> ReadCursor(const std::string& cursor) {
  if (cursor.empty()) return std::optional<RowPlace>();
  const std::optional<RowPlace> place = DecodePageToken(cursor);
  if (!place.has_value()) return Fail(Reason::FAILURE_REASON_DATA_INVALID, "the run's cursor can't be read");
  return place;
}

// Not the operation's fault, as far as its answer tells: checkout is away, or not well.
bool IsAway(const absl::Status& status) {
  switch (ReasonOf(status)) {
    case Reason::FAILURE_REASON_PEER_UNAVAILABLE:
    case Reason::FAILURE_REASON_DEADLINE_EXCEEDED:
    case Reason::FAILURE_REASON_OVERLOADED:
    case Reason::FAILURE_REASON_DATABASE_UNAVAILABLE:
    case Reason::FAILURE_REASON_COMMIT_IN_DOUBT:
      return true;
    default:
      return false;
  }
}

Finding FindingOf(const StaleOperation& operation, const absl::StatusOr<Recovered>& recovered) {
  Finding finding{operation.id, operation.action, Result::kFailed, ""};
  if (!recovered.ok()) {
    finding.detail = absl::StrCat(CodeOf(ReasonOf(recovered.status())), ": ", recovered.status().message());
    return finding;
  }
  finding.result = recovered->ended ? Result::kRepaired : Result::kOpen;
  finding.detail =
      absl::StrCat(recovered->status, recovered->failure_code.empty() ? "" : ": ", recovered->failure_code);
  return finding;
}

}  // namespace

absl::StatusOr<Batch> PendingRecentScope::Next(const RunPosition& position, absl::Duration deadline_monotonic) {
  ASSIGN_OR_RETURN(const std::optional<RowPlace> after, ReadCursor(position.cursor));
  Batch batch{.findings = {}, .cursor = position.cursor, .finished = false};
  const absl::Duration begin = deps_.clock.Monotonic();
  if (fault_.has_value() && begin < fault_->retry_at) return batch;
  ASSIGN_OR_RETURN(const std::vector<StaleOperation> stale,
                   db::RunInTransaction(deps_.pool, db::Scope::System("stale_operations"), [&](db::Tx& tx) {
                     return ReadStaleOperations(tx, options_.env, options_.provider, position.started_at, after,
                                                options_.batch);
                   }));
  for (const StaleOperation& operation : stale) {
    const absl::Duration now = deps_.clock.Monotonic();
    // A call that would be cut short isn't begun; the next batch has a new lease.
    if (now + options_.call_timeout > deadline_monotonic || now - begin > options_.batch_time) return batch;
    const auto recovered = deps_.checkout.RecoverOperation(operation.id, options_.call_timeout);
    if (IsAway(recovered.status()) && WaitsAfterFault(operation)) {
      // What was found before is stored first: the next batch begins here.
      if (batch.findings.empty()) return recovered.status();
      return batch;
    }
    fault_.reset();
    batch.findings.push_back(FindingOf(operation, recovered));
    batch.cursor = EncodePageToken({operation.stale_since, operation.id});
  }
  batch.finished = stale.size() < static_cast<size_t>(options_.batch);
  return batch;
}

// Notes that checkout was away once more at this operation. False when that was often and long enough.
bool PendingRecentScope::WaitsAfterFault(const StaleOperation& operation) {
  const absl::Duration now = deps_.clock.Monotonic();
  if (!fault_.has_value() || fault_->operation_id != operation.id) fault_ = Fault{operation.id, 0, now, now};
  ++fault_->times;
  const absl::Duration waited = now - fault_->first_at;
  if (fault_->times >= kLeastFaults && waited >= options_.call_timeout) return false;
  // As long again as it has been away, so that the waits double.
  fault_->retry_at = now + std::max(options_.fault_wait, std::min(waited, options_.call_timeout));
  return true;
}

}  // namespace billmesh::reconciler
