#include "services/checkout/operation_kernel.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/json/json.h"
#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "nlohmann/json.hpp"
#include "services/checkout/fault_points.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/operation_report.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {
namespace {

// More steps than any action has: a guard against an action that never ends.
constexpr int kMaxSteps = 8;
// How often a transaction whose COMMIT got no reply is run again to see what became of it.
constexpr int kMaxDoubts = 3;

const provider::Provenance kNoProvenance;

Refusal InProgress(const Operation& operation) {
  return {Reason::FAILURE_REASON_REQUEST_IN_PROGRESS, "the request is being worked on", {{"operation", operation.id}}};
}

// The outcome of an ended operation, as it was recorded (IDM-2).
Answer Recorded(const Operation& operation) {
  if (operation.status == OperationStatus::kSucceeded) return operation.response;
  return Refusal{
      ReasonFromCode(operation.failure_code), "the operation ended without success", {{"operation", operation.id}}};
}

// Past the replay deadline an operation expires; anything else that ends it without success has failed.
OperationStatus EndedStatus(Reason reason) {
  return reason == Reason::FAILURE_REASON_CHECKOUT_RECOVERY_WINDOW_ELAPSED ? OperationStatus::kExpired
                                                                           : OperationStatus::kFailed;
}

OperationView ViewOf(const Answer& answer) {
  const auto* refusal = std::get_if<Refusal>(&answer);
  if (refusal == nullptr) return {OperationStatus::kSucceeded, ""};
  if (refusal->reason == Reason::FAILURE_REASON_REQUEST_IN_PROGRESS) return {OperationStatus::kPending, ""};
  return {EndedStatus(refusal->reason), CodeOf(refusal->reason)};
}

absl::StatusOr<std::string> Tell(const Answer& answer) {
  if (const auto* response = std::get_if<std::string>(&answer)) return *response;
  const Refusal& refusal = std::get<Refusal>(answer);
  return Fail(refusal.reason, refusal.message, refusal.metadata);
}

absl::StatusOr<std::string> Conclude(const Action& action, const WriteRequest& request,
                                     const std::string& operation_key, const Answer& answer) {
  const auto* refusal = std::get_if<Refusal>(&answer);
  CountOutcome(action.name(), refusal == nullptr ? "succeeded" : CodeOf(refusal->reason));
  LogOutcome(action, request, operation_key, answer, /*replayed=*/false);
  return Tell(answer);
}

// The row tells what became of a commit that got no reply: run the transaction again, which finds it done or
// does it.
absl::Status ThroughDoubt(const std::function<absl::Status()>& run) {
  absl::Status status = run();
  for (int i = 0; i < kMaxDoubts && ReasonOf(status) == Reason::FAILURE_REASON_COMMIT_IN_DOUBT; ++i) {
    status = run();
  }
  return status;
}

}  // namespace

OperationKernel::OperationKernel(Deps deps)
    : deps_(std::move(deps)),
      runner_({.provider = deps_.provider,
               .format = deps_.format,
               .clock = deps_.clock,
               .call_timeout = deps_.times.call_timeout}) {}

OperationKernel::Attempt OperationKernel::NewAttempt(const Action& action, const WriteRequest& request) {
  Attempt attempt{action, request, deps_.ids.NewId(), false, "", deps_.provider.GetProvenance()};
  attempt.lease_owner = absl::StrCat(deps_.holder, "/", attempt.operation_id);
  return attempt;
}

absl::StatusOr<std::string> OperationKernel::Run(const Action& action, const WriteRequest& request) {
  Attempt attempt = NewAttempt(action, request);
  ASSIGN_OR_RETURN(Opening opening, Open(attempt));
  if (const auto* consult = std::get_if<Consult>(&opening)) {
    RETURN_IF_ERROR(Ask(attempt, *consult));
    attempt.consulted = true;
    ASSIGN_OR_RETURN(opening, Open(attempt));
  }
  if (const auto* replayed = std::get_if<Replayed>(&opening)) {
    CountOutcome(action.name(), "replayed");
    LogOutcome(action, request, replayed->operation_key, replayed->answer, /*replayed=*/true);
    return Tell(replayed->answer);
  }
  if (const auto* answer = std::get_if<Answer>(&opening)) return Conclude(action, request, "", *answer);
  auto* held = std::get_if<Held>(&opening);
  if (held == nullptr) return absl::InternalError("an action consulted the provider twice");
  const std::string operation_key = held->operation.operation_key;
  ASSIGN_OR_RETURN(const Answer answer, Drive(attempt, std::move(*held)));
  return Conclude(action, request, operation_key, answer);
}

