#include "services/webhook/event_batch.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "services/webhook/audit_records.h"

namespace billmesh::webhook {

EventBatch::EventBatch(const BatchSettings& settings, IdGenerator& ids, const std::vector<Incoming>& events)
    : settings_(settings), ids_(ids), events_(events) {}

absl::StatusOr<BatchOutcome> EventBatch::Run(db::Tx& tx) {
  RETURN_IF_ERROR(Admit(tx));
  RouteAll();
  RETURN_IF_ERROR(BindAll(tx));
  RETURN_IF_ERROR(LoadAll(tx));
  ApplyAll();
  SettleAll();
  RETURN_IF_ERROR(WriteAll(tx));
  return TakeOutcome();
}

absl::StatusOr<BatchOutcome> EventBatch::RunAsFailed(db::Tx& tx, const std::string& reason) {
  RETURN_IF_ERROR(Admit(tx));
  for (Work& work : work_) {
    work.result.disposition = Disposition::kFailed;
    work.result.reason = reason;
  }
  SettleAll();
  RETURN_IF_ERROR(WriteEvents(tx));
  return TakeOutcome();
}

absl::Status EventBatch::Admit(db::Tx& tx) {
  RETURN_IF_ERROR(AdmitNew(tx));
  return AdmitStored(tx);
}

// An event is this batch's when it claimed the key; else another has stored it, before or in this same instant (WHK-2).
absl::Status EventBatch::AdmitNew(db::Tx& tx) {
  std::unordered_map<std::string, const Incoming*> first;
  std::vector<EventKey> keys;
  for (const Incoming& incoming : events_) {
    if (incoming.stored.has_value() || !first.emplace(incoming.event.id, &incoming).second) continue;
    keys.push_back({incoming.event.id, ids_.NewId()});
  }
  if (keys.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto fresh, ClaimKeys(tx, settings_.provider, keys));
  std::vector<std::string> known;
  for (const EventKey& key : keys) {
    const auto at = fresh.find(key.provider_event_id);
    if (at == fresh.end()) {
      known.push_back(key.provider_event_id);
      continue;
    }
    Work work{first.at(key.provider_event_id)};
    work.record.ref = {key.id, at->second, 0, 0};
    work_of_event_.emplace(key.provider_event_id, work_.size());
    work_.push_back(std::move(work));
  }
  ASSIGN_OR_RETURN(earlier_disposition_, LoadDispositions(tx, settings_.provider, known));
  return absl::OkStatus();
}

absl::Status EventBatch::AdmitStored(db::Tx& tx) {
  for (const Incoming& incoming : events_) {
    if (!incoming.stored.has_value()) continue;
    ASSIGN_OR_RETURN(const bool held, HoldsLease(tx, *incoming.stored));
    if (!held) return Fail(Reason::FAILURE_REASON_LEASE_LOST, "the lease on the event was lost");
    Work work{&incoming};
    work.record.ref = *incoming.stored;
    work_of_event_.emplace(incoming.event.id, work_.size());
    work_.push_back(std::move(work));
  }
  return absl::OkStatus();
}

void EventBatch::RouteAll() {
  for (Work& work : work_) {
    Routed routed = Route(work.incoming->event, settings_.livemode);
    work.owner = routed.owner;
    work.result.disposition = routed.disposition;
    work.result.reason = std::move(routed.reason);
    if (routed.disposition == Disposition::kPending) work.keys = KeysOf(work.incoming->event);
  }
}

absl::Status EventBatch::BindAll(db::Tx& tx) {
  EvidenceQuery query;
  bool any = false;
  for (const Work& work : work_) {
    if (work.result.disposition != Disposition::kPending) continue;
    query.Add(work.keys);
    any = true;
  }
  if (!any) return absl::OkStatus();
  ASSIGN_OR_RETURN(evidence_, LoadEvidence(tx, settings_.provider, settings_.env, query));
  for (Work& work : work_) {
    if (work.result.disposition != Disposition::kPending) continue;
    Binding binding = Bind(work.owner, work.keys, evidence_, settings_.env);
    work.result.disposition = binding.disposition;
    work.result.reason = std::move(binding.reason);
    work.result.entity_id = std::move(binding.entity_id);
    work.result.correlated_entity_id = std::move(binding.correlated_entity_id);
    work.result.operation_key = KnownOperation(work.keys, evidence_);
  }
  return absl::OkStatus();
}

absl::Status EventBatch::LoadAll(db::Tx& tx) {
  std::set<std::string> entities;
  EvidenceQuery touched;
  for (const Work& work : work_) {
    if (work.result.disposition != Disposition::kPending) continue;
    entities.insert(work.result.entity_id);
    EventKeys keys = work.keys;
    // An invoice writes nothing but itself: its subscription needn't be loaded.
    if (work.owner == Owner::kInvoices) keys.subscription_id.reset();
    touched.Add(keys);
  }
  const std::vector<std::string> ids(entities.begin(), entities.end());
  RETURN_IF_ERROR(LockEntities(tx, ids));
  ASSIGN_OR_RETURN(states_, LoadStates(tx, settings_.provider, ids, touched));
  return absl::OkStatus();
}

Applied EventBatch::ApplyOne(const Work& work, EntityState& state) {
  const provider::Event& event = work.incoming->event;
  ApplyContext context;
  context.version = {event.created_at, event.id};
  context.operation_key = work.result.operation_key;
  context.new_row_id = ids_.NewId();
  if (context.operation_key.has_value()) {
    const auto at = evidence_.operations.find(*context.operation_key);
    if (at != evidence_.operations.end()) context.operation = &at->second;
  }
  if (const auto* session = std::get_if<provider::CheckoutSession>(&event.object)) {
    return ApplyCheckoutSession(state, *session, context);
  }
  if (const auto* subscription = std::get_if<provider::Subscription>(&event.object)) {
    return ApplySubscription(state, *subscription, context);
  }
  return ApplyInvoice(state, std::get<provider::Invoice>(event.object), context);
}

void EventBatch::ApplyAll() {
  for (Work& work : work_) {
    if (work.result.disposition != Disposition::kPending) continue;
    work.result.applied = ApplyOne(work, states_.at(work.result.entity_id));
    work.result.disposition = work.result.applied.disposition;
    work.result.reason = work.result.applied.reason;
  }
}

// Fills the events' rows from their results: attempts, and when they are to be taken up again.
void EventBatch::SettleAll() {
  for (Work& work : work_) {
    EventRecord& record = work.record;
    record.event = &work.incoming->event;
    record.payload = &work.incoming->payload;
    record.attempts = record.ref.attempts;
    if (work.result.disposition == Disposition::kFailed) {
      ++record.attempts;
      if (record.attempts >= settings_.max_attempts) work.result.disposition = Disposition::kDead;
    }
    // A parked event waits for its customer's link; one that stays parked though it is linked must not be taken up all
    // the time.
    const bool still_parked = work.result.disposition == Disposition::kParked && work.incoming->stored.has_value();
    if (work.result.disposition == Disposition::kFailed || still_parked) {
      record.run_after_delay = lease::DelayAfter(settings_.backoff, std::max<int64_t>(1, record.attempts), ids_);
    }
    record.disposition = work.result.disposition;
    record.reason = work.result.reason;
    if (!work.result.entity_id.empty()) record.entity_id = work.result.entity_id;
  }
}

absl::Status EventBatch::WriteAll(db::Tx& tx) {
  ASSIGN_OR_RETURN(outcome_.duplicates, WriteStates(tx, ids_, settings_.env, settings_.provider, states_));
  RETURN_IF_ERROR(WriteEvents(tx));
  RETURN_IF_ERROR(WriteAudit(tx));
  std::vector<std::string> changed;
  for (const auto& [entity_id, state] : states_) {
    if (state.ContentChanged()) changed.push_back(entity_id);
  }
  ASSIGN_OR_RETURN(outcome_.changes, BumpRevisions(tx, changed));
  return absl::OkStatus();
}

absl::Status EventBatch::WriteEvents(db::Tx& tx) {
  std::vector<EventRecord> fresh;
  for (const Work& work : work_) {
    if (work.incoming->stored.has_value()) {
      RETURN_IF_ERROR(FinishEvent(tx, work.record));
    } else {
      fresh.push_back(work.record);
    }
  }
  return InsertEvents(tx, settings_.env, settings_.provider, fresh);
}

absl::Status EventBatch::WriteAudit(db::Tx& tx) {
  std::vector<audit::Record> records;
  for (const Work& work : work_) {
    if (work.result.disposition != Disposition::kProcessed) continue;
    std::vector<audit::Record> own =
        AuditRecords(settings_.env, settings_.provider, work.incoming->event, work.result.entity_id,
                     work.result.operation_key, work.result.applied);
    std::move(own.begin(), own.end(), std::back_inserter(records));
  }
  return audit::Append(tx, ids_, records);
}

BatchOutcome EventBatch::TakeOutcome() {
  std::set<std::string> answered;
  for (const Incoming& incoming : events_) {
    const auto at = work_of_event_.find(incoming.event.id);
    if (at == work_of_event_.end()) {
      EventResult known;
      known.duplicate = true;
      const auto earlier = earlier_disposition_.find(incoming.event.id);
      if (earlier != earlier_disposition_.end()) known.disposition = earlier->second;
      outcome_.results.push_back(std::move(known));
      continue;
    }
    EventResult result = work_[at->second].result;
    // The same event twice in one batch: the second is the duplicate.
    result.duplicate = !answered.insert(incoming.event.id).second;
    outcome_.results.push_back(std::move(result));
  }
  return std::move(outcome_);
}

}  // namespace billmesh::webhook
