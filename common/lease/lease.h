// What every holder of a lease has in common: the value, and the rules of its time. Claiming and fencing are not here:
// each is one SQL predicate on the row that the lease guards, in that row's store
// (docs/decisions/0006-leases-are-columns.md).
//
// Two clocks meet here. `until` is the database's time (billing.now()) and decides who holds the lease. A holder
// measures what it has left by its monotonic clock, from a reading made before the lease was taken, so that its idea of
// the end is never later.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace billmesh::lease {

// A call at the provider that could get no more than this isn't begun: it would end without an answer more often than
// with one.
inline constexpr absl::Duration kLeastCallTime = absl::Milliseconds(200);

// The columns lease_owner, lease_version, lease_until of a row.
struct Lease {
  std::string owner;  // empty when nobody holds it
  int64_t version =
      0;  // the fence: rises with every claim, and an outcome is written only under the version it was earned under
  absl::Time until = absl::InfinitePast();

  // Zero or less when it ended: it is free to take at that very instant (`lease_until <= billing.now()` in SQL).
  absl::Duration Left(absl::Time database_now) const { return until - database_now; }
  bool Ended(absl::Time database_now) const { return Left(database_now) <= absl::ZeroDuration(); }
};

// How long after its claim the holder of a lease of this length may write at the provider: half of it, all attempts
// together. The other half is for what was sent last to arrive, so that a holder that slept never writes beside its
// successor (IDM-13).
absl::Duration WritingTime(absl::Duration length);

// The end of that time by the monotonic clock. read_at: a reading from before the claim, or from before the look at the
// row when the lease is older; left: what the database said was left of it then, the whole length for a new one.
absl::Duration WritingEnd(absl::Duration read_at, absl::Duration left, absl::Duration length);

// The timeout of a call that starts now: at most `wanted`, at most what is left until the end, and zero when that is
// less than kLeastCallTime: then the call must not be made.
absl::Duration CallTime(absl::Duration writing_end, absl::Duration now_monotonic, absl::Duration wanted);

}  // namespace billmesh::lease
