// The states of a checkout session and the moves between them (CHK-3): the one table in code. The
// database holds the same one (billing.checkout_session_transitions), and a test compares the two.
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

// What the provider's word (provider::CheckoutSession::status) means here; nothing for a word that we
// don't know. A completed session whose subscription is projected already has nothing left to wait
// for (WHK-7).
constexpr std::optional<SessionStatus> StatusFor(std::string_view provider_status, bool subscription_projected) {
  if (provider_status == "open") return SessionStatus::kOpen;
  if (provider_status == "expired") return SessionStatus::kExpired;
  if (provider_status != "complete") return std::nullopt;
  return subscription_projected ? SessionStatus::kCompletedReconciled : SessionStatus::kCompletedPendingSubscription;
}

// How a stored session takes a newly learnt status: the way there, of at most two moves (open →
// completed_pending_subscription → completed_reconciled), or nothing where the table has no way:
// what events advanced is never taken back (CHK-6).
struct SessionMoves {
  std::array<SessionStatus, 2> steps{};
  int count = 0;
};

constexpr SessionMoves MovesTowards(SessionStatus from, SessionStatus to) {
  if (MayMove(from, to)) return {{to, to}, 1};
  constexpr SessionStatus kVia = SessionStatus::kCompletedPendingSubscription;
  if (to == SessionStatus::kCompletedReconciled && MayMove(from, kVia)) return {{kVia, to}, 2};
  return {};
}

}  // namespace billmesh::checkout
