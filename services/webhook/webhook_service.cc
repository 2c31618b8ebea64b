#include "services/webhook/webhook_service.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "common/fault/fault_point.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/webhook/data_error.h"
#include "services/webhook/outcome_report.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {
namespace {

constexpr int kMaxConflicts = 2;  // of a batch whose events run alone, each of another one's entity

bool AboutTheSame(const provider::Event& a, const provider::Event& b) {
  return (a.customer_id.has_value() && a.customer_id == b.customer_id) ||
         (a.object_id.has_value() && a.object_id == b.object_id);
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
  ReportApplied(result, duplicates, [&] { return FieldsOf(event, result); });
}

}  // namespace

WebhookService::Answers WebhookService::Apply(const std::vector<Incoming>& events) {
  Answers answers = TryAll(events);
  SetAsideLocked(events, answers);
  return answers;
}

WebhookService::Answers WebhookService::TryAll(const std::vector<Incoming>& events) {
  const auto suspect = [this](const provider::Event& event) { return deps_.suspects.Has(event); };
  auto outcome = Transact(events, suspect);
  if (!outcome.ok() && (IsDataError(outcome.status()) || IsConflict(outcome.status()))) {
    if (events.size() > 1) return TryEachAlone(events);
    deps_.suspects.Note(events.front().event);
    if (IsDataError(outcome.status())) {
      const std::string reason = DataErrorReason(outcome.status());
      outcome = Transact(events, nullptr, &reason);
    }
  }
  return Finish(events, std::move(outcome));
}

// Each conflict has waited for a lock. What is about the same as one of them would wait again and isn't tried; where
// they are many, it's no single entity's, and the rest isn't tried either.
WebhookService::Answers WebhookService::TryEachAlone(const std::vector<Incoming>& events) {
  Answers answers;
  std::vector<const provider::Event*> locked;
  absl::Status conflict;
  for (const Incoming& incoming : events) {
    const bool in_vain =
        locked.size() >= kMaxConflicts || std::any_of(locked.begin(), locked.end(), [&](const provider::Event* other) {
          return AboutTheSame(*other, incoming.event);
        });
    answers.push_back(in_vain ? conflict : std::move(TryAll({incoming})[0]));
    if (in_vain || !IsConflict(answers.back().status())) continue;
    locked.push_back(&incoming.event);
    conflict = answers.back().status();
  }
  return answers;
}

// New events that waited in vain for a lock become durable all the same: the workers wait instead of the provider.
void WebhookService::SetAsideLocked(const std::vector<Incoming>& events, Answers& answers) {
  std::vector<Incoming> locked;
  std::vector<size_t> places;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].stored.has_value() || !IsConflict(answers[i].status())) continue;
    locked.push_back(events[i]);
    places.push_back(i);
  }
  if (locked.empty()) return;
  Answers aside = Finish(locked, Transact(locked, [](const provider::Event&) { return true; }));
  for (size_t i = 0; i < places.size(); ++i) answers[places[i]] = std::move(aside[i]);
}

WebhookService::Answers WebhookService::Finish(const std::vector<Incoming>& events,
                                               absl::StatusOr<BatchOutcome> outcome) {
  if (!outcome.ok()) return Answers(events.size(), outcome.status());
  Publish(events, *outcome);
  std::vector<EventResult>& results = outcome->results;
  return {std::make_move_iterator(results.begin()), std::make_move_iterator(results.end())};
}

absl::StatusOr<EventResult> WebhookService::StoreAsFailed(const Incoming& event, const std::string& reason) {
  const std::vector<Incoming> events = {event};
  return std::move(Finish(events, Transact(events, nullptr, &reason))[0]);
}

absl::StatusOr<BatchOutcome> WebhookService::Transact(const std::vector<Incoming>& events, const SetAsideFn& set_aside,
                                                      const std::string* failure) {
  std::optional<EventBatch> batch;
  const absl::Status status =
      db::RunInTransaction(deps_.pool, db::Scope::System("webhook.apply"), [&](db::Tx& tx) -> absl::Status {
        batch.emplace(settings_, deps_.ids, events, set_aside);
        absl::Status applied = failure != nullptr ? batch->RunAsFailed(tx, *failure) : batch->Run(tx);
        FAULT_POINT("webhook.before_commit");
        return applied;
      });
  FAULT_POINT("webhook.after_commit_before_answer");
  if (!status.ok()) return status;
  return batch->TakeOutcome();
}

void WebhookService::Publish(const std::vector<Incoming>& events, const BatchOutcome& outcome) {
  const telemetry::LogBatch lines;
  for (size_t i = 0; i < events.size(); ++i) {
    const telemetry::CallScope scope(events[i].trace);
    TellOf(events[i].event, outcome.results[i], outcome.duplicates);
  }
  // What follows belongs to the batch: it is logged under its first event's ids.
  const telemetry::CallScope scope(events.front().trace);
  ReportDuplicates(outcome.duplicates);
  deps_.notifier.Notify(outcome.changes);
  if (outcome.has_due) deps_.notifier.WakeWorker(Lane::kOthers);
  if (outcome.has_set_aside) deps_.notifier.WakeWorker(Lane::kSetAside);
}

}  // namespace billmesh::webhook
