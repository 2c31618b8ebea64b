#include "services/checkout/session_projection.h"

#include <utility>

#include "common/audit/audit_store.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::checkout {
namespace {

const char* AuditActionOf(SessionStatus to) {
  switch (to) {
    case SessionStatus::kCompletedPendingSubscription:
    case SessionStatus::kCompletedReconciled:
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

absl::Status AuditMove(db::Tx& tx, IdGenerator& ids, const SessionRow& session, SessionStatus from, SessionStatus to,
                       const MoveCause& cause) {
  audit::Record record{.env = session.env,
                       .entity_id = session.entity_id,
                       .actor = cause.actor,
                       .action = AuditActionOf(to),
                       .operation_key = session.operation_key};
  ASSIGN_OR_RETURN(
      record.detail_json,
      json::Canonical({{"from", NameOf(from)}, {"to", NameOf(to)}, {"session", session.id}, {"why", cause.why}}));
  return audit::Append(tx, ids, {std::move(record)});
}

}  // namespace

absl::Status MoveAlong(db::Tx& tx, IdGenerator& ids, const SessionRow& session, SessionStatus to,
                       const MoveCause& cause) {
  const SessionMoves moves = MovesTowards(session.status, to);
  SessionStatus from = session.status;
  for (int i = 0; i < moves.count; ++i) {
    RETURN_IF_ERROR(MoveSession(tx, session.id, moves.steps[i]));
    RETURN_IF_ERROR(AuditMove(tx, ids, session, from, moves.steps[i], cause));
    from = moves.steps[i];
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

}  // namespace billmesh::checkout
