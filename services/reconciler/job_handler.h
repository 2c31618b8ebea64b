// What the outbox worker asks of the code that does a job of one type.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "common/audit/audit_store.h"
#include "common/outbox/outbox_store.h"

namespace billmesh::reconciler {

struct JobResult {
  enum class Kind {
    kDone,
    kRetry,  // may succeed later: with backoff, until the budget is used up
    kGiveUp  // never will: dead at once, for an operator
  };
  Kind kind = Kind::kRetry;
  std::string error;                   // kRetry and kGiveUp: why, in words without secrets
  std::optional<audit::Record> audit;  // kDone: written with the outcome, under the fence
};

class JobHandler {
 public:
  virtual ~JobHandler() = default;
  // Does the job, with no transaction open. It may have been done before, in part or in whole, by a holder that died:
  // the effect must be the same. Nothing may be written at the provider past the deadline (Clock::Monotonic): the lease
  // could be another's by then (IDM-13). Blocks; thread safe.
  virtual JobResult Run(const outbox::Job& job, absl::Duration deadline_monotonic) = 0;
};

}  // namespace billmesh::reconciler
