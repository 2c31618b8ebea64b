#include "services/checkout/blocking_rules.h"

namespace billmesh::checkout {

std::optional<Reason> BlockingReason(SessionStatus status) {
  switch (status) {
    case SessionStatus::kOpen:
      return Reason::FAILURE_REASON_CHECKOUT_SESSION_OPEN;
    case SessionStatus::kCompletedPendingSubscription:
      return Reason::FAILURE_REASON_CHECKOUT_COMPLETION_PENDING;
    case SessionStatus::kRecoveryVerificationPending:
      return Reason::FAILURE_REASON_CHECKOUT_RECOVERY_VERIFICATION_PENDING;
    case SessionStatus::kCompletedReconciled:
    case SessionStatus::kExpired:
    case SessionStatus::kAbandoned:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace billmesh::checkout
