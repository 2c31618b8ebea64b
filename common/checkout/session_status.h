// The states of a checkout session and the moves between them (CHK-3): the one table in code, for the two daemons that
// write sessions (checkout: creating, abandoning; webhook: what the provider reports). The database holds the same
// table (billing.checkout_session_transitions) and refuses the rest; a test compares the two.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace billmesh::checkout {

enum class SessionStatus {
  kOpen,
  kCompletedPendingSubscription,
  kRecoveryVerificationPending,
  kCompletedReconciled,
  kExpired,
  kAbandoned,
};

struct SessionStatusRow {
  SessionStatus status;
  std::string_view name;  // as stored
  bool blocks;            // the entity can't start another checkout
};

inline constexpr std::array<SessionStatusRow, 6> kSessionStatuses = {{
    {SessionStatus::kOpen, "open", true},
    {SessionStatus::kCompletedPendingSubscription, "completed_pending_subscription", true},
    {SessionStatus::kRecoveryVerificationPending, "recovery_verification_pending", true},
    {SessionStatus::kCompletedReconciled, "completed_reconciled", false},
    {SessionStatus::kExpired, "expired", false},
    {SessionStatus::kAbandoned, "abandoned", false},
}};

inline constexpr std::array<std::pair<SessionStatus, SessionStatus>, 10> kSessionTransitions = {{
    {SessionStatus::kOpen, SessionStatus::kCompletedPendingSubscription},
    {SessionStatus::kOpen, SessionStatus::kExpired},
    {SessionStatus::kOpen, SessionStatus::kAbandoned},
    {SessionStatus::kCompletedPendingSubscription, SessionStatus::kCompletedReconciled},
    {SessionStatus::kCompletedPendingSubscription, SessionStatus::kAbandoned},
    {SessionStatus::kRecoveryVerificationPending, SessionStatus::kOpen},
    {SessionStatus::kRecoveryVerificationPending, SessionStatus::kCompletedPendingSubscription},
    {SessionStatus::kRecoveryVerificationPending, SessionStatus::kCompletedReconciled},
    {SessionStatus::kRecoveryVerificationPending, SessionStatus::kExpired},
    {SessionStatus::kRecoveryVerificationPending, SessionStatus::kAbandoned},
}};

constexpr std::string_view NameOf(SessionStatus status) {
  for (const auto& row : kSessionStatuses) {
    if (row.status == status) return row.name;
  }
  return "";
}

constexpr std::optional<SessionStatus> ParseSessionStatus(std::string_view name) {
  for (const auto& row : kSessionStatuses) {
    if (row.name == name) return row.status;
  }
  return std::nullopt;
}

constexpr bool Blocks(SessionStatus status) {
  for (const auto& row : kSessionStatuses) {
    if (row.status == status) return row.blocks;
  }
  return false;
}

constexpr bool MayMove(SessionStatus from, SessionStatus to) {
  for (const auto& [allowed_from, allowed_to] : kSessionTransitions) {
    if (allowed_from == from && allowed_to == to) return true;
  }
  return false;
}

// A status that nothing leaves: the session has ended here.
constexpr bool HasEnded(SessionStatus status) {
  for (const auto& [from, to] : kSessionTransitions) {
    if (from == status) return false;
  }
  return true;
}

}  // namespace billmesh::checkout
