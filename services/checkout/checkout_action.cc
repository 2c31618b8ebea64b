#include "services/checkout/checkout_action.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/json/json.h"
#include "common/outbox/outbox_store.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "nlohmann/json.hpp"
#include "services/checkout/blocking_rules.h"
#include "services/checkout/customer_step.h"
#include "services/checkout/customer_store.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/plan_store.h"
#include "services/checkout/provider_session.h"
#include "services/checkout/redirect_path.h"
#include "services/checkout/replay_rules.h"
#include "services/checkout/session_projection.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {
namespace {

// The session is the operation's first own step; the customer's belongs to the entity.
constexpr int64_t kSessionOrdinal = 1;
constexpr char kWorker[] = "worker:checkout";

Refusal SubscriptionExists() {
  return {Reason::FAILURE_REASON_SUBSCRIPTION_EXISTS_USE_PORTAL,
          "there is a subscription already; change it through the portal"};
}

Refusal Blocked(const SessionRow& session, Reason reason, absl::Time now) {
  Refusal refusal{reason, absl::StrCat("a checkout session stands in the way: ", AbslView(NameOf(session.status)))};
  if (session.operation_id.has_value()) refusal.metadata["operation"] = *session.operation_id;
  if (reason == Reason::FAILURE_REASON_CHECKOUT_SESSION_OPEN) {
    refusal.metadata["expires_at"] = absl::FormatTime(absl::RFC3339_sec, session.expires_at, absl::UTCTimeZone());
    if (IsUrlSafe(session.status, session.expires_at, now)) refusal.metadata["url"] = session.url;
  }
  return refusal;
}

// The job that ends a session nobody may pay any more. Its key is the session's: it is queued once.
absl::Status EnqueueExpiry(const ActionContext& context, IdGenerator& ids, const SessionRow& session) {
  nlohmann::json payload = {{"provider", session.provider},
                            {"provider_session_id", session.provider_session_id.value_or("")},
                            {"operation_key", session.operation_key}};
  outbox::NewJob job{.env = session.env,
                     .entity_id = session.entity_id,
                     .job_type = outbox::kExpireCheckoutSession,
                     .dedupe_key = absl::StrCat(outbox::kExpireCheckoutSession, ":", session.provider, ":",
                                                session.provider_session_id.value_or(""))};
  ASSIGN_OR_RETURN(job.payload_json, json::Canonical(payload));
  return outbox::Enqueue(context.tx, ids, job).status();
}

}  // namespace

std::string CheckoutAction::audit_started() const { return audit::kCheckoutStarted; }
std::string CheckoutAction::audit_created() const { return audit::kCheckoutCreated; }
std::string CheckoutAction::audit_refused() const { return audit::kCheckoutRefused; }

absl::StatusOr<Admission> CheckoutAction::Admit(const ActionContext& context, const WriteRequest& request,
                                                bool consulted) const {
  ASSIGN_OR_RETURN(const auto pending, FindPendingOperation(context.tx, context.entity.id, name()));
  if (pending.has_value()) {
    return Refusal{Reason::FAILURE_REASON_CHECKOUT_IN_PROGRESS,
                   "another checkout of this entity is pending",
                   {{"operation", *pending}}};
  }
  ASSIGN_OR_RETURN(Verdict verdict, CheckSessions(context, consulted));
  if (verdict.has_value()) return *std::move(verdict);
  ASSIGN_OR_RETURN(const bool subscribed, HasOtherLiveSubscription(context.tx, context.entity.id, ""));
  if (subscribed) return SubscriptionExists();

  ASSIGN_OR_RETURN(const CheckoutOrder order, DecodeOrder(request.canonical_request));
  ASSIGN_OR_RETURN(auto resolved, Resolve(context, order, /*admitted=*/false));
  if (auto* refusal = std::get_if<Refusal>(&resolved)) return *std::move(refusal);
  const ResolvedPlan& plan = std::get<ResolvedPlan>(resolved);
  return Claim{plan.code, plan.version};
}

