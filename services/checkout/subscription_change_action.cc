#include "services/checkout/subscription_change_action.h"

#include <optional>

#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/plan_store.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {
namespace {

constexpr int64_t kFirstOrdinal = 1;
// Of one change. Who keeps putting an add-on back has it in the end, and the answer says so.
constexpr int64_t kMaxCalls = 3;

Refusal NothingToChange() {
  return {Reason::FAILURE_REASON_PORTAL_SUBSCRIPTION_REQUIRED, "there is no subscription to change"};
}

}  // namespace

std::string SubscriptionChangeAction::audit_started() const { return audit::kSubscriptionChangeStarted; }
std::string SubscriptionChangeAction::audit_refused() const { return audit::kSubscriptionChangeRefused; }
std::string CancelSubscriptionAction::audit_created() const { return audit::kSubscriptionCancelled; }
std::string ResumeSubscriptionAction::audit_created() const { return audit::kSubscriptionResumed; }
std::string SetAddOnAction::audit_created() const { return audit::kAddOnSet; }

absl::StatusOr<Admission> SubscriptionChangeAction::Admit(const ActionContext& context, const WriteRequest& request,
                                                          bool /*consulted*/) const {
  ASSIGN_OR_RETURN(const auto pending, FindPendingChange(context.tx, context.entity.id));
  if (pending.has_value()) {
    return Refusal{Reason::FAILURE_REASON_REQUEST_IN_PROGRESS,
                   "another change of the subscription is being worked on",
                   {{"operation", *pending}}};
  }
  ASSIGN_OR_RETURN(const auto subscription,
                   FindCurrentSubscription(context.tx, context.entity.id, deps_.format.provider()));
  if (!subscription.has_value()) return NothingToChange();
  return AdmitChange(context, request);
}

absl::StatusOr<Admission> SubscriptionChangeAction::AdmitChange(const ActionContext& /*context*/,
                                                                const WriteRequest& /*request*/) const {
  return Claim{};
}

absl::Status SubscriptionChangeAction::Consulted(const ActionContext& /*context*/, const Consult& /*consult*/,
                                                 const provider::CallResult& /*result*/) const {
  return absl::InternalError("a change of a subscription consults nobody");
}

absl::StatusOr<Progress> SubscriptionChangeAction::Advance(const ActionContext& context, const Operation& operation,
                                                           const StepDone* done) const {
  ASSIGN_OR_RETURN(auto last, LastStepOf(context.tx, operation.id));
  // Frozen already, also by a transaction whose COMMIT got no reply.
  if (last.has_value() && (done == nullptr || last->ordinal > done->step.ordinal)) {
    return Next(*std::move(last), /*fresh=*/false);
  }
  return done == nullptr ? Begin(context, operation) : Continue(context, operation, *done);
}

absl::StatusOr<Progress> SubscriptionChangeAction::Begin(const ActionContext& context,
                                                         const Operation& operation) const {
  ASSIGN_OR_RETURN(const auto subscription,
                   FindCurrentSubscription(context.tx, context.entity.id, deps_.format.provider()));
  if (!subscription.has_value()) return NothingToChange();
  ASSIGN_OR_RETURN(Plan plan, PlanCall(context, operation, *subscription));
  return Follow(context, operation, std::move(plan), kFirstOrdinal);
}

absl::StatusOr<Progress> SubscriptionChangeAction::Continue(const ActionContext& context, const Operation& operation,
                                                            const StepDone& done) const {
  auto subscription = deps_.format.ReadSubscription(done.object_json);
  if (!subscription.ok()) return absl::InternalError("the provider's subscription can't be read");
  Taken taken{done, {}, *std::move(subscription)};
  ASSIGN_OR_RETURN(taken.change, deps_.format.ReadSubscriptionUpdate(done.step.params_json));
  ASSIGN_OR_RETURN(taken.marked, BearsMark(done.step, done.object_json));
  ASSIGN_OR_RETURN(Plan plan, PlanNext(context, operation, taken));
  return Follow(context, operation, std::move(plan), done.step.ordinal + 1);
}

absl::StatusOr<Progress> SubscriptionChangeAction::Follow(const ActionContext& context, const Operation& operation,
                                                          Plan plan, int64_t ordinal) const {
  if (auto* refusal = std::get_if<Refusal>(&plan)) return *std::move(refusal);
  if (auto* succeeded = std::get_if<Succeeded>(&plan)) return *std::move(succeeded);
  ASSIGN_OR_RETURN(FrozenStep step, FreezeCall(context, operation, std::get<Call>(std::move(plan)), ordinal));
  return Next(std::move(step), /*fresh=*/true);
}

absl::StatusOr<Progress> SubscriptionChangeAction::Next(FrozenStep step, bool fresh) const {
  NextStep next{.step = std::move(step), .fresh = fresh};
  if (next.step.purpose == provider::kReadSubscription) {
    // What it asks about is known: it is retrieved, and nothing is sent.
    ASSIGN_OR_RETURN(provider::FrozenFacts frozen, deps_.format.ReadFrozen(next.step.params_json));
    next.known_object_id = std::move(frozen.object_id);
  }
  return next;
}

