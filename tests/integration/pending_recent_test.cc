// The scope pending_recent on real PostgreSQL.
#include "services/reconciler/pending_recent_scope.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/reconciliation_fixture.h"

namespace billmesh::reconciler {
namespace {

TEST_F(PendingRecentTest, RecoversExactlyTheStaleOperationsOfEveryActionInOrder) {
  const std::string third = AddOperation("create_portal_session", absl::Minutes(1));
  const std::string first = AddOperation("checkout", absl::Hours(2));
  const std::string second = AddOperation("set_add_on", absl::Hours(1));
  const std::string fourth = AddOperation("create_payment_link", absl::Seconds(1));
  const std::string nobodys = AddOperation("cancel_subscription", absl::Hours(3));
  // As old as it is: since now less half a minute.
  database_.Admin(
      "UPDATE billing.request_idempotency SET lease_owner = NULL, lease_until = NULL, "
      "created_at = billing.now() - interval '30 seconds' WHERE id = $1",
      {nobodys});
  AddOperation("checkout", -absl::Seconds(60));                         // somebody is at it
  AddOperation("checkout", absl::Hours(1), "live");                     // another deployment's
  AddOperation("checkout", absl::Hours(1), "test", "elsewhere");        // another provider's
  checkout_.Ends(AddOperation("resume_subscription", absl::Hours(1)));  // ended
  PendingRecentScope scope = Scope(database_.clock(), 2);
  ScopeRunner runner = Runner(scope);
  RunToItsEnd(runner);
  EXPECT_EQ(checkout_.seen, (std::vector<std::string>{first, second, third, nobodys, fourth}));
  EXPECT_EQ(Runs("status, scanned, drifted, repaired, failed"), "done 5 5 5 0");
  EXPECT_EQ(database_.Value("SELECT samples->0 FROM billing.reconciliation_runs"),
            absl::StrCat(R"({"kind": "checkout", "detail": "succeeded", "result": "repaired", "subject": ")", first,
                         R"("})"));
  // A second run right after finds nothing (REC-4).
  AskForARun();
  ScopeRunner again = Runner(scope, "runner-2");
  RunToItsEnd(again);
  EXPECT_EQ(checkout_.seen.size(), 5u);
  EXPECT_EQ(Runs("status, scanned, drifted"), "done 5 5, done 0 0");
}

TEST_F(PendingRecentTest, WhatStaysOpenOrFailsIsTriedOncePerRun) {
  const std::string open = AddOperation("checkout", absl::Hours(2));
  const std::string fails = AddOperation("checkout", absl::Hours(1));
  const std::string expired = AddOperation("checkout", absl::Minutes(1));
  checkout_.script = [&](const std::string& id) -> absl::StatusOr<Recovered> {
    if (id == open) return checkout_.StaysOpen(id);
    if (id == fails) return Fail(Reason::FAILURE_REASON_DATA_INVALID, "no step");
    checkout_.Ends(id);
    return Recovered{true, "expired", "checkout_recovery_window_elapsed"};
  };
  PendingRecentScope scope = Scope(database_.clock(), 1);
  ScopeRunner runner = Runner(scope);
  RunToItsEnd(runner);
  EXPECT_EQ(checkout_.seen, (std::vector<std::string>{open, fails, expired}));
  EXPECT_EQ(Runs("status, scanned, drifted, repaired, failed"), "done 3 3 1 1");
  EXPECT_EQ(database_.Value("SELECT string_agg(s->>'result' || ' ' || (s->>'detail'), ', ') "
                            "FROM billing.reconciliation_runs r, jsonb_array_elements(r.samples) s"),
            "open pending, failed data_invalid: no step, "
            "repaired expired: checkout_recovery_window_elapsed");
  RunToItsEnd(runner);
  EXPECT_EQ(checkout_.seen.size(), 3u) << "not before the next run";
  database_.SetClockOffset(kPeriod);
  RunToItsEnd(runner);
  EXPECT_EQ(checkout_.seen, (std::vector<std::string>{open, fails, expired, fails, open}))
      << "in the order of their leases";
}

TEST_F(PendingRecentTest, BeginsNoCallThatMightNotEndWithinHalfTheLease) {
  for (int n = 0; n < 6; ++n) AddOperation("checkout", absl::Minutes(60 - n));
  FakeClock clock(absl::FromUnixSeconds(1'700'000'000));
  checkout_.script = [&](const std::string& id) {
    clock.Advance(absl::Seconds(20));
    return checkout_.Ends(id);
  };
  // Half of the lease is 90 s: calls may begin until 60 s.
  PendingRecentScope patient = Scope(clock, 10, absl::Hours(1));
  const auto batch = patient.Next({absl::Now(), ""}, clock.Monotonic() + kLease / 2);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->findings.size(), 4u);
  EXPECT_FALSE(batch->finished);
  // One that shows its progress often stops sooner, and goes on from there.
  PendingRecentScope quick = Scope(clock, 10, absl::Seconds(5));
  const auto next = quick.Next({absl::Now(), batch->cursor}, clock.Monotonic() + kLease / 2);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->findings.size(), 1u);
  EXPECT_FALSE(next->finished);
  const auto late = quick.Next({absl::Now(), next->cursor}, clock.Monotonic() + absl::Seconds(29));
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_TRUE(late->findings.empty());
  EXPECT_EQ(late->cursor, next->cursor);
  EXPECT_EQ(std::set<std::string>(checkout_.seen.begin(), checkout_.seen.end()).size(), 5u);
}

// As a worker's thread does, once a second.
class AwayTest : public PendingRecentTest {
 protected:
  int SecondsUntilDone(ScopeRunner& runner, int limit) {
    for (int second = 0; second < limit; ++second, clock_.Advance(absl::Seconds(1))) {
      for (auto more = runner.RunOnce(); more.ok() && *more;) more = runner.RunOnce();
      if (Runs("status") == "done") return second;
    }
    return limit;
  }
  int64_t CallsFor(const std::string& id) const { return std::count(checkout_.seen.begin(), checkout_.seen.end(), id); }

  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
};

TEST_F(AwayTest, WhileCheckoutIsAwayTheRunWaitsAtItsPlace) {
  const std::string first = AddOperation("checkout", absl::Hours(3));
  const std::string second = AddOperation("checkout", absl::Hours(2));
  const std::string third = AddOperation("checkout", absl::Hours(1));
  bool away = true;
  checkout_.script = [&](const std::string& id) -> absl::StatusOr<Recovered> {
    if (away && id != first) return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "no answer");
    return checkout_.Ends(id);
  };
  PendingRecentScope scope = Scope(clock_, 10);
  ScopeRunner runner = Runner(scope, "runner-1", clock_, absl::ZeroDuration());
  EXPECT_TRUE(RunOnce(runner)) << "what was found before is stored";
  EXPECT_EQ(Runs("status, scanned, repaired, failed"), "running 1 1 0");
  EXPECT_FALSE(RunOnce(runner)) << "and then it is waited for";
  EXPECT_EQ(checkout_.seen, (std::vector<std::string>{first, second}));
  clock_.Advance(absl::Seconds(1));
  const auto faulted = runner.RunOnce();
  EXPECT_EQ(ReasonOf(faulted.status()), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
  EXPECT_EQ(SecondsUntilDone(runner, 25), 25);
  EXPECT_EQ(Runs("status, scanned, failed"), "running 1 0");
  EXPECT_EQ(CallsFor(third), 0);
  EXPECT_LT(CallsFor(second), 8) << "the waits grow";
  away = false;
  EXPECT_LT(SecondsUntilDone(runner, 60), 60);
  EXPECT_EQ(Runs("status, scanned, repaired, failed"), "done 3 3 0");
}

TEST_F(AwayTest, AnOperationThatMakesCheckoutFallHoldsUpTheOthersForABoundedTime) {
  const std::string falls = AddOperation("checkout", absl::Hours(2));
  const std::string healthy = AddOperation("checkout", absl::Hours(1));
  for (const Reason reason : {Reason::FAILURE_REASON_PEER_UNAVAILABLE, Reason::FAILURE_REASON_DEADLINE_EXCEEDED}) {
    checkout_.seen.clear();
    database_.Admin("DELETE FROM billing.reconciliation_runs");
    database_.Admin(
        "UPDATE billing.request_idempotency SET status = 'pending', response = NULL, completed_at = NULL, "
        "lease_owner = 'me', lease_until = billing.now() - interval '1 hour' WHERE id = $1",
        {healthy});
    checkout_.script = [&](const std::string& id) -> absl::StatusOr<Recovered> {
      if (id == healthy) return checkout_.Ends(id);
      if (reason == Reason::FAILURE_REASON_DEADLINE_EXCEEDED) clock_.Advance(absl::Seconds(30));
      return Fail(reason, "no answer");
    };
    PendingRecentScope scope = Scope(clock_, 10);
    ScopeRunner runner = Runner(scope, "runner-1", clock_, absl::ZeroDuration());
    EXPECT_LT(SecondsUntilDone(runner, 120), 120);
    EXPECT_EQ(Runs("status, scanned, repaired, failed"), "done 2 1 1");
    EXPECT_EQ(CallsFor(healthy), 1);
    EXPECT_GE(CallsFor(falls), 3);
    EXPECT_LE(CallsFor(falls), 8);
  }
}

TEST_F(PendingRecentTest, ACursorThatIsNotItsOwnEndsTheRun) {
  PendingRecentScope scope = Scope(database_.clock(), 2);
  const auto batch = scope.Next({absl::Now(), "forged"}, absl::InfiniteDuration());
  EXPECT_EQ(ReasonOf(batch.status()), Reason::FAILURE_REASON_DATA_INVALID);
}

}  // namespace
}  // namespace billmesh::reconciler
