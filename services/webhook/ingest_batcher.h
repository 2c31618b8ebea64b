// Gathers deliveries into batches by nothing but waiting for the database: a committer takes whatever arrived while the
// last batches were committing, so a delivery that comes alone goes alone and at once, and batches grow with the load.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/time/clock.h"
#include "services/webhook/event_batch.h"

namespace billmesh::webhook {

class IngestBatcher {
 public:
  // Stores and applies a batch; one answer for each event, in order. Called by several threads at once.
  using ApplyFn = std::function<std::vector<absl::StatusOr<EventResult>>(const std::vector<Incoming>&)>;
  // Called exactly once for each delivery that was taken, from a committer's thread.
  using Done = std::function<void(const absl::StatusOr<EventResult>&)>;

  struct Options {
    int committers = 2;  // batches that may be committing at the same time
    size_t max_batch_events = 64;
    size_t max_batch_bytes = 8 << 20;  // of payload; a single event always fits
    size_t max_queued_events = 1024;
    size_t max_queued_bytes = 64 << 20;
  };

  // Starts the committers. The clock must outlive this object.
  IngestBatcher(const Options& options, Clock& clock, ApplyFn apply);
  // Stop().
  ~IngestBatcher();
  IngestBatcher(const IngestBatcher&) = delete;

  // An event on its way, and who waits for it.
  struct Delivery {
    Incoming incoming;
    absl::Duration deadline;  // by Clock::Monotonic
    Done done;
    absl::Duration taken_at = absl::ZeroDuration();
  };

  // Takes deliveries that came together, so that they are likely to be committed together. Those that the queue has no
  // room for, or that come while it is stopping, are answered OVERLOADED at once. A delivery whose caller has given up
  // waiting (deadline) is answered DEADLINE_EXCEEDED and not stored. Never blocks; thread safe.
  void Submit(std::vector<Delivery> deliveries);

  // Deliveries that wait. Thread safe.
  size_t queued() const;

  // Takes no more, commits what is queued, ends the committers. Idempotent; not to be called from a committer.
  void Stop();

 private:
  void Commit();
  std::vector<Delivery> TakeBatch();
  void Run(std::vector<Delivery> batch);

  const Options options_;
  Clock& clock_;
  const ApplyFn apply_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Delivery> queue_;  // guarded by mutex_
  size_t queued_bytes_ = 0;     // guarded by mutex_
  bool stopping_ = false;       // guarded by mutex_
  std::vector<std::thread> committers_;
};

}  // namespace billmesh::webhook
