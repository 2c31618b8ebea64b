// One transaction's worth of events: stores and applies them, set-wise. The one path for deliveries as they come, for
// events that a worker takes up later, and for batches of one.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/lease/backoff.h"
#include "common/provider/objects.h"
#include "common/telemetry/log.h"
#include "services/webhook/event_store.h"
#include "services/webhook/object_batch.h"

namespace billmesh::webhook {

// What was fetched for an event that didn't hold the whole of its object.
struct FetchedForEvent {
  provider::Object object;  // empty: the provider has no such object any more
  Version version;
};

// An event on its way in.
struct Incoming {
  provider::Event event;
  std::string payload;                 // the exact bytes, card numbers masked
  std::optional<StoredRef> stored;     // set for one that is stored and leased already
  telemetry::TraceContext trace = {};  // of the call that brought it, or a fresh one of the worker's
  std::optional<FetchedForEvent> fetched = {};
};

// What became of one event.
struct EventResult : ObjectResult {
  bool duplicate = false;
};

// What became of a batch: results in the order of the events, and what is told to others once it's committed.
struct BatchOutcome {
  std::vector<EventResult> results;
  std::vector<EntityChange> changes;
  std::vector<Duplicate> duplicates;  // new ones
  // There are stored events for the workers to take up at once, of either lane.
  bool has_due = false, has_set_aside = false;
};

// What doesn't change from batch to batch.
struct BatchSettings {
  std::string env;
  std::string provider;
  bool livemode = false;
  lease::Backoff backoff;    // between attempts of a failed event
  int64_t max_attempts = 1;  // then it is dead
};

// For how long a parked event is looked at without being woken.
inline constexpr absl::Duration kParkedLooks = absl::Hours(24);

// Which new events are only stored, as pending, for the workers to apply.
using SetAsideFn = std::function<bool(const provider::Event&)>;

class EventBatch {
 public:
  // All but the function must outlive this object. At least one event.
  EventBatch(const BatchSettings& settings, IdGenerator& ids, const std::vector<Incoming>& events,
             SetAsideFn set_aside = nullptr);

  // Everything, in a transaction of the system scope; the last writes are left queued, to travel with the commit, so
  // that this object must outlive the transaction. LEASE_LOST when a stored event isn't the caller's any more.
  absl::Status Run(db::Tx& tx);
  // Instead of applying: stores each event as failed for this reason (WHK-9), with no effect on any projection.
  absl::Status RunAsFailed(db::Tx& tx, const std::string& reason);
  // Once, when the writes are done: after the commit, or after Tx::Flush.
  BatchOutcome TakeOutcome();

 private:
  // One event that is this batch's to apply.
  struct Work {
    const Incoming* incoming;
    EventRecord record;
    Owner owner = Owner::kNone;
    EventResult result;
  };

  absl::Status Admit(db::Tx& tx);
  absl::Status AdmitStored(db::Tx& tx);
  void ClaimNew(db::Tx& tx);
  Work& AddWork(const Incoming& incoming, StoredRef ref);
  absl::Status LetGoOfKnown(db::Tx& tx);
  void RouteAll();
  static void TakeFetched(Work& work);
  void AddObjects();
  void SettleAll();
  std::optional<absl::Duration> ParkedDelay(const Work& work) const;
  absl::Status WriteAll(db::Tx& tx);
  void WriteEvents(db::Tx& tx);
  absl::Status WriteAudit(db::Tx& tx);

  const BatchSettings& settings_;
  IdGenerator& ids_;
  const std::vector<Incoming>& events_;
  const SetAsideFn set_aside_;
  absl::Time now_;                                        // the database's; set where stored events are among the batch
  std::list<Work> work_;                                  // objects_ points at their results
  std::unordered_map<std::string, Work*> work_of_event_;  // by provider event id
  std::unordered_map<std::string, absl::Time> fresh_;     // the keys that this batch has claimed
  std::unordered_map<std::string, Disposition> earlier_disposition_;  // of duplicates
  ObjectBatch objects_;
  BatchOutcome outcome_;
};

}  // namespace billmesh::webhook
