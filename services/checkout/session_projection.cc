#include "services/checkout/session_projection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/audit/digest.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::checkout {
namespace {

const char* AuditActionOf(SessionStatus from, SessionStatus to) {
  switch (to) {
    case SessionStatus::kCompletedReconciled:
      if (from == SessionStatus::kCompletedPendingSubscription) return audit::kCheckoutReconciled;
      return audit::kCheckoutCompleted;
    case SessionStatus::kCompletedPendingSubscription:
      return audit::kCheckoutCompleted;
    case SessionStatus::kExpired:
      return audit::kCheckoutSessionExpired;
    case SessionStatus::kAbandoned:
      return audit::kCheckoutSessionAbandoned;
    case SessionStatus::kOpen:
    case SessionStatus::kRecoveryVerificationPending:
      break;
  }
  return audit::kCheckoutSessionOpened;
}

std::string DigestOf(const SessionRow& s) {
  return audit::Digest({{"id", s.id},
                        {"entity_id", s.entity_id},
                        {"operation_key", s.operation_key},
                        {"provider", s.provider},
                        {"provider_session_id", s.provider_session_id},
                        {"provider_customer_id", s.provider_customer_id},
                        {"provider_subscription_id", s.provider_subscription_id},
                        {"status", std::string(NameOf(s.status))},
                        {"plan_code", s.plan_code},
                        {"plan_version", absl::StrCat(s.plan_version)},
                        {"url", s.url},
                        {"expires_at", absl::StrCat(absl::ToUnixMicros(s.expires_at))}});
}

// `before`: none for a session that is new.
absl::Status AppendAudit(db::Tx& tx, IdGenerator& ids, const std::optional<SessionRow>& before,
                         const SessionRow& session, const char* action, const MoveCause& cause) {
  nlohmann::json detail = {{"to", NameOf(session.status)}, {"session", session.id}, {"why", cause.why}};
  audit::Record record{.env = session.env,
                       .entity_id = session.entity_id,
                       .actor = cause.actor,
                       .action = action,
                       .operation_key = session.operation_key};
  if (before.has_value()) {
    detail["from"] = NameOf(before->status);
    record.before_digest = DigestOf(*before);
  }
  record.after_digest = DigestOf(session);
  ASSIGN_OR_RETURN(record.detail_json, json::Canonical(detail));
  return audit::Append(tx, ids, {std::move(record)});
}

absl::Status AuditMove(db::Tx& tx, IdGenerator& ids, const SessionRow& before, const SessionRow& session,
                       const MoveCause& cause) {
  return AppendAudit(tx, ids, before, session, AuditActionOf(before.status, session.status), cause);
}

}  // namespace

absl::Status MoveAlong(db::Tx& tx, IdGenerator& ids, const SessionRow& session, SessionStatus to,
                       const MoveCause& cause) {
  const SessionMoves moves = MovesTowards(session.status, to);
  SessionRow before = session;
  for (int i = 0; i < moves.count; ++i) {
    RETURN_IF_ERROR(MoveSession(tx, session.id, moves.steps[i]));
    // As it is stored now: a move takes more than the status with it.
    ASSIGN_OR_RETURN(auto moved, FindSessionOf(tx, session.operation_key));
    if (!moved.has_value()) return absl::InternalError("a moved checkout session's row is gone");
    RETURN_IF_ERROR(AuditMove(tx, ids, before, *moved, cause));
    before = *std::move(moved);
  }
  return absl::OkStatus();
}

absl::StatusOr<SessionRow> UpsertSession(db::Tx& tx, IdGenerator& ids, const std::optional<SessionRow>& stored,
                                         SessionRow desired, const MoveCause& cause) {
  if (!stored.has_value()) {
    // The operation's own audit row tells of it (BILLING_CHECKOUT_CREATED, or why it was refused).
    RETURN_IF_ERROR(InsertSession(tx, desired));
    return desired;
  }
  desired.id = stored->id;
  const bool moves = MovesTowards(stored->status, desired.status).count > 0;
  if (!moves && stored->status != desired.status) return *stored;
  RETURN_IF_ERROR(RefreshSession(tx, desired));
  RETURN_IF_ERROR(MoveAlong(tx, ids, *stored, desired.status, cause));
  return desired;
}

absl::Status StoreHold(db::Tx& tx, IdGenerator& ids, const SessionRow& hold, const MoveCause& cause) {
  RETURN_IF_ERROR(InsertSession(tx, hold));
  return AppendAudit(tx, ids, std::nullopt, hold, audit::kCheckoutHeld, cause);
}

}  // namespace billmesh::checkout