absl::StatusOr<OperationView> OperationKernel::Recover(const Action& action, const std::string& entity_id,
                                                       const std::string& operation_id, const std::string& actor) {
  const WriteRequest request{.entity_id = entity_id, .actor = actor};
  Attempt attempt = NewAttempt(action, request);
  attempt.operation_id = operation_id;
  attempt.recovers = true;
  ASSIGN_OR_RETURN(Opening opening, Open(attempt));
  if (const auto* replayed = std::get_if<Replayed>(&opening)) return ViewOf(replayed->answer);
  if (const auto* answer = std::get_if<Answer>(&opening)) return ViewOf(*answer);
  auto* held = std::get_if<Held>(&opening);
  if (held == nullptr) return absl::InternalError("a recovery doesn't admit anything");
  const std::string operation_key = held->operation.operation_key;
  ASSIGN_OR_RETURN(const Answer answer, Drive(attempt, std::move(*held)));
  const OperationView view = ViewOf(answer);
  telemetry::GetCounter("billmesh_checkout_recoveries_total", "Recoveries of pending operations by action and outcome",
                        {{"action", action.name()}, {"outcome", std::string(NameOf(view.status))}})
      .Add();
  LogOutcome(action, request, operation_key, answer, /*replayed=*/false);
  return view;
}

absl::StatusOr<OperationKernel::Opening> OperationKernel::Open(const Attempt& attempt) {
  std::optional<Opening> opening;
  const absl::Status opened = ThroughDoubt([&] {
    // Read before the lease is taken, so that our idea of its end is never later than the database's.
    const absl::Duration read_at = deps_.clock.Monotonic();
    return deps_.pool.Run(db::Scope::Tenant(attempt.request.entity_id), [&](db::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(opening, FindReplay(tx, attempt));
      if (opening.has_value()) return absl::OkStatus();
      return LockAndRun(tx, attempt, [&](const ActionContext& context) -> absl::Status {
        ASSIGN_OR_RETURN(opening, OpenUnderLock(attempt, context, read_at));
        if ([[maybe_unused]] const auto* held = std::get_if<Held>(&*opening)) {
          FAULT_POINT_STATUS(held->taken_over ? fault_points::kBeforeTakeoverCommit : fault_points::kBeforeClaimCommit);
        }
        return absl::OkStatus();
      });
    });
  });
  if (!opened.ok()) return opened;
  if ([[maybe_unused]] const auto* held = std::get_if<Held>(&*opening)) {
    FAULT_POINT(held->taken_over ? fault_points::kAfterTakeoverCommit : fault_points::kAfterClaimCommit);
  }
  return *std::move(opening);
}

absl::StatusOr<std::optional<OperationKernel::Opening>> OperationKernel::FindReplay(db::Tx& tx,
                                                                                    const Attempt& attempt) {
  if (attempt.recovers) return std::nullopt;
  ASSIGN_OR_RETURN(const auto ended, FindOperationByKey(tx, attempt.request.entity_id, attempt.action.name(),
                                                        attempt.request.client_key));
  if (!ended.has_value() || ended->status == OperationStatus::kPending || ended->env != deps_.env ||
      ended->fingerprint != attempt.request.fingerprint) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const absl::Time now, tx.Now());
  if (ended->status == OperationStatus::kSucceeded && !attempt.action.StillGood(*ended, now)) return std::nullopt;
  return Replayed{Recorded(*ended), ended->operation_key};
}

