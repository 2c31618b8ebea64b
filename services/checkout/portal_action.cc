#include "services/checkout/portal_action.h"

#include <optional>

#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "services/checkout/customer_store.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/redirect_path.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {
namespace {

Refusal NothingToManage() {
  return {Reason::FAILURE_REASON_PORTAL_SUBSCRIPTION_REQUIRED, "there is no subscription to manage"};
}

}  // namespace

std::string PortalAction::audit_started() const { return audit::kPortalStarted; }
std::string PortalAction::audit_created() const { return audit::kPortalAccessed; }
std::string PortalAction::audit_refused() const { return audit::kPortalRefused; }

absl::StatusOr<Admission> PortalAction::Admit(const ActionContext& context, const WriteRequest&, bool) const {
  ASSIGN_OR_RETURN(const bool subscribed, HasOtherLiveSubscription(context.tx, context.entity.id, ""));
  if (!subscribed) return NothingToManage();
  ASSIGN_OR_RETURN(const auto customer, LiveCustomer(context.tx, context.entity.id, deps_.format.provider()));
  if (!customer.has_value()) return NothingToManage();
  return Claim{};
}

absl::Status PortalAction::Consulted(const ActionContext&, const Consult&, const provider::CallResult&) const {
  return absl::InternalError("the portal consults nobody");
}

absl::StatusOr<Progress> PortalAction::Advance(const ActionContext& context, const Operation& operation,
                                               const StepDone* done) const {
  if (done != nullptr) {
    ASSIGN_OR_RETURN(const provider::HostedPage page, deps_.format.ReadHostedPage(done->object_json));
    ASSIGN_OR_RETURN(std::string response, EncodeAnswer(PortalAnswer{operation.id, page.url}));
    return Succeeded{std::move(response)};
  }
  ASSIGN_OR_RETURN(auto last, LastStepOf(context.tx, operation.id));
  if (last.has_value() && last->outcome == StepOutcome::kPending) return NextStep{.step = *std::move(last)};
  // The first one, or the URL of the one before is too old, or nobody knows it.
  return FreezeSession(context, operation, last.has_value() ? last->ordinal + 1 : 1);
}

absl::StatusOr<Progress> PortalAction::FreezeSession(const ActionContext& context, const Operation& operation,
                                                     int64_t ordinal) const {
  // Admission may be hours ago when recovery comes here.
  ASSIGN_OR_RETURN(auto customer, LiveCustomer(context.tx, operation.entity_id, deps_.format.provider()));
  if (!customer.has_value()) return NothingToManage();
  ASSIGN_OR_RETURN(const PortalOrder order, DecodePortalOrder(operation.canonical_request));
  provider::PortalSessionSpec spec;
  spec.customer_id = *std::move(customer);
  ASSIGN_OR_RETURN(spec.return_url, JoinRedirect(deps_.public_base_url, order.return_path, "return_path"));

  StepDraft draft;
  draft.id = deps_.ids.NewId();
  draft.entity_id = operation.entity_id;
  draft.operation_id = operation.id;
  draft.ordinal = ordinal;
  draft.purpose = provider::kCreatePortalSession;
  draft.operation_key = operation.operation_key;
  ASSIGN_OR_RETURN(draft.params, deps_.format.EncodePortalSession(spec));
  FrozenStep step = Freeze(std::move(draft), context.provenance, context.now, deps_.replay_window);
  RETURN_IF_ERROR(InsertStep(context.tx, step));
  RETURN_IF_ERROR(SetDeadlines(context.tx, operation, step.replay_deadline_at, std::nullopt));
  return NextStep{.step = std::move(step), .fresh = true};
}

bool PortalAction::StillGood(const Operation& succeeded, absl::Time now) const {
  return succeeded.completed_at.has_value() && now < *succeeded.completed_at + kPortalUrlLifetime;
}

}  // namespace billmesh::checkout
