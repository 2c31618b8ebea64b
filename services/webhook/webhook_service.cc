#include "services/webhook/webhook_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/fault/fault_point.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {
namespace {

// Errors that lie in the data, so that trying the same again can't help and other events aren't to blame.
bool IsDataError(const absl::Status& status) {
  const Reason reason = ReasonOf(status);
  return reason == Reason::FAILURE_REASON_DATA_INVALID || reason == Reason::FAILURE_REASON_CONSTRAINT_VIOLATION;
}

// "constraint_violation: subscriptions_customer_fkey", "data_invalid: 22003": no value of the event's.
std::string ReasonText(const absl::Status& status) {
  const Metadata metadata = MetadataOf(status);
  for (const char* key : {"constraint", "sqlstate"}) {
    const auto at = metadata.find(key);
    if (at != metadata.end() && !at->second.empty()) return absl::StrCat(CodeOf(ReasonOf(status)), ": ", at->second);
  }
  return CodeOf(ReasonOf(status));
}

const char* GuardrailOf(Disposition disposition) {
  switch (disposition) {
    case Disposition::kQuarantined:
      return kCorrelationMismatch;
    case Disposition::kFailed:
      return kWebhookFailed;
    case Disposition::kDead:
      return kWebhookDead;
    default:
      return nullptr;
  }
}

telemetry::Labels FieldsOf(const provider::Event& event, const EventResult& result) {
  return {{"provider_event_id", event.id},
          {"type", event.type},
          {"object_id", event.object_id.value_or("")},
          {"provider_customer_id", event.customer_id.value_or("")},
          {"entity_id", result.entity_id.empty() ? result.correlated_entity_id : result.entity_id},
          {"operation_key", result.operation_key.value_or("")},
          {"reason", result.reason}};
}

// One line an event, of what identifies it and never of what it says.
void LogEvent(const provider::Event& event, const EventResult& result, const std::string& outcome) {
  std::vector<telemetry::Field> fields = {{"provider_event_id", event.id}, {"type", event.type}, {"outcome", outcome}};
  const std::string& entity = result.entity_id.empty() ? result.correlated_entity_id : result.entity_id;
  if (!entity.empty()) fields.emplace_back("entity_id", entity);
  if (result.operation_key.has_value()) fields.emplace_back("operation_key", *result.operation_key);
  telemetry::LogFields(telemetry::Level::kInfo, "event stored", fields);
}

void TellOf(const provider::Event& event, const EventResult& result, const std::vector<Duplicate>& duplicates) {
  const std::string outcome = result.duplicate ? "duplicate" : std::string(NameOf(result.disposition));
  CountEvent(event.type, outcome);
  LogEvent(event, result, outcome);
  if (result.duplicate) return;
  if (const char* code = GuardrailOf(result.disposition)) telemetry::Guardrail(code, FieldsOf(event, result));
  if (result.disposition != Disposition::kProcessed) return;
  if (result.applied.tie) CountTie();
  for (const SessionChange& change : result.applied.session_changes) {
    if (change.paid_late) telemetry::Guardrail(kLatePayment, FieldsOf(event, result));
  }
  const bool new_duplicate = std::any_of(duplicates.begin(), duplicates.end(),
                                         [&](const Duplicate& d) { return d.entity_id == result.entity_id; });
  if (result.applied.canonical_tie && new_duplicate) telemetry::Guardrail(kCanonicalTieBreak, FieldsOf(event, result));
}

}  // namespace

std::vector<absl::StatusOr<EventResult>> WebhookService::Apply(const std::vector<Incoming>& events) {
  auto outcome = Transact(events, nullptr);
  if (!outcome.ok() && IsDataError(outcome.status())) {
    if (events.size() == 1) {
      const std::string reason = ReasonText(outcome.status());
      outcome = Transact(events, &reason);
    } else {
      std::vector<absl::StatusOr<EventResult>> answers;
      for (const Incoming& event : events) answers.push_back(std::move(Apply({event})[0]));
      return answers;
    }
  }
  if (!outcome.ok()) return std::vector<absl::StatusOr<EventResult>>(events.size(), outcome.status());
  Publish(events, *outcome);
  return std::vector<absl::StatusOr<EventResult>>(outcome->results.begin(), outcome->results.end());
}

absl::StatusOr<EventResult> WebhookService::StoreAsFailed(const Incoming& event, const std::string& reason) {
  const std::vector<Incoming> events = {event};
  ASSIGN_OR_RETURN(const BatchOutcome outcome, Transact(events, &reason));
  Publish(events, outcome);
  return outcome.results[0];
}

absl::StatusOr<BatchOutcome> WebhookService::Transact(const std::vector<Incoming>& events, const std::string* failure) {
  auto outcome = db::RunInTransaction(
      deps_.pool, db::Scope::System("webhook.apply"), [&](db::Tx& tx) -> absl::StatusOr<BatchOutcome> {
        EventBatch batch(settings_, deps_.ids, events);
        auto applied = failure != nullptr ? batch.RunAsFailed(tx, *failure) : batch.Run(tx);
        FAULT_POINT("webhook.before_commit");
        return applied;
      });
  FAULT_POINT("webhook.after_commit_before_answer");
  return outcome;
}

void WebhookService::Publish(const std::vector<Incoming>& events, const BatchOutcome& outcome) {
  for (size_t i = 0; i < events.size(); ++i) {
    const telemetry::CallScope scope(events[i].trace);
    TellOf(events[i].event, outcome.results[i], outcome.duplicates);
  }
  // What follows belongs to the batch: it travels under its first event's ids.
  const telemetry::CallScope scope(events.front().trace);
  for (const Duplicate& duplicate : outcome.duplicates) {
    telemetry::Guardrail(kDuplicateSubscription, {{"entity_id", duplicate.entity_id},
                                                  {"provider_subscription_id", duplicate.provider_subscription_id},
                                                  {"canonical_subscription_id", duplicate.canonical_subscription_id}});
  }
  deps_.notifier.Notify(outcome.changes);
}

}  // namespace billmesh::webhook