absl::StatusOr<FrozenStep> SubscriptionChangeAction::FreezeCall(const ActionContext& context,
                                                                const Operation& operation, Call call,
                                                                int64_t ordinal) const {
  StepDraft draft;
  draft.id = deps_.ids.NewId();
  draft.entity_id = operation.entity_id;
  draft.operation_id = operation.id;
  draft.ordinal = ordinal;
  draft.purpose = call.purpose;
  draft.operation_key = operation.operation_key;
  if (call.purpose == provider::kUpdateSubscription) {
    call.change.metadata[provider::kMetadataChange] = ProviderKey(operation.operation_key, call.purpose, ordinal);
    ASSIGN_OR_RETURN(draft.params, deps_.format.EncodeSubscriptionUpdate(call.change));
  } else {
    ASSIGN_OR_RETURN(draft.params, deps_.format.EncodeObjectCall(call.change.subscription_id));
  }
  FrozenStep step = Freeze(std::move(draft), context.provenance, context.now, deps_.replay_window);
  RETURN_IF_ERROR(InsertStep(context.tx, step));
  RETURN_IF_ERROR(SetDeadlines(context.tx, operation, step.replay_deadline_at, std::nullopt));
  return step;
}

SubscriptionChangeAnswer SubscriptionChangeAction::AnswerOf(const Operation& operation, const Taken& taken) {
  return {.operation = operation.id,
          .status = taken.subscription.status,
          .cancel_at_period_end = taken.subscription.cancel_at_period_end};
}

absl::StatusOr<SubscriptionChangeAction::Plan> SubscriptionChangeAction::Answered(
    const SubscriptionChangeAnswer& answer) {
  ASSIGN_OR_RETURN(std::string response, EncodeAnswer(answer));
  return Succeeded{std::move(response)};
}

absl::StatusOr<SubscriptionChangeAction::Plan> SubscriptionChangeAction::PlanNext(const ActionContext& /*context*/,
                                                                                  const Operation& operation,
                                                                                  const Taken& taken) const {
  return Answered(AnswerOf(operation, taken));
}

absl::StatusOr<bool> SubscriptionChangeAction::BearsMark(const FrozenStep& step, const std::string& object_json) const {
  ASSIGN_OR_RETURN(const provider::ObjectSnapshot object, deps_.format.ReadObject(object_json));
  const auto mark = object.metadata.find(provider::kMetadataChange);
  return mark != object.metadata.end() && mark->second == step.idempotency_key;
}

absl::StatusOr<bool> SubscriptionChangeAction::HasTaken(const FrozenStep& step, const std::string& object_json) const {
  ASSIGN_OR_RETURN(const provider::Subscription subscription, deps_.format.ReadSubscription(object_json));
  if (step.purpose == provider::kCancelSubscription) return IsOver(subscription);
  // Done is done, whatever others made of it since.
  ASSIGN_OR_RETURN(const bool marked, BearsMark(step, object_json));
  if (marked) return true;
  ASSIGN_OR_RETURN(const provider::SubscriptionUpdateSpec change,
                   deps_.format.ReadSubscriptionUpdate(step.params_json));
  return HasChange(change, subscription);
}

absl::StatusOr<SubscriptionChangeAction::Plan> CancelSubscriptionAction::PlanCall(
    const ActionContext& /*context*/, const Operation& operation, const CurrentSubscription& subscription) const {
  ASSIGN_OR_RETURN(const CancelSubscriptionOrder order, DecodeCancelSubscriptionOrder(operation.canonical_request));
  if (order.timing == CancelTiming::kNow) {
    return Call{provider::kCancelSubscription, {.subscription_id = subscription.id}};
  }
  return Call{provider::kUpdateSubscription, {.subscription_id = subscription.id, .cancel_at_period_end = true}};
}

absl::StatusOr<SubscriptionChangeAction::Plan> ResumeSubscriptionAction::PlanCall(
    const ActionContext& /*context*/, const Operation& /*operation*/, const CurrentSubscription& subscription) const {
  // Also where the projection knows of no cancellation: it may be behind.
  return Call{provider::kUpdateSubscription, {.subscription_id = subscription.id, .cancel_at_period_end = false}};
}

absl::StatusOr<SubscriptionChangeAction::Plan> ResumeSubscriptionAction::PlanNext(const ActionContext& context,
                                                                                  const Operation& operation,
                                                                                  const Taken& taken) const {
  if (!EndsOnDate(taken.subscription)) return SubscriptionChangeAction::PlanNext(context, operation, taken);
  if (taken.change.clear_cancel_at) {
    return Refusal{rejection(), "the subscription still ends on a date", {{"operation", operation.id}}};
  }
  return Call{provider::kUpdateSubscription,
              {.subscription_id = taken.change.subscription_id, .clear_cancel_at = true}};
}

SubscriptionChangeAction::Plan SetAddOnAction::Ask(const std::string& subscription_id) {
  return Call{provider::kReadSubscription, {.subscription_id = subscription_id}};
}

