// Which session blocks a new checkout, with what code, and when the provider is asked first (CHK-4).
// Pure.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "common/status/status.h"
#include "services/checkout/session_transitions.h"

namespace billmesh::checkout {

// The code with which a session of this status refuses another checkout; none where it doesn't block.
std::optional<Reason> BlockingReason(SessionStatus status);

// An open session past its expiry and the grace may have ended without our having heard of it.
inline bool IsOverdue(SessionStatus status, absl::Time expires_at, absl::Duration grace, absl::Time now) {
  return status == SessionStatus::kOpen && expires_at + grace < now;
}

// A hold whose expiry, which includes the grace (IDM-10), has passed.
inline bool IsSpentHold(SessionStatus status, absl::Time expires_at, absl::Time now) {
  return status == SessionStatus::kRecoveryVerificationPending && expires_at < now;
}

// Whether the buyer may be sent to the session's page: only while it can still be paid there.
inline bool IsUrlSafe(SessionStatus status, absl::Time expires_at, absl::Time now) {
  return status == SessionStatus::kOpen && now < expires_at;
}

}  // namespace billmesh::checkout
