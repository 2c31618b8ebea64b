// The event log: dedupe keys, event rows, and the leases of workers on them (WHK-2, WHK-9). All SQL of
// webhook_event_keys and webhook_events. Every function works in the caller's transaction of the system scope.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/lease/backoff.h"
#include "common/provider/objects.h"
#include "services/webhook/event_rules.h"

namespace billmesh::webhook {

// A stored event that somebody holds a lease on; lease_version is the fence.
struct StoredRef {
  std::string id;
  absl::Time received_at;
  int64_t lease_version = 0;
  int64_t attempts = 0;  // before this one
  std::optional<std::string> bound_entity_id = {};
  bool processed_before = false;  // it has its audit row already
};

struct LeasedEvent {
  StoredRef ref;
  Disposition status;
  std::string payload;  // empty when it was scrubbed
};

// An event's row as it is to be written.
struct EventRecord {
  StoredRef ref;
  const provider::Event* event = nullptr;  // not owned
  const std::string* payload = nullptr;    // not owned
  Disposition disposition = Disposition::kPending;
  std::string reason;
  std::optional<std::string> entity_id;
  int64_t attempts = 0;
  // When it is to be taken up again, from the database's now; none: not by time.
  std::optional<absl::Duration> run_after_delay;
  // Parked: the provider's ids of the objects that WakeParked is to name.
  std::vector<std::string> waits_for;
};

struct EventKey {
  std::string provider_event_id;
  std::string id;  // of the event's row, should the key be new
};

// Claims the keys that nobody has claimed, in their order; waits for a transaction that is claiming the same one.
// Queued: `fresh`, which must live until then, has those that are new and the time of receipt with the next statement
// that is run.
void ClaimKeys(db::Tx& tx, std::string_view provider, std::vector<EventKey> keys,
               std::unordered_map<std::string, absl::Time>& fresh);

// What became so far of events that were stored before, by provider event id.
absl::StatusOr<std::unordered_map<std::string, Disposition>> LoadDispositions(
    db::Tx& tx, std::string_view provider, const std::vector<std::string>& event_ids);

// Queued: done with the next statement that is run, or before the commit.
void InsertEvents(db::Tx& tx, std::string_view env, std::string_view provider,
                  const std::vector<const EventRecord*>& records);

// Locks the row of a leased event. Queued: the transaction fails with LEASE_LOST if the lease was lost.
void LockLeased(db::Tx& tx, const StoredRef& ref);
// Writes what became of it and ends the lease. Queued: the transaction fails with LEASE_LOST if it was lost meanwhile.
void FinishEvent(db::Tx& tx, const EventRecord& record);

// What is taken up apart from each other: what was set aside (kSetAside), so that nothing else waits behind it, and the
// others.
enum class Lane { kOthers, kSetAside };

// Ends the lease of an event and puts it off: for as long as it has waited already, between the backoff's bounds. It
// stays what it is, or becomes one that was set aside. LEASE_LOST, and nothing written, if it was lost meanwhile.
absl::Status DeferEvent(db::Tx& tx, const StoredRef& ref, const lease::Backoff& backoff, Lane lane = Lane::kOthers);

// Leases up to `limit` events that are due: pending, failed and parked ones whose time has come, and those of dead
// holders. (SKIP LOCKED.)
absl::StatusOr<std::vector<LeasedEvent>> LeaseDue(db::Tx& tx, std::string_view env, std::string_view provider,
                                                  std::string_view owner, absl::Duration lease, int limit, Lane lane);
// The same for parked events whose customer has been linked to an entity of this environment.
absl::StatusOr<std::vector<LeasedEvent>> LeaseLinked(db::Tx& tx, std::string_view env, std::string_view provider,
                                                     std::string_view owner, absl::Duration lease, int limit);

// The event of this id of the provider's, for an operator: leased as by a worker, so that none is at it too. LEASE_LOST
// while one is; NOT_FOUND where there is none.
absl::StatusOr<LeasedEvent> LeaseForOperator(db::Tx& tx, std::string_view env, std::string_view provider,
                                             std::string_view provider_event_id, std::string_view owner,
                                             absl::Duration lease);
// Under the lease: whom an operator bound it to.
absl::Status SetBound(db::Tx& tx, const StoredRef& ref, std::string_view entity_id);
// Under the lease, and ends it.
absl::Status Dismiss(db::Tx& tx, const StoredRef& ref, std::string_view reason);

// Makes the parked events due that wait for one of these objects of the provider's. Call it in the transaction that
// projects them first, after its own events are written. An event that a worker holds at this moment is left out: it
// comes back by its run_after. Queued: then `has_due` is set where there are any.
void WakeParked(db::Tx& tx, std::string_view env, std::string_view provider, const std::vector<std::string>& object_ids,
                bool& has_due);

// How many events wait, and how long the longest has been due, for metrics.
struct EventStats {
  std::unordered_map<std::string, int64_t> count_by_status;  // of those that aren't done with
  // Zero if nothing is due. What was set aside is, from when it came: each attempt that waits in vain puts it off.
  absl::Duration oldest_due;
};
absl::StatusOr<EventStats> ReadEventStats(db::Tx& tx, std::string_view env, std::string_view provider);

// Makes the daily partitions of the tables that this daemon fills, from today to `days` ahead. Returns how many are
// new.
absl::StatusOr<int64_t> EnsurePartitions(db::Tx& tx, int days);

}  // namespace billmesh::webhook
