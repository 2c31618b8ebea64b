#include "services/checkout/step_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "services/checkout/fault_points.h"

namespace billmesh::checkout {
namespace {

using provider::CallResult;
using provider::Outcome;

// A lookup reads the objects made while the step could be sent, by the provider's clock, which may have been a day off
// ours, and so many pages of them at most; beyond, it answers that it doesn't know.
constexpr absl::Duration kClockSlack = absl::Hours(26);
constexpr int kMaxLookUpPages = 200;
constexpr int kLookUpPage = 100;

// An object that a frozen request made carries all the metadata that the request had.
bool Carries(const provider::ObjectMetadata& object, const provider::ObjectMetadata& frozen) {
  return !frozen.empty() && std::all_of(frozen.begin(), frozen.end(), [&](const auto& pair) {
    const auto it = object.find(pair.first);
    return it != object.end() && it->second == pair.second;
  });
}

std::string UnixSeconds(absl::Time time) { return absl::StrCat(absl::ToUnixSeconds(time)); }

// For the step's row and alerts: no free text of the provider's.
std::string Describe(const CallResult& result) {
  return absl::StrCat(result.error_type, " ", result.error_code, " ", result.http_status);
}

}  // namespace

absl::StatusOr<StepVerdict> StepRunner::Run(const Action& action, const Operation& operation, const NextStep& next,
                                            const provider::Provenance& provenance, const Holding& holding) const {
  absl::Status sound = VerifyFrozen(next.step);
  if (sound.ok()) sound = action.CheckFrozen(operation, next);
  if (!sound.ok()) {
    telemetry::Guardrail(
        "BILLING_FROZEN_REQUEST_TAMPERED",
        {{"step", next.step.id}, {"operation_key", operation.operation_key}, {"entity_id", operation.entity_id}});
    return sound;
  }
  const StepRule* const rule = RuleOfStep(next.step.purpose);
  if (rule == nullptr) return absl::InternalError("no rule for the step's purpose");
  SendingFacts facts;
  facts.resolution = rule->resolution;
  facts.known_object = next.known_object_id.has_value();
  facts.fresh = next.fresh;
  const StepAge age = AgeOf(next.step.frozen_at, next.step.replay_deadline_at, DatabaseNow(holding));
  facts.deadline_passed = age != StepAge::kReplayable;
  facts.provenance_matches = ProvenanceAllowsReplay(next.step.provenance, provenance);
  facts.account_matches = SameAccount(next.step.provenance, provenance);
  facts.owned_by_entity = !next.step.operation_id.has_value();
  if (!facts.provenance_matches) {
    telemetry::Guardrail("BILLING_REPLAY_PROVENANCE_MISMATCH",
                         {{"step", next.step.id}, {"operation_key", operation.operation_key}});
  }
  StepVerdict verdict = Take({action, operation, next, *rule, holding}, facts);
  // Nobody could look for so long that nothing can appear any more: what blocks ends (IDM-10). The entity's customer
  // alone is waited for: another could be made beside it.
  if (std::holds_alternative<StepUnresolved>(verdict) && age == StepAge::kPastAllDoubt && !facts.owned_by_entity) {
    return StepWithheld{Reason::FAILURE_REASON_CHECKOUT_RECOVERY_WINDOW_ELAPSED};
  }
  return verdict;
}

StepVerdict StepRunner::Take(const Turn& turn, const SendingFacts& facts) const {
  const StepWithheld withheld{facts.deadline_passed ? Reason::FAILURE_REASON_CHECKOUT_RECOVERY_WINDOW_ELAPSED
                                                    : Reason::FAILURE_REASON_CHECKOUT_REPLAY_PROVENANCE_MISMATCH};
  switch (DecideSending(facts)) {
    case Sending::kFirst:
      return SendFirst(turn);
    case Sending::kReplay:
      return Replay(turn);
    case Sending::kRetrieve:
      return Fetch(turn, *turn.next.known_object_id);
    case Sending::kLookUp:
    case Sending::kInspect: {
      StepVerdict found = Find(turn);
      const bool absent = std::holds_alternative<StepAbsent>(found);
      return absent && !facts.owned_by_entity ? StepVerdict(withheld) : found;
    }
    case Sending::kSupersede:
      return StepAbsent{};
    case Sending::kWithhold:
      break;
  }
  return withheld;
}

StepVerdict StepRunner::SendFirst(const Turn& turn) const {
  const auto result = Send(turn, /*first=*/true);
  if (!result.has_value()) return StepUnresolved{"no_time_left"};
  switch (result->outcome) {
    case Outcome::kSuccess:
      return Accept(turn, *result);
    case Outcome::kUnknown:
      return StepUnresolved{"provider_outcome_unknown"};
    case Outcome::kRejected:
      break;
  }
  // A change is refused also because it is there already: a second cancellation, a session that has ended.
  if (turn.rule.resolution == Resolution::kInspect) {
    StepVerdict found = Inspect(turn);
    if (!std::holds_alternative<StepAbsent>(found)) return found;
  }
  return StepRejected{Describe(*result)};
}

StepVerdict StepRunner::Replay(const Turn& turn) const {
  const auto result = Send(turn, /*first=*/false);
  if (!result.has_value()) return StepUnresolved{"no_time_left"};
  if (result->outcome == Outcome::kSuccess) {
    // A replayed answer shows the object as it was then: only its id is good.
    const auto made = deps_.format.ReadObject(result->object_json);
    if (!made.ok()) return StepUnresolved{"provider_answer_unreadable"};
    return Fetch(turn, made->id);
  }
  const bool ended = JudgeReplay(*result) == ReplayAnswer::kEnded;
  if (!ended && turn.operation.recovery_attempts < kLookAfterRecoveries) {
    return StepUnresolved{"provider_outcome_unknown"};
  }
  StepVerdict found = Find(turn);
  if (!std::holds_alternative<StepAbsent>(found)) return found;
  // Not there, and nothing runs that could still make it: refused after all (IDM-8, IDM-9).
  return ended ? StepVerdict(StepRejected{Describe(*result)}) : StepUnresolved{"provider_outcome_unknown"};
}

std::optional<CallResult> StepRunner::Send(const Turn& turn, bool first) const {
  const FrozenStep& step = turn.step();
  // Repeated sendings inside the call must not outlive the deadline either (IDM-6).
  const absl::Duration timeout = std::min(TimeLeft(turn.holding), step.replay_deadline_at - DatabaseNow(turn.holding));
  if (timeout <= absl::ZeroDuration()) return std::nullopt;
  FAULT_POINT(fault_points::kBeforeDispatch);
  CallResult result = deps_.provider.Send(
      {.purpose = step.purpose,
       .idempotency_key = step.idempotency_key,
       .params_json = step.params_json,
       .may_have_been_sent = !first},
      {.timeout = timeout, .not_after = turn.holding.sendings_end, .priority = turn.holding.priority});
  FAULT_POINT(fault_points::kAfterAnswer);
  return result;
}

StepVerdict StepRunner::Find(const Turn& turn) const {
  return turn.rule.resolution == Resolution::kInspect ? Inspect(turn) : LookUp(turn);
}

CallResult StepRunner::Retrieve(const Turn& turn, const std::string& object_id, absl::Duration timeout) const {
  FAULT_POINT(fault_points::kBeforeRetrieve);
  CallResult result =
      deps_.provider.Retrieve(turn.rule.kind, object_id, {.timeout = timeout, .priority = turn.holding.priority});
  FAULT_POINT(fault_points::kAfterRetrieve);
  return result;
}

StepVerdict StepRunner::Fetch(const Turn& turn, const std::string& object_id) const {
  const absl::Duration timeout = TimeLeft(turn.holding);
  if (timeout <= absl::ZeroDuration()) return StepUnresolved{"no_time_left"};
  const CallResult result = Retrieve(turn, object_id, timeout);
  if (result.outcome == Outcome::kSuccess) return Accept(turn, result);
  // An entity's customer that was deleted is replaced; a session doesn't vanish.
  if (result.not_found && !turn.step().operation_id.has_value()) return StepAbsent{};
  return StepUnresolved{"provider_object_not_retrieved"};
}

StepVerdict StepRunner::Inspect(const Turn& turn) const {
  const auto frozen = deps_.format.ReadFrozen(turn.step().params_json);
  if (!frozen.ok() || !frozen->object_id.has_value()) return StepUnresolved{"frozen_request_unreadable"};
  const absl::Duration timeout = TimeLeft(turn.holding);
  if (timeout <= absl::ZeroDuration()) return StepUnresolved{"no_time_left"};
  const CallResult result = Retrieve(turn, *frozen->object_id, timeout);
  // What isn't there can't have the change.
  if (result.not_found) return StepAbsent{};
  if (result.outcome != Outcome::kSuccess) return StepUnresolved{"provider_object_not_retrieved"};
  const auto taken = turn.action.HasTaken(turn.step(), result.object_json);
  if (!taken.ok()) return StepUnresolved{"provider_answer_unreadable"};
  return *taken ? Accept(turn, result) : StepVerdict(StepAbsent{});
}

StepVerdict StepRunner::LookUp(const Turn& turn) const {
  const FrozenStep& step = turn.step();
  const auto frozen = deps_.format.ReadFrozen(step.params_json);
  if (!frozen.ok()) return StepUnresolved{"frozen_request_unreadable"};
  provider::ListQuery query;
  query.limit = kLookUpPage;
  // Payment links can't be listed by their creation.
  if (turn.rule.kind != provider::kPaymentLinkKind) {
    query.filters = {{"created_gte", UnixSeconds(step.frozen_at - kClockSlack)},
                     {"created_lte", UnixSeconds(step.replay_deadline_at + kClockSlack)}};
  }
  if (frozen->customer_id.has_value()) query.filters["customer"] = *frozen->customer_id;
  FAULT_POINT(fault_points::kBeforeLookUp);
  for (int page = 0; page < kMaxLookUpPages; ++page) {
    const absl::Duration timeout = TimeLeft(turn.holding);
    if (timeout <= absl::ZeroDuration()) return StepUnresolved{"no_time_left"};
    const CallResult result =
        deps_.provider.List(turn.rule.kind, query, {.timeout = timeout, .priority = turn.holding.priority});
    if (result.outcome != Outcome::kSuccess) return StepUnresolved{"provider_list_failed"};
    const auto list = deps_.format.ReadList(result.object_json);
    if (!list.ok()) return StepUnresolved{"provider_answer_unreadable"};
    for (const provider::ObjectSnapshot& object : list->objects) {
      if (Carries(object.metadata, frozen->metadata)) return Fetch(turn, object.id);
    }
    if (!list->has_more || list->objects.empty()) {
      FAULT_POINT(fault_points::kAfterLookUp);
      return StepAbsent{};
    }
    query.starting_after = list->objects.back().id;
  }
  return StepUnresolved{"too_many_objects_to_look_through"};
}

StepVerdict StepRunner::Accept(const Turn& turn, const CallResult& result) const {
  const FrozenStep& step = turn.step();
  const auto object = deps_.format.ReadObject(result.object_json);
  const auto frozen = deps_.format.ReadFrozen(step.params_json);
  if (!object.ok() || !frozen.ok()) return StepUnresolved{"provider_answer_unreadable"};
  const bool changes = frozen->object_id.has_value();
  // A deleted object comes without its metadata.
  if (object->deleted && !changes) {
    return step.operation_id.has_value() ? StepVerdict(StepUnresolved{"provider_object_deleted"})
                                         : StepVerdict(StepAbsent{});
  }
  const bool ours = changes
                        ? object->id == *frozen->object_id
                        : turn.rule.resolution == Resolution::kRepeat || Carries(object->metadata, frozen->metadata);
  if (!ours) {
    telemetry::Guardrail("BILLING_CHECKOUT_CORRELATION_MISMATCH",
                         {{"step", step.id}, {"entity_id", step.entity_id}, {"object", object->id}});
    return StepUnresolved{"provider_object_not_ours"};
  }
  return StepDone{step, object->id, result.object_json, result.provider_date};
}

absl::Time StepRunner::DatabaseNow(const Holding& holding) const {
  return holding.database_now + (deps_.clock.Monotonic() - holding.read_at);
}

absl::Duration StepRunner::TimeLeft(const Holding& holding) const {
  return lease::CallTime(holding.sendings_end, deps_.clock.Monotonic(), deps_.call_timeout);
}

}  // namespace billmesh::checkout
