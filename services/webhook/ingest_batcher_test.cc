#include "services/webhook/ingest_batcher.h"

#include <atomic>
#include <set>

#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

Incoming Event(int n, size_t bytes = 10) {
  Incoming incoming;
  incoming.event.id = "evt_" + std::to_string(n);
  incoming.payload = std::string(bytes, 'x');
  return incoming;
}

// An apply function that holds every batch until it's let go, and remembers their sizes.
class Gate {
 public:
  std::vector<absl::StatusOr<EventResult>> Apply(const std::vector<Incoming>& events) {
    std::unique_lock lock(mutex_);
    sizes_.push_back(events.size());
    entered_.notify_all();
    open_.wait(lock, [this] { return is_open_; });
    std::vector<absl::StatusOr<EventResult>> answers;
    for (const Incoming& incoming : events) {
      EventResult result;
      result.reason = incoming.event.id;
      answers.push_back(result);
    }
    return answers;
  }
  void WaitForBatches(size_t n) {
    std::unique_lock lock(mutex_);
    entered_.wait(lock, [&] { return sizes_.size() >= n; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    is_open_ = true;
    open_.notify_all();
  }
  std::vector<size_t> sizes() {
    std::lock_guard lock(mutex_);
    return sizes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable entered_, open_;
  bool is_open_ = false;
  std::vector<size_t> sizes_;
};

struct Fixture {
  FakeClock clock{absl::UnixEpoch()};
  Gate gate;
  std::mutex mutex;
  std::vector<std::string> answers;
  std::unique_ptr<IngestBatcher> batcher;

  explicit Fixture(IngestBatcher::Options options) {
    batcher =
        std::make_unique<IngestBatcher>(options, clock, [this](const auto& events) { return gate.Apply(events); });
  }
  IngestBatcher::Delivery Delivery(int n, size_t bytes, absl::Duration deadline) {
    return {Event(n, bytes), deadline, [this](const absl::StatusOr<EventResult>& r) {
              std::lock_guard lock(mutex);
              answers.push_back(r.ok() ? r->reason : CodeOf(ReasonOf(r.status())));
            }};
  }
  // False when it was refused at once.
  bool Submit(int n, size_t bytes = 10, absl::Duration deadline = absl::InfiniteDuration()) {
    bool refused = false;
    IngestBatcher::Delivery delivery = Delivery(n, bytes, deadline);
    delivery.done = [&refused, done = std::move(delivery.done)](const absl::StatusOr<EventResult>& r) {
      if (ReasonOf(r.status()) == Reason::FAILURE_REASON_OVERLOADED) {
        refused = true;  // on the submitting thread: the reference lives
      } else {
        done(r);
      }
    };
    std::vector<IngestBatcher::Delivery> one;
    one.push_back(std::move(delivery));
    batcher->Submit(std::move(one));
    return !refused;
  }
};

TEST(IngestBatcherTest, AloneADeliveryGoesAtOnceAndWhatComesMeanwhileGoesTogether) {
  Fixture f({.committers = 1, .max_batch_events = 64});
  ASSERT_TRUE(f.Submit(0));
  f.gate.WaitForBatches(1);
  for (int i = 1; i <= 10; ++i) ASSERT_TRUE(f.Submit(i));
  EXPECT_EQ(f.batcher->queued(), 10u);
  f.gate.Open();
  f.batcher->Stop();
  EXPECT_EQ(f.gate.sizes(), (std::vector<size_t>{1, 10}));
  ASSERT_EQ(f.answers.size(), 11u);
  EXPECT_EQ(f.answers[10], "evt_10") << "each gets its own answer";
}

TEST(IngestBatcherTest, WhatComesTogetherIsCommittedTogether) {
  Fixture f({.committers = 4, .max_batch_events = 8});
  std::vector<IngestBatcher::Delivery> deliveries;
  for (int i = 0; i < 8; ++i) deliveries.push_back(f.Delivery(i, 10, absl::InfiniteDuration()));
  f.batcher->Submit(std::move(deliveries));
  f.gate.WaitForBatches(1);
  f.gate.Open();
  f.batcher->Stop();
  EXPECT_EQ(f.gate.sizes(), std::vector<size_t>{8});
}

TEST(IngestBatcherTest, BatchesAreBoundedInEventsAndBytes) {
  Fixture f({.committers = 1, .max_batch_events = 4, .max_batch_bytes = 100});
  ASSERT_TRUE(f.Submit(0));
  f.gate.WaitForBatches(1);
  for (int i = 1; i <= 6; ++i) ASSERT_TRUE(f.Submit(i));
  ASSERT_TRUE(f.Submit(7, 90));
  ASSERT_TRUE(f.Submit(8, 500)) << "larger than a batch: alone";
  f.gate.Open();
  f.batcher->Stop();
  EXPECT_EQ(f.gate.sizes(), (std::vector<size_t>{1, 4, 2, 1, 1}));
}

TEST(IngestBatcherTest, AFullQueueRefusesAtOnce) {
  Fixture f({.committers = 1, .max_batch_events = 64, .max_queued_events = 3, .max_queued_bytes = 1000});
  ASSERT_TRUE(f.Submit(0));
  f.gate.WaitForBatches(1);
  EXPECT_FALSE(f.Submit(1, 1001)) << "by bytes";
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(f.Submit(i));
  EXPECT_FALSE(f.Submit(4)) << "by events";
  f.gate.Open();
  f.batcher->Stop();
  EXPECT_EQ(f.answers.size(), 4u) << "what was taken is answered, what was refused isn't";
  EXPECT_FALSE(f.Submit(5)) << "stopped";
}

TEST(IngestBatcherTest, ADeliveryWhoseCallerGaveUpIsNotStored) {
  Fixture f({.committers = 1});
  ASSERT_TRUE(f.Submit(0));
  f.gate.WaitForBatches(1);
  ASSERT_TRUE(f.Submit(1, 10, absl::Seconds(1)));
  ASSERT_TRUE(f.Submit(2, 10, absl::Seconds(10)));
  f.clock.Advance(absl::Seconds(2));
  f.gate.Open();
  f.batcher->Stop();
  EXPECT_EQ(f.gate.sizes(), (std::vector<size_t>{1, 1}));
  const std::set<std::string> answers(f.answers.begin(), f.answers.end());
  EXPECT_EQ(answers, (std::set<std::string>{"evt_0", "evt_2", "deadline_exceeded"}));
}

TEST(IngestBatcherTest, SeveralBatchesCommitAtTheSameTime) {
  Fixture f({.committers = 3});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(f.Submit(i));
    f.gate.WaitForBatches(static_cast<size_t>(i) + 1);
  }
  EXPECT_EQ(f.gate.sizes(), (std::vector<size_t>{1, 1, 1})) << "none of them has ended";
  f.gate.Open();
}

TEST(IngestBatcherTest, EveryDeliveryOfManyThreadsIsAnsweredOnce) {
  Fixture f({.committers = 4, .max_batch_events = 8, .max_queued_events = 10'000});
  f.gate.Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&f, t] {
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(f.Submit(t * 500 + i));
    });
  }
  for (auto& thread : threads) thread.join();
  f.batcher->Stop();
  const std::set<std::string> distinct(f.answers.begin(), f.answers.end());
  EXPECT_EQ(f.answers.size(), 4000u);
  EXPECT_EQ(distinct.size(), 4000u);
}

}  // namespace
}  // namespace billmesh::webhook