// CHK-4: holds past their expiry are abandoned, an overdue session is asked about, anything else that blocks refuses.
absl::StatusOr<CheckoutAction::Verdict> CheckoutAction::CheckSessions(const ActionContext& context,
                                                                      bool consulted) const {
  ASSIGN_OR_RETURN(const auto session, FindBlockingSession(context.tx, context.entity.id));
  if (!session.has_value()) return Verdict();
  if (IsSpentHold(session->status, session->expires_at, context.now)) {
    RETURN_IF_ERROR(MoveAlong(context.tx, deps_.ids, *session, SessionStatus::kAbandoned, {kWorker, "hold_expired"}));
    return Verdict();
  }
  if (!consulted && session->provider_session_id.has_value() &&
      IsOverdue(session->status, session->expires_at, deps_.times.expiry_grace, context.now)) {
    return Verdict(Consult{provider::kCheckoutSessionKind, *session->provider_session_id});
  }
  return Verdict(Blocked(*session, *BlockingReason(session->status), context.now));
}

absl::Status CheckoutAction::Consulted(const ActionContext& context, const Consult& consult,
                                       const provider::CallResult& result) const {
  ASSIGN_OR_RETURN(const auto stored, FindSessionByProviderId(context.tx, deps_.format.provider(), consult.object_id));
  // It moved on while we asked: what is stored is newer.
  if (!stored.has_value() || !IsOverdue(stored->status, stored->expires_at, deps_.times.expiry_grace, context.now)) {
    return absl::OkStatus();
  }
  if (result.outcome == provider::Outcome::kSuccess) {
    const auto session = deps_.format.ReadCheckoutSession(result.object_json);
    if (session.ok()) {
      ASSIGN_OR_RETURN(const auto applied, ApplyProviderSession(context.tx, deps_.ids, *stored, *session,
                                                                result.provider_date, {kWorker, "provider_asked"}));
      if (applied.has_value()) return absl::OkStatus();
    }
  }
  // An answer that says nothing of the session (401, 404, 429, a word that we don't know), or a call that we ourselves
  // had no room for: it goes on blocking.
  const bool away = result.outcome == provider::Outcome::kUnknown && result.tried &&
                    (result.http_status == 0 || result.http_status >= 500);
  if (!away) return absl::OkStatus();
  // Only where the provider can't be reached does the clock decide (CHK-4). Our clock may be ahead of the provider's:
  // the session is also ended there. Should it have been paid, it is found late.
  RETURN_IF_ERROR(MoveAlong(context.tx, deps_.ids, *stored, SessionStatus::kExpired, {kWorker, "clock"}));
  return EnqueueExpiry(context, deps_.ids, *stored);
}

absl::StatusOr<std::variant<ResolvedPlan, Refusal>> CheckoutAction::Resolve(const ActionContext& context,
                                                                            const CheckoutOrder& order,
                                                                            bool admitted) const {
  ASSIGN_OR_RETURN(const auto plan, FindPlan(context.tx, order.plan_code));
  const std::string provider = deps_.format.provider();
  auto resolved = ResolvePlan(plan.has_value() ? &*plan : nullptr, {.plan_code = order.plan_code,
                                                                    .provider = provider,
                                                                    .currency = deps_.currency,
                                                                    .entity_kind = context.entity.kind,
                                                                    .seats = order.seats,
                                                                    .admitted = admitted});
  if (const auto* refusal = std::get_if<Refusal>(&resolved);
      refusal != nullptr && refusal->reason == Reason::FAILURE_REASON_CHECKOUT_CONFIGURATION_INVALID) {
    telemetry::Guardrail(
        "BILLING_CHECKOUT_CONFIGURATION_INVALID",
        {{"plan_code", order.plan_code}, {"why", refusal->metadata.at("why")}, {"entity_id", context.entity.id}});
  }
  return resolved;
}

absl::StatusOr<Progress> CheckoutAction::Advance(const ActionContext& context, const Operation& operation,
                                                 const StepDone* done) const {
  const CustomerStepDeps customers{deps_.ids, deps_.format, deps_.times.replay_window};
  if (done != nullptr && done->step.purpose == provider::kCreateCheckoutSession) {
    return FinishSession(context, operation, *done);
  }
  if (done != nullptr && done->step.purpose == provider::kCreateCustomer) {
    RETURN_IF_ERROR(StoreCustomer(customers, context, operation, *done));
  }
  ASSIGN_OR_RETURN(CustomerOrStep customer, NextForCustomer(customers, context, operation));
  if (auto* step = std::get_if<NextStep>(&customer)) return *std::move(step);
  return NextForSession(context, operation, std::get<std::string>(customer));
}

