#include "services/checkout/cancel_checkout_action.h"

#include <optional>
#include <utility>

#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "services/checkout/checkout_action.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/provider_session.h"
#include "services/checkout/session_store.h"
#include "services/checkout/session_transitions.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {
namespace {

constexpr int64_t kFirstOrdinal = 1;

// What is to be cancelled; each is none where it isn't there.
struct Target {
  std::optional<Operation> checkout;
  std::optional<SessionRow> session;
};

absl::StatusOr<Target> FindTarget(const ActionContext& context, const std::string& canonical_request) {
  ASSIGN_OR_RETURN(const CancelCheckoutOrder order, DecodeCancelCheckoutOrder(canonical_request));
  Target target;
  if (!IsUuid(order.operation)) return target;
  ASSIGN_OR_RETURN(target.checkout, FindOperation(context.tx, context.entity.id, kCheckoutAction, order.operation));
  if (!target.checkout.has_value()) return target;
  ASSIGN_OR_RETURN(target.session, FindSessionOf(context.tx, target.checkout->operation_key));
  return target;
}

Refusal NotFound(const char* what, std::string message) {
  return {Reason::FAILURE_REASON_NOT_FOUND, std::move(message), {{"what", what}}};
}

// An expired or completed session is so at the provider, too: nothing is left to send. One that was abandoned here may
// be open there.
bool HasEndedAtProvider(SessionStatus status) {
  return status != SessionStatus::kOpen && status != SessionStatus::kAbandoned;
}

absl::StatusOr<Progress> Answered(const SessionRow& session, const Operation& checkout) {
  ASSIGN_OR_RETURN(std::string response, EncodeAnswer({.operation = checkout.id, .session_status = session.status}));
  return Succeeded{std::move(response)};
}

}  // namespace

std::string CancelCheckoutAction::audit_started() const { return audit::kCheckoutCancelStarted; }
std::string CancelCheckoutAction::audit_created() const { return audit::kCheckoutCancelEnded; }
std::string CancelCheckoutAction::audit_refused() const { return audit::kCheckoutCancelRefused; }

absl::StatusOr<Admission> CancelCheckoutAction::Admit(const ActionContext& context, const WriteRequest& request,
                                                      bool /*consulted*/) const {
  ASSIGN_OR_RETURN(const Target target, FindTarget(context, request.canonical_request));
  if (!target.checkout.has_value()) return NotFound("operation", "no such checkout of this entity");
  if (!target.session.has_value()) {
    if (target.checkout->status != OperationStatus::kPending) {
      return NotFound("checkout_session", "the checkout ended without a session");
    }
    return Refusal{Reason::FAILURE_REASON_CHECKOUT_IN_PROGRESS,
                   "the checkout is being opened",
                   {{"operation", target.checkout->id}}};
  }
  if (target.session->status == SessionStatus::kRecoveryVerificationPending) {
    return Refusal{Reason::FAILURE_REASON_CHECKOUT_RECOVERY_VERIFICATION_PENDING,
                   "whether the checkout was opened isn't known",
                   {{"operation", target.checkout->id}}};
  }
  return Claim{};
}

absl::Status CancelCheckoutAction::Consulted(const ActionContext& /*context*/, const Consult& /*consult*/,
                                             const provider::CallResult& /*result*/) const {
  return absl::InternalError("a cancelled checkout consults nobody");
}

absl::StatusOr<Progress> CancelCheckoutAction::Advance(const ActionContext& context, const Operation& operation,
                                                       const StepDone* done) const {
  ASSIGN_OR_RETURN(const Target target, FindTarget(context, operation.canonical_request));
  if (!target.checkout.has_value() || !target.session.has_value()) {
    return absl::InternalError("the checkout that is being cancelled is gone");
  }
  if (done != nullptr) return Finish(context, operation, *target.checkout, *target.session, *done);

  ASSIGN_OR_RETURN(auto last, LastStepOf(context.tx, operation.id));
  const bool pending = last.has_value() && last->outcome == StepOutcome::kPending;
  if (HasEndedAtProvider(target.session->status)) {
    // What the step was to bring about has come about, whoever did it.
    if (pending) RETURN_IF_ERROR(SucceedStep(context.tx, *last, *target.session->provider_session_id));
    return Answered(*target.session, *target.checkout);
  }
  if (pending) return NextStep{.step = *std::move(last)};
  if (target.session->status != SessionStatus::kOpen) return Answered(*target.session, *target.checkout);
  return FreezeExpiry(context, operation, *target.session, last.has_value() ? last->ordinal + 1 : kFirstOrdinal);
}

absl::StatusOr<Progress> CancelCheckoutAction::FreezeExpiry(const ActionContext& context, const Operation& operation,
                                                            const SessionRow& session, int64_t ordinal) const {
  if (!session.provider_session_id.has_value()) return absl::InternalError("an open session has no provider id");
  StepDraft draft;
  draft.id = deps_.ids.NewId();
  draft.entity_id = operation.entity_id;
  draft.operation_id = operation.id;
  draft.ordinal = ordinal;
  draft.purpose = provider::kExpireCheckoutSession;
  draft.operation_key = operation.operation_key;
  ASSIGN_OR_RETURN(draft.params, deps_.format.EncodeObjectCall(*session.provider_session_id));
  FrozenStep step = Freeze(std::move(draft), context.provenance, context.now, deps_.replay_window);
  RETURN_IF_ERROR(InsertStep(context.tx, step));
  RETURN_IF_ERROR(SetDeadlines(context.tx, operation, step.replay_deadline_at, std::nullopt));
  return NextStep{.step = std::move(step), .fresh = true};
}

absl::StatusOr<Progress> CancelCheckoutAction::Finish(const ActionContext& context, const Operation& operation,
                                                      const Operation& checkout, const SessionRow& stored,
                                                      const StepDone& done) const {
  ASSIGN_OR_RETURN(const provider::CheckoutSession said, deps_.format.ReadCheckoutSession(done.object_json));
  ASSIGN_OR_RETURN(const auto kept, ApplyProviderSession(context.tx, deps_.ids, stored, said, done.provider_date,
                                                         {operation.actor, "cancelled"}));
  // Neither says that it ended: the operation stays pending, and is tried again.
  if (!kept.has_value()) return absl::InternalError("the provider's session has a status that we don't know");
  if (kept->status == SessionStatus::kOpen) return absl::InternalError("an expired session is still open");
  return Answered(*kept, checkout);
}

absl::StatusOr<bool> CancelCheckoutAction::HasTaken(const FrozenStep& /*step*/, const std::string& object_json) const {
  ASSIGN_OR_RETURN(const provider::CheckoutSession session, deps_.format.ReadCheckoutSession(object_json));
  const auto status = StatusFor(session.status, /*subscription_projected=*/false);
  return status.has_value() && *status != SessionStatus::kOpen;
}

}  // namespace billmesh::checkout
