#include "services/checkout/operation_kernel.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/audit/digest.h"
#include "common/json/json.h"
#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "nlohmann/json.hpp"
#include "services/checkout/fault_points.h"
#include "services/checkout/idempotency_store.h"
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

void Count(const std::string& action, const std::string& outcome) {
  telemetry::GetCounter("billmesh_checkout_operations_total", "Client writes by action and outcome",
                        {{"action", action}, {"outcome", outcome}})
      .Add();
}

absl::StatusOr<std::string> Tell(const Answer& answer) {
  if (const auto* response = std::get_if<std::string>(&answer)) return *response;
  const Refusal& refusal = std::get<Refusal>(answer);
  return Fail(refusal.reason, refusal.message, refusal.metadata);
}

// One line a write. `operation_key` is empty where the write was refused before there was an operation.
void LogOutcome(const Action& action, const WriteRequest& request, const std::string& operation_key,
                const Answer& answer, bool replayed) {
  const auto* refusal = std::get_if<Refusal>(&answer);
  std::vector<telemetry::Field> fields = {
      {"action", action.name()}, {"entity_id", request.entity_id}, {"replayed", replayed ? "true" : "false"}};
  if (!operation_key.empty()) fields.emplace_back("operation_key", operation_key);
  if (refusal != nullptr) fields.emplace_back("code", CodeOf(refusal->reason));
  telemetry::LogFields(telemetry::Level::kInfo, refusal == nullptr ? "operation succeeded" : "operation refused",
                       fields);
}

absl::StatusOr<std::string> Conclude(const Action& action, const WriteRequest& request,
                                     const std::string& operation_key, const Answer& answer) {
  const auto* refusal = std::get_if<Refusal>(&answer);
  Count(action.name(), refusal == nullptr ? "succeeded" : CodeOf(refusal->reason));
  LogOutcome(action, request, operation_key, answer, /*replayed=*/false);
  return Tell(answer);
}

const char* StatusText(OperationStatus status) {
  switch (status) {
    case OperationStatus::kPending:
      return "pending";
    case OperationStatus::kSucceeded:
      return "succeeded";
    case OperationStatus::kFailed:
      return "failed";
    case OperationStatus::kExpired:
      return "expired";
  }
  return "";
}

