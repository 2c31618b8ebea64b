#include "services/webhook/event_worker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fault/fault_point.h"
#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/webhook/data_error.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {
namespace {

constexpr char kPayloadUnreadable[] = "payload_unreadable";
constexpr char kInternalError[] = "internal_error";
constexpr char kStatementTimeout[] = "statement_timeout";
constexpr char kLocked[] = "the entity is locked";
constexpr const char* kOpenStatuses[] = {"pending", "failed", "parked", "quarantined", "dead"};

}  // namespace

absl::StatusOr<std::vector<LeasedEvent>> EventWorker::LeaseSome(Lane lane) {
  const std::string& provider = deps_.source.name();
  return db::RunInTransaction(
      deps_.pool, db::Scope::System("webhook.lease"), [&](db::Tx& tx) -> absl::StatusOr<std::vector<LeasedEvent>> {
        ASSIGN_OR_RETURN(auto leased, LeaseDue(tx, options_.env, provider, options_.owner, options_.lease,
                                               options_.max_events, lane));
        const int room = options_.max_events - static_cast<int>(leased.size());
        if (room == 0 || lane == Lane::kSetAside) return leased;
        ASSIGN_OR_RETURN(auto linked, LeaseLinked(tx, options_.env, provider, options_.owner, options_.lease, room));
        std::move(linked.begin(), linked.end(), std::back_inserter(leased));
        return leased;
      });
}

EventWorker::TakenUp EventWorker::Open(LeasedEvent& leased) const {
  TakenUp taken;
  taken.incoming.stored = leased.ref;
  // Its delivery's ids are not stored: taking it up is a request of its own.
  taken.incoming.trace = telemetry::ContinueTrace("", "");
  taken.incoming.payload = std::move(leased.payload);
  auto event = deps_.source.Read(taken.incoming.payload);
  taken.readable = event.ok();
  if (taken.readable) taken.incoming.event = *std::move(event);
  return taken;
}

// Not what has failed or waited in vain before, nor what the provider is asked for first.
bool EventWorker::MayGoTogether(const TakenUp& taken) const {
  return taken.readable && taken.incoming.stored->attempts == 0 && !deps_.suspects.Has(taken.incoming.event) &&
         Route(taken.incoming.event, options_.livemode).reason != kNeedsFetch;
}

absl::StatusOr<EventResult> EventWorker::TakeUpAlone(TakenUp& taken, Pass& pass) {
  Incoming& incoming = taken.incoming;
  // It was read when it came: a payload that can't be any more was scrubbed, or the reader has changed.
  if (!taken.readable) return deps_.service.StoreAsFailed(incoming, kPayloadUnreadable);
  if (pass.locked.Has(incoming.event)) return Fail(Reason::FAILURE_REASON_TRANSACTION_CONFLICT, kLocked);
  const Routed routed = Route(incoming.event, options_.livemode);
  if (routed.reason == kNeedsFetch) {
    Fetch fetch = deps_.fetcher.FetchObject(routed.kind, *incoming.event.object_id, pass.deadline);
    FAULT_POINT("webhook.after_fetch_before_apply");
    if (fetch.outcome == Fetch::Outcome::kLater) return Defer(incoming, fetch.why);
    if (fetch.outcome == Fetch::Outcome::kBroken) return deps_.service.StoreAsFailed(incoming, fetch.why);
    incoming.fetched = std::move(fetch.fetched);
  }
  return ApplyAlone(incoming);
}

absl::StatusOr<EventResult> EventWorker::ApplyAlone(const Incoming& incoming) const {
  auto result = deps_.service.Apply({incoming})[0];
  // An error that nobody classified comes again each time: it costs an attempt, so that it ends in the dead letters.
  if (!result.ok() && ReasonOf(result.status()) == Reason::FAILURE_REASON_UNSPECIFIED) {
    telemetry::Error("event not applied",
                     {{"event_row", incoming.stored->id}, {"error", std::string(result.status().message())}});
    return deps_.service.StoreAsFailed(incoming, kInternalError);
  }
  // Perhaps by no fault of its own, so that it costs no attempt. But those behind it come first from now on.
  if (IsTimeout(result.status())) {
    deps_.suspects.Note(incoming.event);
    return Defer(incoming, kStatementTimeout);
  }
  return result;
}

// The event stays as it is and keeps its attempts: it is looked at again the later, the longer it has waited.
absl::StatusOr<EventResult> EventWorker::Defer(const Incoming& incoming, const std::string& why) const {
  telemetry::Warn("event deferred", {{"provider_event_id", incoming.event.id}, {"why", why}});
  RETURN_IF_ERROR(db::RunInTransaction(deps_.pool, db::Scope::System("webhook.defer"), [&](db::Tx& tx) {
    return DeferEvent(tx, *incoming.stored, options_.defer_backoff);
  }));
  EventResult result;
  result.reason = why;
  return result;
}

