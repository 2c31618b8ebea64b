#include "services/entitlements/state_loader.h"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "common/time/fake_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/entitlements/revision_waiters.h"

namespace billmesh::entitlements {
namespace {

using ::testing::ElementsAre;

EntityKey Key(uint64_t n) { return EntityKey{n, n}; }

// Revisions by entity, with a hook that runs inside a load, after its "snapshot".
class FakeSource : public StateSource {
 public:
  absl::StatusOr<Batch> Load(const std::vector<EntityKey>& keys) override {
    ++loads;
    batch_sizes.push_back(keys.size());
    if (!error.ok()) return error;
    Batch batch;
    for (const EntityKey& key : keys) {
      const auto it = revisions.find(key);
      if (it == revisions.end()) continue;
      auto state = std::make_shared<State>();
      state->key = key;
      state->revision = it->second;
      batch.states.push_back(std::move(state));
    }
    if (after_snapshot) std::exchange(after_snapshot, nullptr)();
    if (!store_error.ok()) batch.store = [this] { return store_error; };
    return batch;
  }

  std::map<EntityKey, int64_t> revisions;
  std::function<void()> after_snapshot;
  absl::Status error;
  absl::Status store_error;
  int loads = 0;
  std::vector<size_t> batch_sizes;
};

class StateLoaderTest : public ::testing::Test {
 protected:
  // Runs what was handed to the "executor".
  void RunTasks() {
    while (!tasks_.empty()) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  void TearDown() override { RunTasks(); }

  struct Answer {
    std::optional<absl::StatusOr<std::shared_ptr<const State>>> value;
    bool answered() const { return value.has_value(); }
    int64_t revision() const { return value->ok() ? (**value)->revision : -1; }
    Reason reason() const { return ReasonOf(value->status()); }
  };
  // Its deadline is a second away.
  std::shared_ptr<Answer> Get(uint64_t n, int64_t min_revision = 0) {
    auto answer = std::make_shared<Answer>();
    loader_.Get(Key(n), min_revision, clock_.Monotonic() + absl::Seconds(1),
                [answer](absl::StatusOr<std::shared_ptr<const State>> state) { answer->value = std::move(state); });
    return answer;
  }

  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  StateCache cache_{1000};
  FakeSource source_;
  bool full_ = false;
  std::deque<std::function<void()>> tasks_;
  StateLoader loader_{{clock_, cache_, source_, [this](std::function<void()> task) {
                         if (full_) return false;
                         tasks_.push_back(std::move(task));
                         return true;
                       }}};
};

TEST_F(StateLoaderTest, ManyAskersOfOneEntityShareOneLoad) {
  source_.revisions[Key(1)] = 7;
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(Get(1));
  EXPECT_FALSE(answers[0]->answered());
  RunTasks();
  for (const auto& answer : answers) EXPECT_EQ(answer->revision(), 7);
  EXPECT_EQ(source_.loads, 1);
  EXPECT_EQ(cache_.Get(Key(1))->revision, 7);
}

TEST_F(StateLoaderTest, WhatGatheredMeanwhileIsOneTransaction) {
  for (uint64_t n = 0; n < 300; ++n) {
    source_.revisions[Key(n)] = 1;
    Get(n);
  }
  RunTasks();
  EXPECT_THAT(source_.batch_sizes, ElementsAre(StateLoader::kMaxBatch, 300 - StateLoader::kMaxBatch));
  EXPECT_EQ(cache_.size(), 300u);
}

TEST_F(StateLoaderTest, UnknownEntitiesAreNotFoundAndNotRemembered) {
  const auto answer = Get(1);
  RunTasks();
  EXPECT_EQ(answer->reason(), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_EQ(cache_.size(), 0u);
  source_.revisions[Key(1)] = 1;
  const auto later = Get(1);
  RunTasks();
  EXPECT_EQ(later->revision(), 1);
}

TEST_F(StateLoaderTest, AChangeDuringALoadIsLoadedAfterIt) {
  source_.revisions[Key(1)] = 1;
  source_.after_snapshot = [&] {
    // Committed after the load's snapshot, and named by the feed before the load is done.
    source_.revisions[Key(1)] = 2;
    loader_.Require(Key(1), 2);
  };
  const auto answer = Get(1);
  RunTasks();
  EXPECT_EQ(answer->revision(), 1);
  EXPECT_EQ(source_.loads, 2);
  EXPECT_EQ(cache_.Get(Key(1))->revision, 2);
}

TEST_F(StateLoaderTest, TheFeedLoadsOnlyWhatIsInMemoryAndOlder) {
  loader_.Require(Key(1), 5);
  loader_.Kick();
  RunTasks();
  EXPECT_EQ(source_.loads, 0);
  source_.revisions[Key(1)] = 5;
  Get(1);
  RunTasks();
  EXPECT_EQ(source_.loads, 1);
  loader_.Require(Key(1), 5);
  loader_.Kick();
  RunTasks();
  EXPECT_EQ(source_.loads, 1);
  source_.revisions[Key(1)] = 6;
  loader_.Require(Key(1), 6);
  loader_.Kick();
  RunTasks();
  EXPECT_EQ(source_.loads, 2);
  EXPECT_EQ(cache_.Get(Key(1))->revision, 6);
}

TEST_F(StateLoaderTest, ACallerWaitsForItsRevision) {
  source_.revisions[Key(1)] = 1;
  const auto waiting = Get(1, 3);
  RunTasks();
  EXPECT_FALSE(waiting->answered());
  source_.revisions[Key(1)] = 2;
  loader_.Require(Key(1), 2);
  loader_.Kick();
  RunTasks();
  EXPECT_FALSE(waiting->answered());
  source_.revisions[Key(1)] = 3;
  loader_.Require(Key(1), 3);
  loader_.Kick();
  RunTasks();
  ASSERT_TRUE(waiting->answered());
  EXPECT_EQ(waiting->revision(), 3);
}

TEST_F(StateLoaderTest, ACallerThatJoinsALoadMayHaveSeenMoreThanIt) {
  source_.revisions[Key(1)] = 1;
  std::shared_ptr<Answer> late;
  source_.after_snapshot = [&] {
    source_.revisions[Key(1)] = 2;
    late = Get(1, 2);
  };
  Get(1);
  RunTasks();
  ASSERT_TRUE(late->answered());
  EXPECT_EQ(late->revision(), 2);
}

TEST_F(StateLoaderTest, ARevisionThatNeverComesIsToldAtTheDeadline) {
  RevisionWaiters waiters(clock_, 10);
  std::atomic<int> expired{0};
  waiters.Add(Key(1), 5, clock_.Monotonic() + absl::Seconds(1),
              [&](const absl::StatusOr<std::shared_ptr<const State>>& state) {
                EXPECT_EQ(ReasonOf(state.status()), Reason::FAILURE_REASON_REVISION_NOT_REACHED);
                ++expired;
              });
  waiters.Expire();
  EXPECT_EQ(expired, 0);
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(testing::WaitUntil([&] { return expired == 1; }));
  EXPECT_EQ(waiters.size(), 0u);
}

TEST_F(StateLoaderTest, WaitersAreBoundedInNumber) {
  // Outlives the waiters: those that are left are told at their end.
  std::vector<Reason> reasons;
  RevisionWaiters waiters(clock_, 1);
  const auto add = [&] {
    waiters.Add(Key(1), 5, absl::InfiniteDuration(), [&](const absl::StatusOr<std::shared_ptr<const State>>& state) {
      reasons.push_back(ReasonOf(state.status()));
    });
  };
  add();
  add();
  EXPECT_THAT(reasons, ElementsAre(Reason::FAILURE_REASON_OVERLOADED));
}

TEST_F(StateLoaderTest, AFailedLoadIsToldToItsCallersAndNotTriedForThem) {
  source_.error = Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "away");
  const auto answer = Get(1);
  RunTasks();
  EXPECT_EQ(answer->reason(), Reason::FAILURE_REASON_DATABASE_UNAVAILABLE);
  loader_.RetryDeferred();
  RunTasks();
  EXPECT_EQ(source_.loads, 1);
}

TEST_F(StateLoaderTest, WhatTheFeedNamedIsTriedAgainAfterAFailure) {
  source_.revisions[Key(1)] = 1;
  Get(1);
  RunTasks();
  source_.revisions[Key(1)] = 2;
  source_.error = Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "away");
  loader_.Require(Key(1), 2);
  loader_.Kick();
  RunTasks();
  EXPECT_EQ(cache_.Get(Key(1))->revision, 1);
  source_.error = absl::OkStatus();
  loader_.RetryDeferred();
  RunTasks();
  EXPECT_EQ(cache_.Get(Key(1))->revision, 2);
}

TEST_F(StateLoaderTest, ACallerTakesADeferredLoadAlong) {
  source_.revisions[Key(1)] = 1;
  Get(1);
  RunTasks();
  source_.error = Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "away");
  loader_.Require(Key(1), 2);
  loader_.Kick();
  RunTasks();
  source_.error = absl::OkStatus();
  source_.revisions[Key(1)] = 2;
  const auto answer = Get(1, 2);
  RunTasks();
  ASSERT_TRUE(answer->answered());
  EXPECT_EQ(answer->revision(), 2);
}

TEST_F(StateLoaderTest, AnAnswerThatCouldNotBeStoredIsLoadedAgainLater) {
  source_.revisions[Key(1)] = 1;
  source_.store_error = Fail(Reason::FAILURE_REASON_TRANSACTION_CONFLICT, "locked");
  const auto answer = Get(1);
  RunTasks();
  EXPECT_EQ(answer->revision(), 1);
  EXPECT_EQ(source_.loads, 1);
  source_.store_error = absl::OkStatus();
  loader_.RetryDeferred();
  RunTasks();
  EXPECT_EQ(source_.loads, 2);
  loader_.RetryDeferred();
  RunTasks();
  EXPECT_EQ(source_.loads, 2);
}

TEST_F(StateLoaderTest, AFullExecutorTurnsCallersAwayAndKeepsTheFeedsWork) {
  source_.revisions[Key(1)] = 1;
  Get(1);
  RunTasks();
  full_ = true;
  source_.revisions[Key(1)] = 2;
  loader_.Require(Key(1), 2);
  const auto answer = Get(2);
  ASSERT_TRUE(answer->answered());
  EXPECT_EQ(answer->reason(), Reason::FAILURE_REASON_OVERLOADED);
  EXPECT_EQ(loader_.queued(), 1u);
  full_ = false;
  loader_.Kick();
  RunTasks();
  EXPECT_EQ(cache_.Get(Key(1))->revision, 2);
}

TEST_F(StateLoaderTest, RefreshLoadsAnewWhateverTheRevision) {
  source_.revisions[Key(1)] = 1;
  Get(1);
  RunTasks();
  loader_.Refresh({Key(1)});
  loader_.Kick();
  RunTasks();
  EXPECT_EQ(source_.loads, 2);
}

}  // namespace
}  // namespace billmesh::entitlements
