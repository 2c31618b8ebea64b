// How checkout's rows stand, for the watch. System scope; never begins or commits.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"

namespace billmesh::reconciler {

struct WatchLimits {
  absl::Duration checkout_lease;     // as the checkout daemons have it
  absl::Duration replay_near;        // before its replay deadline, an operation is near it
  absl::Duration session_grace;      // after its expiry, an open session still may be open
  absl::Duration completion_within;  // after which a paid session has its subscription
};

struct CheckoutState {
  int64_t overdue_operations = 0;  // pending for longer than two leases, since it last became so
  int64_t near_deadline = 0;       // pending, and near the replay deadline
  int64_t past_deadline = 0;       // pending, and past it
  int64_t holds = 0;
  absl::Duration oldest_hold;       // zero if there is none
  int64_t open_over_sla = 0;        // blocking sessions
  int64_t completion_over_sla = 0;  // likewise, since they were completed
};

// Reads pending operations and blocking sessions by their partial indexes: its cost follows what is wrong, not what
// there is.
absl::StatusOr<CheckoutState> ReadCheckoutState(db::Tx& tx, std::string_view env, const WatchLimits& limits);

}  // namespace billmesh::reconciler
