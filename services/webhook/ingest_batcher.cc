#include "services/webhook/ingest_batcher.h"

#include <utility>

#include "common/status/status.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {

IngestBatcher::IngestBatcher(const Options& options, Clock& clock, ApplyFn apply)
    : options_(options), clock_(clock), apply_(std::move(apply)) {
  for (int i = 0; i < options_.committers; ++i) committers_.emplace_back([this] { Commit(); });
}

IngestBatcher::~IngestBatcher() { Stop(); }

void IngestBatcher::Submit(std::vector<Delivery> deliveries) {
  if (deliveries.empty()) return;
  std::vector<Delivery> refused;
  {
    const absl::Duration now = clock_.Monotonic();
    std::lock_guard lock(mutex_);
    for (Delivery& delivery : deliveries) {
      const size_t bytes = delivery.incoming.payload.size();
      const bool room = !stopping_ && queue_.size() < options_.max_queued_events &&
                        queued_bytes_ + bytes <= options_.max_queued_bytes;
      if (!room) {
        refused.push_back(std::move(delivery));
        continue;
      }
      queued_bytes_ += bytes;
      delivery.taken_at = now;
      queue_.push_back(std::move(delivery));
    }
  }
  wake_.notify_one();
  for (const Delivery& delivery : refused) {
    delivery.done(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many deliveries are waiting"));
  }
}

size_t IngestBatcher::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void IngestBatcher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& committer : committers_) {
    if (committer.joinable()) committer.join();
  }
}

void IngestBatcher::Commit() {
  while (true) {
    std::vector<Delivery> batch = TakeBatch();
    if (batch.empty()) return;
    Run(std::move(batch));
  }
}

// Waits for at least one delivery; nothing when it is time to end.
std::vector<IngestBatcher::Delivery> IngestBatcher::TakeBatch() {
  std::vector<Delivery> batch;
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < options_.max_batch_events) {
    const size_t next = queue_.front().incoming.payload.size();
    if (!batch.empty() && bytes + next > options_.max_batch_bytes) break;
    bytes += next;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  const bool more = !queue_.empty();
  lock.unlock();
  if (more) wake_.notify_one();
  return batch;
}

void IngestBatcher::Run(std::vector<Delivery> batch) {
  std::vector<Incoming> events;
  std::vector<Delivery> live;
  const absl::Duration now = clock_.Monotonic();
  for (Delivery& delivery : batch) {
    if (delivery.deadline <= now) {
      delivery.done(
          Fail(Reason::FAILURE_REASON_DEADLINE_EXCEEDED, "the caller's deadline passed while the event waited"));
      continue;
    }
    events.push_back(std::move(delivery.incoming));
    live.push_back(std::move(delivery));
  }
  if (events.empty()) return;
  CountBatch(events.size());
  const std::vector<absl::StatusOr<EventResult>> answers = apply_(events);
  const absl::Duration done_at = clock_.Monotonic();
  for (size_t i = 0; i < live.size(); ++i) {
    const bool applied =
        answers[i].ok() && !answers[i]->duplicate && answers[i]->disposition == Disposition::kProcessed;
    if (applied) ObserveLag(done_at - live[i].taken_at);
    live[i].done(answers[i]);
  }
}

}  // namespace billmesh::webhook
