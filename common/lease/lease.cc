#include "common/lease/lease.h"

#include <algorithm>

namespace billmesh::lease {

absl::Duration WritingTime(absl::Duration length) { return length / 2; }

absl::Duration WritingEnd(absl::Duration read_at, absl::Duration left, absl::Duration length) {
  return read_at + left - (length - WritingTime(length));
}

absl::Duration CallTime(absl::Duration writing_end, absl::Duration now_monotonic, absl::Duration wanted) {
  const absl::Duration left = writing_end - now_monotonic;
  return left < kLeastCallTime ? absl::ZeroDuration() : std::min(wanted, left);
}

}  // namespace billmesh::lease