// It is looked at again in the other lane, where it holds nobody up that isn't suspect.
absl::StatusOr<EventResult> EventWorker::SetAside(const Incoming& incoming) const {
  telemetry::Warn("event set aside", {{"provider_event_id", incoming.event.id}, {"why", kLocked}});
  const lease::Backoff backoff = {options_.defer_backoff.base, std::min(options_.defer_backoff.max, kLockedPause)};
  RETURN_IF_ERROR(db::RunInTransaction(deps_.pool, db::Scope::System("webhook.set_aside"), [&](db::Tx& tx) {
    return DeferEvent(tx, *incoming.stored, backoff, Lane::kSetAside);
  }));
  EventResult result;
  result.reason = kSetAside;
  return result;
}

// In one transaction. What went wrong with it may be any one's fault: then each is tried alone, but those that are
// known to wait for a lock.
bool EventWorker::ApplyTogether(const std::vector<Incoming>& events, Pass& pass) {
  if (events.empty()) return true;
  const auto results = deps_.service.Apply(events);
  bool go_on = true;
  for (size_t i = 0; i < events.size(); ++i) {
    const telemetry::CallScope scope(events[i].trace);
    if (results[i].ok() || IsLocked(results[i].status(), events[i], pass)) {
      go_on = Settle(events[i], results[i], pass) && go_on;
    } else if (go_on && deps_.clock.Monotonic() < pass.deadline) {
      // Not after a fault of ours, which the next would meet too.
      go_on = Settle(events[i], ApplyAlone(events[i]), pass);
    }
  }
  return go_on;
}

// It was tried, or another one about the same was.
bool EventWorker::IsLocked(const absl::Status& status, const Incoming& incoming, Pass& pass) const {
  return IsConflict(status) && (deps_.suspects.Has(incoming.event) || pass.locked.Has(incoming.event));
}

// Whether the pass goes on. A lock that somebody holds, or a lost lease, concerns this event only. Other faults would
// meet the next event too: the event keeps its attempts, and is due again when the lease ends.
bool EventWorker::Settle(const Incoming& incoming, absl::StatusOr<EventResult> result, Pass& pass) const {
  const StoredRef& ref = *incoming.stored;
  if (IsConflict(result.status())) {
    pass.locked.Note(incoming.event);
    result = SetAside(incoming);
  }
  if (result.ok()) {
    if (result->disposition == Disposition::kProcessed) ObserveLag(deps_.clock.Now() - ref.received_at);
    return true;
  }
  if (ReasonOf(result.status()) == Reason::FAILURE_REASON_LEASE_LOST) {
    telemetry::Guardrail(kFencingConflict, {{"event_row", ref.id}});
    return true;
  }
  telemetry::Warn("event not applied", {{"event_row", ref.id}, {"error", std::string(result.status().message())}});
  return IsConflict(result.status());
}

bool EventWorker::RunOnce(Lane lane) {
  // All of a pass ends within half the lease: who wakes up later writes nothing.
  Pass pass{deps_.clock.Monotonic() + lease::WritingTime(options_.lease), Suspects(deps_.clock)};
  auto leased = LeaseSome(lane);
  if (!leased.ok()) {
    telemetry::Warn("no events leased", {{"error", std::string(leased.status().message())}});
    return false;
  }
  std::vector<Incoming> together;
  std::vector<TakenUp> alone;
  for (LeasedEvent& event : *leased) {
    FAULT_POINT("webhook.after_lease_before_apply");
    TakenUp taken = Open(event);
    if (lane == Lane::kOthers && MayGoTogether(taken)) {
      together.push_back(std::move(taken.incoming));
    } else {
      alone.push_back(std::move(taken));
    }
  }
  // Those that wait for nobody come first.
  if (!ApplyTogether(together, pass)) return false;
  for (TakenUp& taken : alone) {
    if (deps_.clock.Monotonic() >= pass.deadline) return false;
    const telemetry::CallScope scope(taken.incoming.trace);
    if (!Settle(taken.incoming, TakeUpAlone(taken, pass), pass)) return false;
  }
  return static_cast<int>(leased->size()) == options_.max_events;
}

bool EventWorker::KeepPartitions() {
  const auto made = db::RunInTransaction(deps_.pool, db::Scope::System("webhook.partitions"),
                                         [&](db::Tx& tx) { return EnsurePartitions(tx, options_.partition_days); });
  if (!made.ok()) {
    telemetry::Warn("partitions not made", {{"error", std::string(made.status().message())}});
    return false;
  }
  if (*made > 0) telemetry::Info("partitions made", {{"count", absl::StrCat(*made)}});
  return true;
}

void EventWorker::ReportStats() {
  const auto stats = db::RunInTransaction(deps_.pool, db::Scope::System("webhook.stats"), [&](db::Tx& tx) {
    return ReadEventStats(tx, options_.env, deps_.source.name());
  });
  if (!stats.ok()) {
    telemetry::Warn("stored events not counted", {{"error", std::string(stats.status().message())}});
    return;
  }
  for (const char* status : kOpenStatuses) {
    const auto at = stats->count_by_status.find(status);
    SetStoredEvents(status, at == stats->count_by_status.end() ? 0 : at->second);
  }
  SetOldestDue(stats->oldest_due);
}

}  // namespace billmesh::webhook
