// What must always hold, as queries that return no row (docs: the invariants of the reliability page). Each is one
// statement, so that it sees one snapshot and may run beside a busy mesh.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"

namespace billmesh::billctl {

struct Invariant {
  // kSettled: holds only when nothing is under way and every worker has caught up.
  enum class When { kAlways, kSettled };
  const char* name;
  const char* rule;  // what must hold, in words
  When when;
  const char* sql;  // returns one text column, `violation`, a row for each; bounded by CheckInvariant
};

const std::vector<Invariant>& Invariants();

struct InvariantResult {
  int64_t violations = 0;
  std::vector<std::string> samples;  // at most kMaxSamples, ordered
};
inline constexpr int kMaxSamples = 5;

// Lets this transaction's statements read whole tables and join them as they are read, each for so long at most. A
// daemon's login role is set up for neither.
absl::Status PrepareToReadAll(db::Tx& tx, absl::Duration statement_timeout);

// In a system transaction of the reconciler, which may read every table; where tables are large, after
// PrepareToReadAll.
absl::StatusOr<InvariantResult> CheckInvariant(db::Tx& tx, const Invariant& invariant);

}  // namespace billmesh::billctl