absl::StatusOr<Progress> CheckoutAction::NextForSession(const ActionContext& context, const Operation& operation,
                                                        const std::string& customer_id) const {
  ASSIGN_OR_RETURN(auto step, LastStepOf(context.tx, operation.id));
  if (!step.has_value()) return FreezeSession(context, operation, customer_id);
  NextStep next{.step = *std::move(step)};
  // An event may have told of the session before we could store it (WHK-10).
  ASSIGN_OR_RETURN(const auto session, FindSessionOf(context.tx, operation.operation_key));
  if (session.has_value()) next.known_object_id = session->provider_session_id;
  return next;
}

absl::StatusOr<Progress> CheckoutAction::FreezeSession(const ActionContext& context, const Operation& operation,
                                                       const std::string& customer_id) const {
  ASSIGN_OR_RETURN(const CheckoutOrder order, DecodeOrder(operation.canonical_request));
  ASSIGN_OR_RETURN(auto resolved, Resolve(context, order, /*admitted=*/true));
  if (auto* refusal = std::get_if<Refusal>(&resolved)) return *std::move(refusal);
  ResolvedPlan& plan = std::get<ResolvedPlan>(resolved);

  const absl::Time frozen_at = absl::FromUnixSeconds(absl::ToUnixSeconds(context.now));
  provider::CheckoutSessionSpec spec;
  spec.customer_id = customer_id;
  spec.items = std::move(plan.items);
  ASSIGN_OR_RETURN(spec.success_url, JoinRedirect(deps_.public_base_url, order.success_path, "success_path"));
  ASSIGN_OR_RETURN(spec.cancel_url, JoinRedirect(deps_.public_base_url, order.cancel_path, "cancel_path"));
  spec.expires_at = frozen_at + deps_.times.session_lifetime;
  spec.reference = operation.id;
  spec.metadata = {{std::string(provider::kMetadataOperationKey), operation.operation_key},
                   {std::string(provider::kMetadataEntityId), operation.entity_id},
                   {std::string(provider::kMetadataEnv), operation.env},
                   {std::string(provider::kMetadataPlanCode), plan.code},
                   {std::string(provider::kMetadataPlanVersion), absl::StrCat(plan.version)}};
  spec.trial_days = plan.trial_days;
  spec.automatic_tax = plan.automatic_tax;
  spec.allow_promotion_codes = plan.allow_promotion_codes;

  StepDraft draft;
  draft.id = deps_.ids.NewId();
  draft.entity_id = operation.entity_id;
  draft.operation_id = operation.id;
  draft.ordinal = kSessionOrdinal;
  draft.purpose = provider::kCreateCheckoutSession;
  draft.operation_key = operation.operation_key;
  ASSIGN_OR_RETURN(draft.params, deps_.format.EncodeCheckoutSession(spec));
  FrozenStep step = Freeze(std::move(draft), context.provenance, frozen_at, deps_.times.replay_window);
  RETURN_IF_ERROR(InsertStep(context.tx, step));
  RETURN_IF_ERROR(SetDeadlines(context.tx, operation, step.replay_deadline_at, spec.expires_at));
  return NextStep{.step = std::move(step), .fresh = true};
}

absl::Status CheckoutAction::CheckFrozen(const Operation& operation, const NextStep& next) const {
  const FrozenStep& step = next.step;
  if (step.purpose != provider::kCreateCheckoutSession) return absl::OkStatus();
  const auto facts = deps_.format.ReadFrozen(step.params_json);
  // IDM-5: without its expiry, or with another than was promised, a session could outlive every deadline that we keep.
  // Whoever froze it in this very run needn't have read the stored bound back; for everybody else it must be there.
  if (facts.ok() && facts->expires_at.has_value() && *facts->expires_at > step.frozen_at &&
      *facts->expires_at <= step.frozen_at + kMaxSessionLifetime &&
      (operation.session_expires_at_upper_bound.has_value()
           ? *operation.session_expires_at_upper_bound == *facts->expires_at
           : next.fresh)) {
    return absl::OkStatus();
  }
  telemetry::Guardrail("BILLING_CHECKOUT_FROZEN_EXPIRY_INVALID", {{"step", step.id}});
  return Fail(Reason::FAILURE_REASON_FROZEN_REQUEST_TAMPERED,
              "a frozen checkout doesn't hold the expiry that it must; nothing was sent", {{"step", step.id}});
}

