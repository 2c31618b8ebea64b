// Takes up what couldn't be applied when it came: pending and failed events whose time has come, and parked ones whose
// customer has been linked since (WHK-4, WHK-9). What is due goes in one transaction; then, each alone, what has failed
// or timed out before and what must be fetched. What was set aside has passes of its own, each event alone; so has what
// waited for a lock in vain. Leases with fencing let any number of replicas share them, and a killed one's be taken
// over. Also keeps the day partitions of the event log and the audit log ahead of time.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/provider/event_source.h"
#include "common/time/clock.h"
#include "services/webhook/event_fetcher.h"
#include "services/webhook/suspects.h"
#include "services/webhook/webhook_service.h"

namespace billmesh::webhook {

class EventWorker {
 public:
  // Between two passes that are woken: each is two commits at least, however few events it finds.
  static constexpr absl::Duration kRest = absl::Milliseconds(20);
  // At most, between an event's attempts at a lock.
  static constexpr absl::Duration kLockedPause = absl::Minutes(1);
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    WebhookService& service;
    Suspects& suspects;
    const provider::EventSource& source;
    const EventFetcher& fetcher;
  };
  struct Options {
    std::string env;
    std::string owner;  // of the leases: unique to this process
    bool livemode = false;
    absl::Duration lease = absl::Minutes(1);
    int max_events = 16;     // leased at a time
    int partition_days = 7;  // ahead
    // While the provider doesn't say, or a statement takes too long.
    lease::Backoff defer_backoff = {absl::Seconds(10), absl::Hours(1)};
  };
  EventWorker(const Deps& deps, Options options) : deps_(deps), options_(std::move(options)) {}

  // One pass; one thread for each lane. True when there may be more to do at once.
  bool RunOnce(Lane lane = Lane::kOthers);
  // Makes missing partitions. False when that failed; the days ahead leave time to try again.
  bool KeepPartitions();
  // Sets the gauges of what waits.
  void ReportStats();

 private:
  struct Pass {
    const absl::Duration deadline;  // by Clock::Monotonic; what isn't begun by then is left
    Suspects locked;                // waited for a lock in vain: what is about the same isn't tried
  };
  absl::StatusOr<std::vector<LeasedEvent>> LeaseSome(Lane lane);
  // A leased event on its way; `readable`: incoming.event is set.
  struct TakenUp {
    Incoming incoming;
    bool readable = false;
  };
  TakenUp Open(LeasedEvent& leased) const;
  bool MayGoTogether(const TakenUp& taken) const;
  bool ApplyTogether(const std::vector<Incoming>& events, Pass& pass);
  bool IsLocked(const absl::Status& status, const Incoming& incoming, Pass& pass) const;
  absl::StatusOr<EventResult> TakeUpAlone(TakenUp& taken, Pass& pass);
  absl::StatusOr<EventResult> ApplyAlone(const Incoming& incoming) const;
  absl::StatusOr<EventResult> SetAside(const Incoming& incoming) const;
  absl::StatusOr<EventResult> Defer(const Incoming& incoming, const std::string& why) const;
  bool Settle(const Incoming& incoming, absl::StatusOr<EventResult> result, Pass& pass) const;

  const Deps deps_;
  const Options options_;
};

}  // namespace billmesh::webhook