absl::StatusOr<OperationKernel::Opening> OperationKernel::OpenUnderLock(const Attempt& attempt,
                                                                        const ActionContext& context,
                                                                        absl::Duration read_at) {
  if (attempt.recovers) {
    ASSIGN_OR_RETURN(auto pending, LockOperation(context.tx, attempt.operation_id));
    if (!pending.has_value() || pending->action != attempt.action.name()) {
      return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such operation", {{"what", "operation"}});
    }
    return OpenExisting(attempt, context, *std::move(pending), read_at);
  }
  ASSIGN_OR_RETURN(auto existing, LockOperationByKey(context.tx, attempt.request.entity_id, attempt.action.name(),
                                                     attempt.request.client_key));
  if (!existing.has_value()) return OpenNew(attempt, context, read_at);
  return OpenExisting(attempt, context, *std::move(existing), read_at);
}

absl::StatusOr<OperationKernel::Opening> OperationKernel::OpenNew(const Attempt& attempt, const ActionContext& context,
                                                                  absl::Duration read_at) {
  // A closed entity keeps what it has and starts nothing.
  if (context.entity.closed) return Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity");
  ASSIGN_OR_RETURN(Admission admission, attempt.action.Admit(context, attempt.request, attempt.consulted));
  if (auto* consult = std::get_if<Consult>(&admission)) return *std::move(consult);
  if (auto* refusal = std::get_if<Refusal>(&admission)) {
    // A refusal is answered and audited, not stored: the same key may try again (IDM-14).
    RETURN_IF_ERROR(Audit(context.tx, attempt, attempt.action.audit_refused(), nullptr, CodeOf(refusal->reason)));
    return Answer(*std::move(refusal));
  }
  ASSIGN_OR_RETURN(const Operation operation,
                   ClaimOperation(context.tx, NewOperation(attempt, std::get<Claim>(admission)), deps_.times.lease));
  RETURN_IF_ERROR(
      Audit(context.tx, attempt, attempt.action.audit_started(), &operation, "", "", {nullptr, &operation}));
  return Hold(attempt, context, operation, /*taken_over=*/false, read_at);
}

absl::StatusOr<OperationKernel::Opening> OperationKernel::OpenExisting(const Attempt& attempt,
                                                                       const ActionContext& context,
                                                                       Operation operation, absl::Duration read_at) {
  if (!attempt.recovers && operation.fingerprint != attempt.request.fingerprint) {
    const Refusal conflict{Reason::FAILURE_REASON_IDEMPOTENCY_CONFLICT,
                           "the Idempotency-Key was used with another request"};
    RETURN_IF_ERROR(Audit(context.tx, attempt, attempt.action.audit_refused(), nullptr, CodeOf(conflict.reason)));
    return Answer(conflict);
  }
  if (operation.status == OperationStatus::kSucceeded && !attempt.recovers &&
      !attempt.action.StillGood(operation, context.now)) {
    return Reopen(attempt, context, operation, read_at);
  }
  if (operation.status != OperationStatus::kPending) return Replayed{Recorded(operation), operation.operation_key};
  // Our own claim or takeover, whose COMMIT got no reply.
  if (operation.lease.owner == attempt.lease_owner) {
    return Hold(attempt, context, std::move(operation), /*taken_over=*/true, read_at);
  }
  if (!operation.lease.Ended(context.now)) {
    const Refusal running = InProgress(operation);
    if (attempt.recovers) return Answer(running);
    RETURN_IF_ERROR(Audit(context.tx, attempt, attempt.action.audit_refused(), &operation, CodeOf(running.reason)));
    return Answer(running);
  }
  ASSIGN_OR_RETURN(operation, TakeOverOperation(context.tx, operation.id, attempt.lease_owner, deps_.times.lease));
  if (operation.recovery_attempts >= kAlarmingRecoveries) {
    telemetry::Guardrail("BILLING_CHECKOUT_RECOVERY_REPEATED_FAILURE",
                         {{"operation_key", operation.operation_key},
                          {"entity_id", operation.entity_id},
                          {"attempts", absl::StrCat(operation.recovery_attempts)}});
  }
  return Hold(attempt, context, std::move(operation), /*taken_over=*/true, read_at);
}