AddOnQuestion SetAddOnAction::QuestionOf(const ActionContext& context, const SetAddOnOrder& order) const {
  return {.plan_code = order.plan_code,
          .provider = deps().format.provider(),
          .currency = deps().currency,
          .entity_kind = context.entity.kind,
          .quantity = order.quantity};
}

absl::StatusOr<Admission> SetAddOnAction::AdmitChange(const ActionContext& context, const WriteRequest& request) const {
  ASSIGN_OR_RETURN(const SetAddOnOrder order, DecodeSetAddOnOrder(request.canonical_request));
  ASSIGN_OR_RETURN(const auto plan, FindPlan(context.tx, order.plan_code));
  auto resolved = ResolveAddOn(plan.has_value() ? &*plan : nullptr, QuestionOf(context, order));
  if (auto* refusal = std::get_if<Refusal>(&resolved)) {
    if (refusal->reason == Reason::FAILURE_REASON_CHECKOUT_CONFIGURATION_INVALID) {
      telemetry::Guardrail(
          "BILLING_CHECKOUT_CONFIGURATION_INVALID",
          {{"plan_code", order.plan_code}, {"why", refusal->metadata.at("why")}, {"entity_id", context.entity.id}});
    }
    return *std::move(refusal);
  }
  const ResolvedAddOn& add_on = std::get<ResolvedAddOn>(resolved);
  return Claim{add_on.code, add_on.version};
}

absl::StatusOr<SubscriptionChangeAction::Plan> SetAddOnAction::PlanCall(const ActionContext& context,
                                                                        const Operation& operation,
                                                                        const CurrentSubscription& subscription) const {
  ASSIGN_OR_RETURN(const SetAddOnOrder order, DecodeSetAddOnOrder(operation.canonical_request));
  ASSIGN_OR_RETURN(const auto plan, FindPlan(context.tx, order.plan_code));
  if (!plan.has_value()) return PlanItems(context, order, nullptr, subscription.id, {});

  ASSIGN_OR_RETURN(const auto last, FindLastAddOnAnswer(context.tx, operation.entity_id, order.plan_code));
  std::optional<AddOnItems> left;
  if (last.has_value()) {
    ASSIGN_OR_RETURN(SubscriptionChangeAnswer answer, DecodeSubscriptionChangeAnswer(*last));
    left = std::move(answer.items);
  }
  const auto items = ItemsOfAddOn(*plan, deps().format.provider(), subscription, left);
  if (!items.has_value()) return Ask(subscription.id);
  return PlanItems(context, order, &*plan, subscription.id, items->item_ids);
}

absl::StatusOr<SubscriptionChangeAction::Plan> SetAddOnAction::PlanItems(
    const ActionContext& context, const SetAddOnOrder& order, const catalog::Plan* plan,
    const std::string& subscription_id, const std::vector<std::string>& item_ids) const {
  auto resolved = ResolveAddOn(plan, QuestionOf(context, order));
  if (auto* refusal = std::get_if<Refusal>(&resolved)) return *std::move(refusal);
  auto changes = AddOnChanges(item_ids, std::get<ResolvedAddOn>(resolved).price_id, order.quantity);
  // Nothing seems to be there to remove: that is the provider's to say.
  if (changes.empty()) return Ask(subscription_id);
  return Call{provider::kUpdateSubscription, {.subscription_id = subscription_id, .items = std::move(changes)}};
}

absl::StatusOr<SubscriptionChangeAction::Plan> SetAddOnAction::PlanNext(const ActionContext& context,
                                                                        const Operation& operation,
                                                                        const Taken& taken) const {
  ASSIGN_OR_RETURN(const SetAddOnOrder order, DecodeSetAddOnOrder(operation.canonical_request));
  ASSIGN_OR_RETURN(const auto plan, FindPlan(context.tx, order.plan_code));
  std::optional<AddOnNow> now;
  if (plan.has_value()) now = ReadAddOn(*plan, deps().format.provider(), taken.subscription);

  const bool asked = taken.change.items.empty();
  SubscriptionChangeAnswer answer = AnswerOf(operation, taken);
  if (!now.has_value()) {
    // The provider shows the first items only: all that is known is what it took.
    if (asked) {
      return Refusal{rejection(), "the subscription doesn't show all of its items", {{"operation", operation.id}}};
    }
    for (const provider::SubscriptionItemChange& item : taken.change.items) answer.quantity += item.quantity;
    return Answered(answer);
  }
  // Where our change was made, what is there now was put there afterwards, and stays.
  const bool made = taken.marked && !asked;
  if (!made && now->quantity != order.quantity && taken.done.step.ordinal < kMaxCalls) {
    return PlanItems(context, order, &*plan, taken.change.subscription_id, now->item_ids);
  }
  answer.quantity = now->quantity;
  // Without the provider's date nobody knows whether it is later than what is projected (WHK-5).
  if (taken.done.provider_date.has_value()) {
    answer.items = AddOnItems{taken.subscription.id, std::move(now->item_ids), *taken.done.provider_date};
  }
  return Answered(answer);
}

}  // namespace billmesh::checkout
