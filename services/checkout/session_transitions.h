// What a provider's word means for a stored checkout session, and how the session gets there. The states and the moves that are allowed
// stand in common/checkout/session_status.h, which the webhook daemon shares.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "common/checkout/session_status.h"

namespace billmesh::checkout {

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