// A success that is no answer any more (a portal's URL lives for minutes): the same operation runs again, if its action
// still admits it. Its earlier steps stay as they are.
absl::StatusOr<OperationKernel::Opening> OperationKernel::Reopen(const Attempt& attempt, const ActionContext& context,
                                                                 const Operation& operation, absl::Duration read_at) {
  if (context.entity.closed) return Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity");
  ASSIGN_OR_RETURN(Admission admission, attempt.action.Admit(context, attempt.request, /*consulted=*/true));
  if (auto* refusal = std::get_if<Refusal>(&admission)) {
    RETURN_IF_ERROR(Audit(context.tx, attempt, attempt.action.audit_refused(), &operation, CodeOf(refusal->reason)));
    return Answer(*std::move(refusal));
  }
  ASSIGN_OR_RETURN(const Operation reopened,
                   ReopenOperation(context.tx, operation, attempt.lease_owner, deps_.times.lease));
  RETURN_IF_ERROR(
      Audit(context.tx, attempt, attempt.action.audit_started(), &reopened, "", "", {&operation, &reopened}));
  return Hold(attempt, context, reopened, /*taken_over=*/false, read_at);
}

absl::StatusOr<OperationKernel::Opening> OperationKernel::Hold(const Attempt& attempt, const ActionContext& context,
                                                               Operation operation, bool taken_over,
                                                               absl::Duration read_at) {
  // Nothing is frozen or taken over without knowing what a replay will have to match (IDM-7).
  if (!attempt.provenance.ok()) return attempt.provenance.status();
  const Holding holding{
      .lease_version = operation.lease.version,
      .sendings_end = lease::WritingEnd(read_at, operation.lease.Left(context.now), deps_.times.lease),
      .database_now = context.now,
      .read_at = read_at,
      .priority = attempt.recovers ? provider::Priority::kBackground : provider::Priority::kInteractive};
  ASSIGN_OR_RETURN(Progress progress, attempt.action.Advance(context, operation, nullptr));
  if (auto* next = std::get_if<NextStep>(&progress)) {
    return Held{std::move(operation), std::move(*next), holding, taken_over};
  }
  ASSIGN_OR_RETURN(const Settlement ended, End(attempt, context.tx, operation, progress));
  return std::get<Answer>(ended);
}

absl::Status OperationKernel::Ask(const Attempt& attempt, const Consult& consult) {
  FAULT_POINT(fault_points::kBeforeRetrieve);
  const provider::CallResult result =
      deps_.provider.Retrieve(consult.kind, consult.object_id, {.timeout = deps_.times.call_timeout});
  FAULT_POINT(fault_points::kAfterRetrieve);
  return WithEntityLocked(
      attempt, [&](const ActionContext& context) { return attempt.action.Consulted(context, consult, result); });
}

absl::StatusOr<Answer> OperationKernel::Drive(const Attempt& attempt, Held held) {
  for (int i = 0; i < kMaxSteps; ++i) {
    ASSIGN_OR_RETURN(const StepVerdict verdict,
                     runner_.Run(attempt.action, held.operation, held.next, *attempt.provenance, held.holding));
    if (const auto* unresolved = std::get_if<StepUnresolved>(&verdict)) {
      return LeavePending(attempt, held.operation, unresolved->why);
    }
    ASSIGN_OR_RETURN(Settlement settlement, Settle(attempt, held, verdict));
    if (auto* answer = std::get_if<Answer>(&settlement)) return *std::move(answer);
    held.next = std::get<NextStep>(std::move(settlement));
  }
  return absl::InternalError("an action takes more steps than it may");
}

