#include "services/webhook/event_batch.h"

#include <algorithm>
#include <iterator>

#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "services/webhook/audit_records.h"
#include "services/webhook/projection_outcome.h"

namespace billmesh::webhook {

EventBatch::EventBatch(const BatchSettings& settings, IdGenerator& ids, const std::vector<Incoming>& events,
                       SetAsideFn set_aside)
    : settings_(settings),
      ids_(ids),
      events_(events),
      set_aside_(std::move(set_aside)),
      objects_(settings.env, settings.provider, ids) {}

// A parked event is woken by what it waits for. A wake-up passes over a row that somebody holds, so one that waits for
// another object, or is still parked after it was woken, is looked at again too: ever more rarely, and for a day.
std::optional<absl::Duration> EventBatch::ParkedDelay(const Work& work) const {
  const bool taken_up = work.incoming->stored.has_value();
  if (!taken_up && work.result.waits_for.empty()) return std::nullopt;
  const absl::Duration age = taken_up ? now_ - work.record.ref.received_at : absl::ZeroDuration();
  if (age > kParkedLooks) return std::nullopt;
  return std::clamp(age, settings_.backoff.base, settings_.backoff.max);
}

absl::Status EventBatch::Run(db::Tx& tx) {
  RETURN_IF_ERROR(Admit(tx));
  RouteAll();
  AddObjects();
  objects_.Ask(tx);
  RETURN_IF_ERROR(LetGoOfKnown(tx));
  RETURN_IF_ERROR(objects_.Apply(tx));
  SettleAll();
  return WriteAll(tx);
}

absl::Status EventBatch::RunAsFailed(db::Tx& tx, const std::string& reason) {
  RETURN_IF_ERROR(Admit(tx));
  RETURN_IF_ERROR(LetGoOfKnown(tx));
  for (Work& work : work_) {
    work.result.disposition = Disposition::kFailed;
    work.result.reason = reason;
  }
  SettleAll();
  WriteEvents(tx);
  return absl::OkStatus();
}

// New events are taken for this batch's until the answer says which keys were known: the question travels with what is
// asked of their objects.
absl::Status EventBatch::Admit(db::Tx& tx) {
  RETURN_IF_ERROR(AdmitStored(tx));
  ClaimNew(tx);
  return absl::OkStatus();
}

absl::Status EventBatch::AdmitStored(db::Tx& tx) {
  const bool any = std::any_of(events_.begin(), events_.end(), [](const Incoming& i) { return i.stored.has_value(); });
  if (!any) return absl::OkStatus();
  for (const Incoming& incoming : events_) {
    if (!incoming.stored.has_value()) continue;
    LockLeased(tx, *incoming.stored);
    AddWork(incoming, *incoming.stored);
  }
  ASSIGN_OR_RETURN(now_, tx.Now());
  return absl::OkStatus();
}

void EventBatch::ClaimNew(db::Tx& tx) {
  std::vector<EventKey> keys;
  for (const Incoming& incoming : events_) {
    if (incoming.stored.has_value() || work_of_event_.count(incoming.event.id) > 0) continue;
    const Work& work = AddWork(incoming, {ids_.NewId()});
    keys.push_back({incoming.event.id, work.record.ref.id});
  }
  ClaimKeys(tx, settings_.provider, std::move(keys), fresh_);
}

EventBatch::Work& EventBatch::AddWork(const Incoming& incoming, StoredRef ref) {
  Work& work = work_.emplace_back(Work{&incoming});
  work.record.ref = std::move(ref);
  work_of_event_.emplace(incoming.event.id, &work);
  return work;
}

// An event is this batch's when it claimed the key; else another has stored it, before or in this same instant (WHK-2).
absl::Status EventBatch::LetGoOfKnown(db::Tx& tx) {
  RETURN_IF_ERROR(tx.Flush());
  std::vector<std::string> known;
  for (auto work = work_.begin(); work != work_.end();) {
    const std::string& event_id = work->incoming->event.id;
    const auto claimed = fresh_.find(event_id);
    if (claimed != fresh_.end()) work->record.ref.received_at = claimed->second;
    if (claimed != fresh_.end() || work->incoming->stored.has_value()) {
      ++work;
      continue;
    }
    known.push_back(event_id);
    objects_.Remove(work->result);
    work_of_event_.erase(event_id);
    work = work_.erase(work);
  }
  ASSIGN_OR_RETURN(earlier_disposition_, LoadDispositions(tx, settings_.provider, known));
  return absl::OkStatus();
}

void EventBatch::RouteAll() {
  for (Work& work : work_) {
    Routed routed = Route(work.incoming->event, settings_.livemode);
    work.owner = routed.owner;
    work.result.disposition = routed.disposition;
    work.result.reason = std::move(routed.reason);
    if (work.result.reason == kNeedsFetch && work.incoming->fetched.has_value()) TakeFetched(work);
    const bool to_apply = work.result.disposition == Disposition::kPending && !work.incoming->stored.has_value();
    if (to_apply && set_aside_ && set_aside_(work.incoming->event)) work.result.reason = kSetAside;
  }
}

// Goes on as if the event had held it.
void EventBatch::TakeFetched(Work& work) {
  const bool gone = std::holds_alternative<std::monostate>(work.incoming->fetched->object);
  work.result.disposition = gone ? Disposition::kIgnored : Disposition::kPending;
  work.result.reason = gone ? kObjectGone : "";
}

// Those that Route left pending go into the projection.
void EventBatch::AddObjects() {
  for (Work& work : work_) {
    if (work.result.disposition != Disposition::kPending || !work.result.reason.empty()) continue;
    const provider::Event& event = work.incoming->event;
    const auto& fetched = work.incoming->fetched;
    EventKeys keys = fetched.has_value() ? KeysOf(fetched->object) : KeysOf(event);
    keys.bound_entity_id = work.record.ref.bound_entity_id;
    if (fetched.has_value()) {
      objects_.Add({work.owner, &fetched->object, std::move(keys), fetched->version, &work.result});
    } else {
      objects_.Add({work.owner, &event.object, std::move(keys), {event.created_at, event.id}, &work.result});
    }
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
    if (work.result.disposition == Disposition::kPending) {
      record.run_after_delay = absl::ZeroDuration();
      (work.result.reason == kSetAside ? outcome_.has_set_aside : outcome_.has_due) = true;
    }
    if (work.result.disposition == Disposition::kFailed) {
      record.run_after_delay = lease::DelayAfter(settings_.backoff, std::max<int64_t>(1, record.attempts), ids_);
    }
    if (work.result.disposition == Disposition::kParked) {
      record.run_after_delay = ParkedDelay(work);
      record.waits_for = work.result.waits_for;
    }
    record.disposition = work.result.disposition;
    record.reason = work.result.reason;
    if (!work.result.entity_id.empty()) record.entity_id = work.result.entity_id;
  }
}

absl::Status EventBatch::WriteAll(db::Tx& tx) {
  RETURN_IF_ERROR(objects_.Write(tx, outcome_.duplicates));
  WriteEvents(tx);
  WakeParked(tx, settings_.env, settings_.provider, objects_.BornIds(), outcome_.has_due);
  RETURN_IF_ERROR(WriteAudit(tx));
  objects_.BumpChanged(tx, outcome_.changes);
  return absl::OkStatus();
}

void EventBatch::WriteEvents(db::Tx& tx) {
  std::vector<const EventRecord*> fresh;
  for (const Work& work : work_) {
    if (work.incoming->stored.has_value()) {
      FinishEvent(tx, work.record);
    } else {
      fresh.push_back(&work.record);
    }
  }
  InsertEvents(tx, settings_.env, settings_.provider, fresh);
}

absl::Status EventBatch::WriteAudit(db::Tx& tx) {
  std::vector<audit::Record> records;
  for (const Work& work : work_) {
    if (work.result.disposition != Disposition::kProcessed) continue;
    // A replay leaves no second row of the event itself; what it changes after all is refreshed, as by a fetch.
    const bool again = work.record.ref.processed_before;
    if (again && !Changed(work.result.applied)) continue;
    const provider::Event& event = work.incoming->event;
    std::vector<audit::Record> own = AuditRecords(
        {settings_.env, settings_.provider, event.type, event.object_id.value_or(""), event.id, ""}, work.result);
    if (again) own.front().action = audit::kProjectionRefreshed;
    std::move(own.begin(), own.end(), std::back_inserter(records));
  }
  return audit::Append(tx, ids_, records);
}

BatchOutcome EventBatch::TakeOutcome() {
  std::unordered_map<std::string, size_t> answered;  // where each event's own result is
  for (const Incoming& incoming : events_) {
    const std::string& event_id = incoming.event.id;
    const auto at = work_of_event_.find(event_id);
    if (at == work_of_event_.end()) {
      EventResult known;
      known.duplicate = true;
      const auto earlier = earlier_disposition_.find(event_id);
      if (earlier != earlier_disposition_.end()) known.disposition = earlier->second;
      outcome_.results.push_back(std::move(known));
      continue;
    }
    const auto [own, first] = answered.emplace(event_id, outcome_.results.size());
    if (first) {
      outcome_.results.push_back(std::move(at->second->result));
    } else {  // the same event again in this batch
      EventResult again = outcome_.results[own->second];
      again.duplicate = true;
      outcome_.results.push_back(std::move(again));
    }
  }
  return std::move(outcome_);
}

}  // namespace billmesh::webhook