// Without its lease and deadlines: they change while it is worked on, and no audit row tells of that.
std::optional<std::string> DigestOf(const Operation* operation) {
  if (operation == nullptr) return std::nullopt;
  const Operation& o = *operation;
  return audit::Digest({{"id", o.id},
                        {"entity_id", o.entity_id},
                        {"action", o.action},
                        {"operation_key", o.operation_key},
                        {"fingerprint", o.fingerprint},
                        {"provider", o.provider},
                        {"plan_code", o.plan_code},
                        {"plan_version", absl::StrCat(o.plan_version)},
                        {"status", StatusText(o.status)},
                        {"failure_code", o.failure_code},
                        {"response", o.response}});
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

absl::StatusOr<std::string> OperationKernel::Run(const Action& action, const WriteRequest& request) {
  Attempt attempt{action, request, deps_.ids.NewId(), "", deps_.provider.GetProvenance()};
  attempt.lease_owner = absl::StrCat(deps_.holder, "/", attempt.operation_id);
  ASSIGN_OR_RETURN(Opening opening, Open(attempt));
  if (const auto* consult = std::get_if<Consult>(&opening)) {
    RETURN_IF_ERROR(Ask(attempt, *consult));
    attempt.consulted = true;
    ASSIGN_OR_RETURN(opening, Open(attempt));
  }
  if (const auto* replayed = std::get_if<Replayed>(&opening)) {
    Count(action.name(), "replayed");
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

absl::StatusOr<OperationKernel::Opening> OperationKernel::Open(const Attempt& attempt) {
  std::optional<Opening> opening;
  const absl::Status opened = ThroughDoubt([&] {
    // Read before the lease is taken, so that our idea of its end is never later than the database's.
    const absl::Duration read_at = deps_.clock.Monotonic();
    return WithEntityLocked(attempt, [&](const ActionContext& context) -> absl::Status {
      ASSIGN_OR_RETURN(auto existing, LockOperationByKey(context.tx, attempt.request.entity_id, attempt.action.name(),
                                                         attempt.request.client_key));
      if (existing.has_value()) {
        ASSIGN_OR_RETURN(opening, OpenExisting(attempt, context, *std::move(existing), read_at));
      } else {
        ASSIGN_OR_RETURN(opening, OpenNew(attempt, context, read_at));
      }
      if ([[maybe_unused]] const auto* held = std::get_if<Held>(&*opening)) {
        FAULT_POINT_STATUS(held->taken_over ? fault_points::kBeforeTakeoverCommit : fault_points::kBeforeClaimCommit);
      }
      return absl::OkStatus();
    });
  });
  if (!opened.ok()) return opened;
  if ([[maybe_unused]] const auto* held = std::get_if<Held>(&*opening)) {
    FAULT_POINT(held->taken_over ? fault_points::kAfterTakeoverCommit : fault_points::kAfterClaimCommit);
  }
  return *std::move(opening);
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
  if (operation.fingerprint != attempt.request.fingerprint) {
    const Refusal conflict{Reason::FAILURE_REASON_IDEMPOTENCY_CONFLICT,
                           "the Idempotency-Key was used with another request"};
    RETURN_IF_ERROR(Audit(context.tx, attempt, attempt.action.audit_refused(), nullptr, CodeOf(conflict.reason)));
    return Answer(conflict);
  }
  if (operation.status != OperationStatus::kPending) return Replayed{Recorded(operation), operation.operation_key};
  // Our own claim or takeover, whose COMMIT got no reply.
  if (operation.lease.owner == attempt.lease_owner) {
    return Hold(attempt, context, std::move(operation), /*taken_over=*/true, read_at);
  }
  if (!operation.lease.Ended(context.now)) {
    const Refusal running = InProgress(operation);
    RETURN_IF_ERROR(Audit(context.tx, attempt, attempt.action.audit_refused(), &operation, CodeOf(running.reason)));
    return Answer(running);
  }
  ASSIGN_OR_RETURN(operation, TakeOverOperation(context.tx, operation.id, attempt.lease_owner, deps_.times.lease));
  return Hold(attempt, context, std::move(operation), /*taken_over=*/true, read_at);
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
      .read_at = read_at};
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
    // Also where a replay is not allowed any more (IDM-6, IDM-7): what ends such an operation is a lookup and a
    // hold (IDM-9, IDM-10), and until they are written it is neither cleared nor answered wrongly (IDM-12).
    if (const auto* unresolved = std::get_if<StepUnresolved>(&verdict)) {
      return LeavePending(attempt, held.operation, unresolved->why);
    }
    ASSIGN_OR_RETURN(Settlement settlement, Settle(attempt, held, verdict));
    if (auto* answer = std::get_if<Answer>(&settlement)) return *std::move(answer);
    held.next = std::get<NextStep>(std::move(settlement));
  }
  return absl::InternalError("an action takes more steps than it may");
}

absl::StatusOr<OperationKernel::Settlement> OperationKernel::Settle(const Attempt& attempt, const Held& held,
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
  ended.status = OperationStatus::kFailed;
  ended.failure_code = code;
  RETURN_IF_ERROR(Audit(tx, attempt, attempt.action.audit_refused(), &operation, code, "", {&operation, &ended}));
  RETURN_IF_ERROR(FailOperation(tx, operation, code));
  return Answer(std::move(refusal));
}

absl::StatusOr<Answer> OperationKernel::LeavePending(const Attempt& attempt, const Operation& operation,
                                                     std::string_view why) {
  telemetry::Guardrail(
      "BILLING_PROVIDER_OUTCOME_UNKNOWN",
      {{"operation_key", operation.operation_key}, {"entity_id", operation.entity_id}, {"why", std::string(why)}});
  const Refusal refusal = InProgress(operation);
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
  return deps_.pool.Run(db::Scope::Tenant(attempt.request.entity_id), [&](db::Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const LockedEntity entity, LockAndReadEntity(tx, attempt.request.entity_id, deps_.env));
    // In a later statement than the lock: what counts is when it was had (IDM-16).
    ASSIGN_OR_RETURN(const absl::Time now, tx.Now());
    return fn({tx, entity, now, attempt.provenance.ok() ? *attempt.provenance : kNoProvenance});
  });
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