absl::StatusOr<OperationKernel::Settlement> OperationKernel::Settle(const Attempt& attempt, Held& held,
                                                                    const StepVerdict& verdict) {
  std::optional<Settlement> settlement;
  const absl::Status settled = ThroughDoubt([&] {
    return WithEntityLocked(attempt, [&](const ActionContext& context) -> absl::Status {
      ASSIGN_OR_RETURN(const auto operation, LockOperation(context.tx, held.operation.id));
      if (!operation.has_value()) return absl::InternalError("a running operation's row is gone");
      if (operation->status != OperationStatus::kPending) {
        settlement = Recorded(*operation);
        return absl::OkStatus();
      }
      if (operation->lease.version != held.holding.lease_version) {
        telemetry::Guardrail("BILLING_IDEMPOTENCY_FENCING_CONFLICT",
                             {{"operation_key", operation->operation_key}, {"entity_id", operation->entity_id}});
        settlement = Answer(InProgress(*operation));
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(settlement, SettleUnderFence(attempt, context, *operation, held.next.step, verdict));
      // Run again after a commit in doubt, the next step isn't fresh any more: then its bounds must be known.
      held.operation = *operation;
      FAULT_POINT_STATUS(std::holds_alternative<NextStep>(*settlement) ? fault_points::kBeforeStepCommit
                                                                       : fault_points::kBeforeFinalCommit);
      return absl::OkStatus();
    });
  });
  if (!settled.ok()) return settled;
  FAULT_POINT(std::holds_alternative<NextStep>(*settlement) ? fault_points::kAfterStepCommit
                                                            : fault_points::kAfterFinalCommit);
  return *std::move(settlement);
}

absl::StatusOr<OperationKernel::Settlement> OperationKernel::SettleUnderFence(const Attempt& attempt,
                                                                              const ActionContext& context,
                                                                              const Operation& operation,
                                                                              const FrozenStep& step,
                                                                              const StepVerdict& verdict) {
  if (const auto* rejected = std::get_if<StepRejected>(&verdict)) {
    telemetry::Guardrail(
        "BILLING_PROVIDER_REJECTED",
        {{"operation_key", operation.operation_key}, {"purpose", step.purpose}, {"detail", rejected->detail}});
    RETURN_IF_ERROR(RejectStep(context.tx, step, rejected->detail));
    return End(
        attempt, context.tx, operation,
        Refusal{attempt.action.rejection(), "the payment provider refused the request", {{"operation", operation.id}}});
  }
  if (const auto* withheld = std::get_if<StepWithheld>(&verdict)) {
    return EndWithheld(attempt, context, operation, step, withheld->reason);
  }
  const auto* done = std::get_if<StepDone>(&verdict);
  if (done != nullptr) {
    RETURN_IF_ERROR(SucceedStep(context.tx, step, done->object_id));
  } else {
    RETURN_IF_ERROR(SupersedeStep(context.tx, step));
  }
  ASSIGN_OR_RETURN(Progress progress, attempt.action.Advance(context, operation, done));
  if (auto* next = std::get_if<NextStep>(&progress)) return *std::move(next);
  return End(attempt, context.tx, operation, progress);
}

absl::StatusOr<OperationKernel::Settlement> OperationKernel::EndWithheld(const Attempt& attempt,
                                                                         const ActionContext& context,
                                                                         const Operation& operation,
                                                                         const FrozenStep& step, Reason reason) {
  RETURN_IF_ERROR(SupersedeStep(context.tx, step));
  RETURN_IF_ERROR(attempt.action.Withheld(context, operation, step));
  return End(attempt, context.tx, operation,
             Refusal{reason,
                     "the request could not be sent again, and nothing was found that it made",
                     {{"operation", operation.id}}});
}

absl::StatusOr<OperationKernel::Settlement> OperationKernel::End(const Attempt& attempt, db::Tx& tx,
                                                                 const Operation& operation, const Progress& progress) {
  Operation ended = operation;
  if (const auto* succeeded = std::get_if<Succeeded>(&progress)) {
    ended.status = OperationStatus::kSucceeded;
    ended.response = succeeded->response;
    RETURN_IF_ERROR(Audit(tx, attempt, attempt.action.audit_created(), &operation, "", "", {&operation, &ended}));
    RETURN_IF_ERROR(SucceedOperation(tx, operation, succeeded->response));
    return Answer(succeeded->response);
  }
  Refusal refusal = std::get<Refusal>(progress);
  const std::string& code = CodeOf(refusal.reason);
  ended.status = EndedStatus(refusal.reason);
  ended.failure_code = code;
  RETURN_IF_ERROR(Audit(tx, attempt, attempt.action.audit_refused(), &operation, code, "", {&operation, &ended}));
  RETURN_IF_ERROR(FailOperation(tx, operation, ended.status, code));
  return Answer(std::move(refusal));
}

absl::StatusOr<Answer> OperationKernel::LeavePending(const Attempt& attempt, const Operation& operation,
                                                     std::string_view why) {
  telemetry::Guardrail(
      "BILLING_PROVIDER_OUTCOME_UNKNOWN",
      {{"operation_key", operation.operation_key}, {"entity_id", operation.entity_id}, {"why", std::string(why)}});
  const Refusal refusal = InProgress(operation);
  // Nobody was refused anything.
  if (attempt.recovers) return Answer(refusal);
  const absl::Status audited = deps_.pool.Run(db::Scope::Tenant(operation.entity_id), [&](db::Tx& tx) {
    return Audit(tx, attempt, attempt.action.audit_refused(), &operation, CodeOf(refusal.reason), why);
  });
  // The answer stands without its audit row: nothing changed that the row would have to explain.
  if (!audited.ok()) {
    telemetry::Warn("an answer could not be audited",
                    {{"operation_key", operation.operation_key}, {"error", std::string(audited.message())}});
  }
  return Answer(refusal);
}

absl::Status OperationKernel::WithEntityLocked(const Attempt& attempt, const InContext& fn) {
  return deps_.pool.Run(db::Scope::Tenant(attempt.request.entity_id),
                        [&](db::Tx& tx) { return LockAndRun(tx, attempt, fn); });
}

absl::Status OperationKernel::LockAndRun(db::Tx& tx, const Attempt& attempt, const InContext& fn) {
  ASSIGN_OR_RETURN(const LockedEntity entity, LockAndReadEntity(tx, attempt.request.entity_id, deps_.env));
  // In a later statement than the lock: what counts is when it was had (IDM-16).
  ASSIGN_OR_RETURN(const absl::Time now, tx.Now());
  return fn({tx, entity, now, attempt.provenance.ok() ? *attempt.provenance : kNoProvenance});
}

absl::Status OperationKernel::Audit(db::Tx& tx, const Attempt& attempt, const std::string& action,
                                    const Operation* operation, std::string_view code, std::string_view why,
                                    const Change& change) {
  nlohmann::json detail = {{"write", attempt.action.name()}};
  if (!code.empty()) detail["code"] = std::string(code);
  if (!why.empty()) detail["why"] = std::string(why);
  if (operation != nullptr) {
    detail["operation"] = operation->id;
    if (!operation->plan_code.empty()) detail["plan_code"] = operation->plan_code;
  }
  audit::Record record{
      .env = deps_.env, .entity_id = attempt.request.entity_id, .actor = attempt.request.actor, .action = action};
  if (operation != nullptr) record.operation_key = operation->operation_key;
  record.before_digest = DigestOf(change.before);
  record.after_digest = DigestOf(change.after);
  ASSIGN_OR_RETURN(record.detail_json, json::Canonical(detail));
  return audit::Append(tx, deps_.ids, {std::move(record)});
}

Operation OperationKernel::NewOperation(const Attempt& attempt, const Claim& claim) const {
  const WriteRequest& request = attempt.request;
  Operation operation;
  operation.id = attempt.operation_id;
  operation.env = deps_.env;
  operation.entity_id = request.entity_id;
  operation.action = attempt.action.name();
  operation.client_key = request.client_key;
  operation.fingerprint = request.fingerprint;
  operation.canonical_request = request.canonical_request;
  operation.operation_key = OperationKey(deps_.operation_key_secret, operation.action, operation.entity_id,
                                         operation.client_key, operation.id);
  operation.actor = request.actor;
  operation.lease.owner = attempt.lease_owner;
  operation.provider = deps_.format.provider();
  operation.plan_code = claim.plan_code;
  operation.plan_version = claim.plan_version;
  return operation;
}

}  // namespace billmesh::checkout
