// What must always hold, as queries that return no row (docs: the invariants of the reliability page). Each is one
// statement, so that it sees one snapshot and may run beside a busy mesh.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
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

// In a system transaction of the reconciler, which may read every table.
absl::StatusOr<InvariantResult> CheckInvariant(db::Tx& tx, const Invariant& invariant);

}  // namespace billmesh::billctl
