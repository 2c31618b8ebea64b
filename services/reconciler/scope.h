// What a reconciliation run asks of a scope (REC-1): the next few of the things that it looks at, put in order where
// they aren't.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::reconciler {

inline constexpr char kPendingRecent[] = "pending_recent";

// One thing that was looked at.
struct Finding {
  enum class Result {
    kInOrder,
    kOpen,      // out of order, and it stays so for now
    kRepaired,  // was out of order
    kFailed     // looking at it, or its repair, failed
  };
  std::string subject;  // our id of it
  std::string kind;     // what it is, of a bounded set: the action of an operation
  Result result = Result::kInOrder;
  std::string detail;  // in words without secrets
};

// Where a run is.
struct RunPosition {
  // When the run began, by the database's clock. What went out of order later is the next run's, so that a run ends,
  // and comes to each thing at most once.
  absl::Time started_at;
  std::string cursor;  // as the last batch left it; empty at the beginning
};

struct Batch {
  std::vector<Finding> findings;
  std::string cursor;
  bool finished = false;  // nothing comes after it; false without findings: nothing more for now
};

class ReconciliationScope {
 public:
  virtual ~ReconciliationScope() = default;
  // Of a bounded set, stored with each run.
  virtual std::string_view name() const = 0;
  // Looks at the next few, with no transaction open while it calls anybody. Begins nothing that might not end by the
  // deadline (Clock::Monotonic): the run could be another's by then. A thing may come up twice where a run was taken
  // over. An error that is retryable (common/status) means: again later, from the same position. Any other: the run
  // can't go on. Blocks; called by one thread at a time.
  virtual absl::StatusOr<Batch> Next(const RunPosition& position, absl::Duration deadline_monotonic) = 0;
};

}  // namespace billmesh::reconciler
