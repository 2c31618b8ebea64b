#include "services/webhook/ingest_batcher.h"

#include <utility>

#include "common/status/status.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {

IngestBatcher::IngestBatcher(const Options& options, Clock& clock, ApplyFn apply, AloneFn alone)
    : options_(options), clock_(clock), apply_(std::move(apply)), alone_(std::move(alone)) {
  alone_committer_ = std::thread([this] { CommitAlone(); });
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
      const bool room = !stopping_ && queue_.size() + alone_queue_.size() < options_.max_queued_events &&
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
  return queue_.size() + alone_queue_.size();
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
  {
    std::lock_guard lock(mutex_);
    none_to_come_ = true;
  }
  wake_alone_.notify_all();
  if (alone_committer_.joinable()) alone_committer_.join();
}

void IngestBatcher::Commit() {
  while (true) {
    std::vector<Delivery> batch = TakeBatch();
    if (batch.empty()) return;
    Run(std::move(batch));
  }
}

void IngestBatcher::CommitAlone() {
  while (true) {
    std::vector<Delivery> one = TakeAlone();
    if (one.empty()) return;
    Run(std::move(one));
  }
}

// Moves what is to go alone out of the queue's front. Under the lock.
void IngestBatcher::SortOut(std::vector<Delivery>& refused) {
  while (alone_ && !queue_.empty() && alone_(queue_.front().incoming.event)) {
    Delivery delivery = std::move(queue_.front());
    queue_.pop_front();
    const size_t bytes = delivery.incoming.payload.size();
    if (alone_queue_.size() < options_.max_alone_events && alone_bytes_ + bytes <= options_.max_alone_bytes) {
      alone_bytes_ += bytes;
      alone_queue_.push_back(std::move(delivery));
    } else {
      queued_bytes_ -= bytes;
      refused.push_back(std::move(delivery));
    }
    wake_alone_.notify_one();
  }
}

// Waits for at least one delivery; nothing when it is time to end.
std::vector<IngestBatcher::Delivery> IngestBatcher::TakeBatch() {
  std::vector<Delivery> batch;
  for (bool ending = false; batch.empty() && !ending;) {
    std::vector<Delivery> refused;
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    ending = queue_.empty();
    size_t bytes = 0;
    for (SortOut(refused); !queue_.empty() && batch.size() < options_.max_batch_events; SortOut(refused)) {
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
    for (const Delivery& delivery : refused) {
      delivery.done(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many deliveries wait to go alone"));
    }
  }
  return batch;
}

// The same of the other queue. What has waited too long for those before it is refused: it would hold up the answers of
// whatever it came with.
std::vector<IngestBatcher::Delivery> IngestBatcher::TakeAlone() {
  std::vector<Delivery> one;
  for (bool ending = false; one.empty() && !ending;) {
    std::vector<Delivery> refused;
    std::unique_lock lock(mutex_);
    wake_alone_.wait(lock, [this] { return none_to_come_ || !alone_queue_.empty(); });
    const absl::Duration now = clock_.Monotonic();
    while (!alone_queue_.empty() && now - alone_queue_.front().taken_at > options_.max_alone_wait) {
      refused.push_back(PopAlone());
    }
    if (!alone_queue_.empty()) one.push_back(PopAlone());
    ending = none_to_come_ && alone_queue_.empty();
    lock.unlock();
    for (const Delivery& delivery : refused) {
      delivery.done(Fail(Reason::FAILURE_REASON_OVERLOADED, "the delivery waited too long to go alone"));
    }
  }
  return one;
}

// Under the lock.
IngestBatcher::Delivery IngestBatcher::PopAlone() {
  Delivery delivery = std::move(alone_queue_.front());
  alone_queue_.pop_front();
  queued_bytes_ -= delivery.incoming.payload.size();
  alone_bytes_ -= delivery.incoming.payload.size();
  return delivery;
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
