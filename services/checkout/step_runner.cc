#include "services/checkout/step_runner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "services/checkout/fault_points.h"
#include "services/checkout/replay_rules.h"

namespace billmesh::checkout {
namespace {

using provider::CallResult;
using provider::Outcome;

// What each purpose makes.
constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
    {provider::kCreateCustomer, provider::kCustomerKind},
    {provider::kCreateCheckoutSession, provider::kCheckoutSessionKind},
};

// A lookup reads the objects made while the step could be sent, by the provider's clock, which may have been a day off
// ours, and so many pages of them at most; beyond, it answers that it doesn't know.
constexpr absl::Duration kClockSlack = absl::Hours(26);
constexpr int kMaxLookUpPages = 200;
constexpr int kLookUpPage = 100;

std::string_view KindOf(std::string_view purpose) {
  for (const auto& [known, kind] : kKinds) {
    if (known == purpose) return kind;
  }
  return "";
}

// An object that a frozen request made carries all the metadata that the request had.
bool Carries(const provider::ObjectMetadata& object, const provider::ObjectMetadata& frozen) {
  return !frozen.empty() && std::all_of(frozen.begin(), frozen.end(), [&](const auto& pair) {
    const auto it = object.find(pair.first);
    return it != object.end() && it->second == pair.second;
  });
}

std::string UnixSeconds(absl::Time time) { return absl::StrCat(absl::ToUnixSeconds(time)); }

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
  SendingFacts facts;
  facts.known_object = next.known_object_id.has_value();
  facts.fresh = next.fresh;
  facts.deadline_passed = DatabaseNow(holding) >= next.step.replay_deadline_at;
  facts.provenance_matches = ProvenanceAllowsReplay(next.step.provenance, provenance);
  facts.owned_by_entity = !next.step.operation_id.has_value();
  if (!facts.provenance_matches) {
    telemetry::Guardrail("BILLING_REPLAY_PROVENANCE_MISMATCH",
                         {{"step", next.step.id}, {"operation_key", operation.operation_key}});
  }
  switch (DecideSending(facts)) {
    case Sending::kFirst:
      return Send(next, /*first=*/true, holding);
    case Sending::kReplay:
      return Send(next, /*first=*/false, holding);
    case Sending::kRetrieve:
      return Fetch(next.step, *next.known_object_id, holding);
    case Sending::kLookUp:
      return LookUp(next.step, holding);
    case Sending::kWithhold:
      break;
  }
  return StepUnresolved{"replay_not_allowed"};
}

StepVerdict StepRunner::Send(const NextStep& next, bool first, const Holding& holding) const {
  // Repeated sendings inside the call must not outlive the deadline either (IDM-6).
  const absl::Duration timeout = std::min(TimeLeft(holding), next.step.replay_deadline_at - DatabaseNow(holding));
  if (timeout <= absl::ZeroDuration()) return StepUnresolved{"no_time_left"};
  FAULT_POINT(fault_points::kBeforeDispatch);
  const CallResult result = deps_.provider.Create({.purpose = next.step.purpose,
                                                   .idempotency_key = next.step.idempotency_key,
                                                   .params_json = next.step.params_json,
                                                   .may_have_been_sent = !first},
                                                  {.timeout = timeout, .not_after = holding.sendings_end});
  FAULT_POINT(fault_points::kAfterAnswer);
  switch (result.outcome) {
    case Outcome::kSuccess:
      break;
    case Outcome::kRejected:
      return StepRejected{absl::StrCat(result.error_type, " ", result.error_code, " ", result.http_status)};
    case Outcome::kUnknown:
      return StepUnresolved{"provider_outcome_unknown"};
  }
  if (first) return Accept(next.step, result);
  // A replayed create answers with the object as it was made: only its id is good.
  const auto made = deps_.format.ReadObject(result.object_json);
  if (!made.ok()) return StepUnresolved{"provider_answer_unreadable"};
  return Fetch(next.step, made->id, holding);
}

StepVerdict StepRunner::Fetch(const FrozenStep& step, const std::string& object_id, const Holding& holding) const {
  const absl::Duration timeout = TimeLeft(holding);
  if (timeout <= absl::ZeroDuration()) return StepUnresolved{"no_time_left"};
  FAULT_POINT(fault_points::kBeforeRetrieve);
  const CallResult result = deps_.provider.Retrieve(KindOf(step.purpose), object_id, {.timeout = timeout});
  FAULT_POINT(fault_points::kAfterRetrieve);
  if (result.outcome == Outcome::kSuccess) return Accept(step, result);
  // An entity's customer that was deleted is replaced; a session doesn't vanish.
  if (result.not_found && !step.operation_id.has_value()) return StepAbsent{};
  return StepUnresolved{"provider_object_not_retrieved"};
}

StepVerdict StepRunner::LookUp(const FrozenStep& step, const Holding& holding) const {
  const auto frozen = deps_.format.ReadFrozen(step.params_json);
  if (!frozen.ok()) return StepUnresolved{"frozen_request_unreadable"};
  provider::ListQuery query;
  query.limit = kLookUpPage;
  query.filters = {{"created_gte", UnixSeconds(step.frozen_at - kClockSlack)},
                   {"created_lte", UnixSeconds(step.replay_deadline_at + kClockSlack)}};
  if (frozen->customer_id.has_value()) query.filters["customer"] = *frozen->customer_id;
  FAULT_POINT(fault_points::kBeforeLookUp);
  for (int page = 0; page < kMaxLookUpPages; ++page) {
    const absl::Duration timeout = TimeLeft(holding);
    if (timeout <= absl::ZeroDuration()) return StepUnresolved{"no_time_left"};
    const CallResult result = deps_.provider.List(KindOf(step.purpose), query, {.timeout = timeout});
    if (result.outcome != Outcome::kSuccess) return StepUnresolved{"provider_list_failed"};
    const auto list = deps_.format.ReadList(result.object_json);
    if (!list.ok()) return StepUnresolved{"provider_answer_unreadable"};
    for (const provider::ObjectSnapshot& object : list->objects) {
      if (Carries(object.metadata, frozen->metadata)) return Fetch(step, object.id, holding);
    }
    if (!list->has_more || list->objects.empty()) {
      FAULT_POINT(fault_points::kAfterLookUp);
      return StepAbsent{};
    }
    query.starting_after = list->objects.back().id;
  }
  return StepUnresolved{"too_many_objects_to_look_through"};
}

StepVerdict StepRunner::Accept(const FrozenStep& step, const CallResult& result) const {
  const auto object = deps_.format.ReadObject(result.object_json);
  const auto frozen = deps_.format.ReadFrozen(step.params_json);
  if (!object.ok() || !frozen.ok()) return StepUnresolved{"provider_answer_unreadable"};
  // A deleted object comes without its metadata.
  if (object->deleted) {
    return step.operation_id.has_value() ? StepVerdict(StepUnresolved{"provider_object_deleted"})
                                         : StepVerdict(StepAbsent{});
  }
  if (!Carries(object->metadata, frozen->metadata)) {
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