absl::Status CheckoutAction::Withheld(const ActionContext& context, const Operation& operation,
                                      const FrozenStep& step) const {
  if (step.purpose != provider::kCreateCheckoutSession) return absl::OkStatus();
  const absl::Time until = HoldUntil(operation.session_expires_at_upper_bound.value_or(step.replay_deadline_at),
                                     step.replay_deadline_at, deps_.times.expiry_grace);
  if (context.now >= until) return absl::OkStatus();
  // An event told of the session: it blocks, or has ended, as the provider said.
  ASSIGN_OR_RETURN(const auto known, FindSessionOf(context.tx, operation.operation_key));
  if (known.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto blocking, FindBlockingSession(context.tx, context.entity.id));
  if (blocking.has_value()) {
    // One of an earlier operation, told of by an event. Until it ends, this operation stays what blocks (IDM-12).
    return Fail(Reason::FAILURE_REASON_REQUEST_IN_PROGRESS, "another session blocks: no hold can be stored yet",
                {{"operation", operation.id}});
  }
  ASSIGN_OR_RETURN(const provider::FrozenFacts frozen, deps_.format.ReadFrozen(step.params_json));
  SessionRow hold;
  hold.id = deps_.ids.NewId();
  hold.env = operation.env;
  hold.entity_id = operation.entity_id;
  hold.operation_id = operation.id;
  hold.operation_key = operation.operation_key;
  hold.provider = operation.provider;
  hold.provider_customer_id = frozen.customer_id;
  hold.status = SessionStatus::kRecoveryVerificationPending;
  hold.plan_code = operation.plan_code;
  hold.plan_version = operation.plan_version;
  hold.expires_at = until;
  return StoreHold(context.tx, deps_.ids, hold, {kWorker, "outcome_unknown"});
}

absl::StatusOr<Progress> CheckoutAction::FinishSession(const ActionContext& context, const Operation& operation,
                                                       const StepDone& done) const {
  ASSIGN_OR_RETURN(const provider::CheckoutSession session, deps_.format.ReadCheckoutSession(done.object_json));
  ASSIGN_OR_RETURN(
      const bool other_subscription,
      HasOtherLiveSubscription(context.tx, operation.entity_id, operation.operation_key, session.subscription_id));
  ASSIGN_OR_RETURN(const auto blocking, FindBlockingSession(context.tx, operation.entity_id));
  ASSIGN_OR_RETURN(const auto stored, FindSessionOf(context.tx, operation.operation_key));

  SessionRow desired;
  desired.id = deps_.ids.NewId();
  desired.env = operation.env;
  desired.entity_id = operation.entity_id;
  desired.operation_id = operation.id;
  desired.operation_key = operation.operation_key;
  desired.provider = operation.provider;
  desired.provider_session_id = session.id;
  desired.provider_customer_id = session.customer_id;
  desired.provider_subscription_id = session.subscription_id;
  desired.plan_code = operation.plan_code;
  desired.plan_version = operation.plan_version;
  desired.expires_at = session.expires_at;
  desired.provider_updated_at = done.provider_date.value_or(session.created_at);

  // A subscription that came meanwhile and isn't this operation's own; or another session in the way, which can only be
  // one that was paid late. Nobody may pay ours as well.
  const bool other_session = blocking.has_value() && blocking->operation_key != operation.operation_key;
  if (other_subscription || other_session) {
    desired.status = SessionStatus::kAbandoned;
    RETURN_IF_ERROR(
        UpsertSession(context.tx, deps_.ids, stored, desired, {operation.actor, "subscription_exists"}).status());
    RETURN_IF_ERROR(EnqueueExpiry(context, deps_.ids, desired));
    return SubscriptionExists();
  }

  ASSIGN_OR_RETURN(const bool projected, IsSubscriptionProjected(context.tx, operation.entity_id,
                                                                 operation.operation_key, session.subscription_id));
  const auto status = StatusFor(session.status, projected);
  if (!status.has_value()) return absl::InternalError("the provider's session has a status that we don't know");
  desired.status = *status;
  if (desired.status == SessionStatus::kOpen) desired.url = session.url.value_or("");
  ASSIGN_OR_RETURN(const SessionRow kept,
                   UpsertSession(context.tx, deps_.ids, stored, desired, {operation.actor, "provider_answered"}));
  ASSIGN_OR_RETURN(std::string response,
                   EncodeAnswer({.operation = operation.id,
                                 .url = kept.status == SessionStatus::kOpen ? kept.url : "",
                                 .checkout_session_id = kept.id,
                                 .expires_at_unix_seconds = absl::ToUnixSeconds(kept.expires_at)}));
  return Succeeded{std::move(response)};
}

}  // namespace billmesh::checkout
