// What the watch measures, against rows that time passes over.
#include "services/reconciler/checkout_watch.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "services/reconciler/run_watch.h"

namespace billmesh::reconciler {
namespace {

class CheckoutWatchTest : public ::testing::Test {
 protected:
  // A pending operation, made now, to be replayed for an hour at most.
  void AddOperation(const std::string& action) {
    database_.Admin(R"sql(
      INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
        operation_key, actor, provider, lease_owner, lease_until, provider_idempotency_replay_deadline_at)
      VALUES ($1::uuid, 'test', $2, $3, 'k', '', '', $1::text, 'user:x', 'stripe', 'me', billing.now(),
        billing.now() + interval '1 hour')
    )sql",
                    {database_.ids().NewId(), Workspace(), action});
  }
  void AddSession(const std::string& status, const std::string& env = "test",
                  const std::string& mode = "subscription") {
    database_.Admin(R"sql(
      INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, mode, status,
        expires_at, ended_at)
      VALUES ($1::uuid, $2, $3, $1::text, 'stripe', $1::text, $4, $5, billing.now() + interval '30 minutes',
        CASE WHEN $5 = 'expired' THEN billing.now() END)
    )sql",
                    {database_.ids().NewId(), env, Workspace(), mode, status});
  }
  std::string Workspace() { return database_.AddWorkspace(absl::StrCat("w", ++added_)); }

  // As a daemon of ours, with no more than its grants.
  void Write(const std::string& daemon, const char* sql) {
    const auto written = db::RunInTransaction(database_.Pool(daemon), db::Scope::System("test"),
                                              [&](db::Tx& tx) { return tx.Exec(sql, {}); });
    ASSERT_TRUE(written.ok()) << written.status();
    ASSERT_GT(written->affected(), 0) << sql;
  }
  void AddRun(const std::string& status, const std::string& scope, const std::string& env = "test") {
    database_.Admin(R"sql(
      INSERT INTO billing.reconciliation_runs (id, env, provider, scope, trigger, status, error, finished_at)
      VALUES ($1, $2, 'stripe', $3, 'schedule', $4, CASE WHEN $4 = 'failed' THEN 'x' END,
        CASE WHEN $4 <> 'running' THEN billing.now() END)
    )sql",
                    {database_.ids().NewId(), env, scope, status});
  }
  void MeasureRunsNow() {
    for (const char* scope : {"pending_recent", "another"}) {
      const absl::Status measured = MeasureRuns(database_.Pool("reconciler"), {"test", "stripe", scope});
      ASSERT_TRUE(measured.ok()) << measured;
    }
  }
  static double LastDone(const std::string& scope) {
    return Sample(absl::StrCat("billmesh_reconciliation_last_done_timestamp_seconds{scope=\"", scope, "\"} "));
  }

  void MeasureAt(absl::Duration offset) {
    database_.SetClockOffset(offset);
    const absl::Status measured = MeasureCheckout(database_.Pool("reconciler"), "test",
                                                  {.checkout_lease = absl::Seconds(120),
                                                   .replay_near = absl::Minutes(10),
                                                   .session_grace = absl::Seconds(90),
                                                   .completion_within = absl::Minutes(5)});
    ASSERT_TRUE(measured.ok()) << measured;
  }
  static double Level(const std::string& code) {
    return Sample(absl::StrCat("billmesh_guardrail_level{code=\"", code, "\"} "));
  }
  // -1 if there is none.
  static double Sample(const std::string& sample) {
    const std::string text = telemetry::RenderMetrics();
    const size_t at = text.find(sample);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + sample.size()));
  }
  testing::TestDatabase database_;
  int added_ = 0;
};

TEST_F(CheckoutWatchTest, NothingIsWrongWhereNothingIs) {
  MeasureAt(absl::ZeroDuration());
  for (const char* code :
       {"BILLING_PENDING_OPERATION_OVERDUE", "BILLING_REPLAY_DEADLINE_NEAR", "BILLING_REPLAY_DEADLINE_PASSED",
        "BILLING_CHECKOUT_HOLDS", "BILLING_CHECKOUT_HOLD_AGE_SECONDS", "BILLING_CHECKOUT_OPEN_OVER_SLA",
        "BILLING_CHECKOUT_COMPLETION_OVER_SLA"}) {
    EXPECT_EQ(Level(code), 0) << code;
  }
}

TEST_F(CheckoutWatchTest, PendingOperationsAreOverdueThenNearThenPastTheirDeadline) {
  AddOperation("checkout");
  AddOperation("create_payment_link");
  AddOperation("set_add_on");
  database_.Admin(
      "UPDATE billing.request_idempotency SET status = 'failed', failure_code = 'checkout_provider_error', "
      "completed_at = billing.now() WHERE action = 'set_add_on'");
  struct Case {
    absl::Duration at;
    double overdue, near, past;
  };
  for (const Case& one :
       {Case{absl::Seconds(230), 0, 0, 0}, Case{absl::Seconds(241), 2, 0, 0}, Case{absl::Minutes(49), 2, 0, 0},
        Case{absl::Minutes(51), 2, 2, 0}, Case{absl::Minutes(61), 2, 0, 2}}) {
    MeasureAt(one.at);
    EXPECT_EQ(Level("BILLING_PENDING_OPERATION_OVERDUE"), one.overdue) << one.at;
    EXPECT_EQ(Level("BILLING_REPLAY_DEADLINE_NEAR"), one.near) << one.at;
    EXPECT_EQ(Level("BILLING_REPLAY_DEADLINE_PASSED"), one.past) << one.at;
  }
  database_.Admin(
      "UPDATE billing.request_idempotency SET status = 'succeeded', response = '{}', completed_at = billing.now() "
      "WHERE status = 'pending'");
  MeasureAt(absl::Minutes(61));
  EXPECT_EQ(Level("BILLING_PENDING_OPERATION_OVERDUE"), 0) << "what is over goes back";
}

TEST_F(CheckoutWatchTest, BlockingSessionsAreOverTheirSlaAndHoldsHaveAnAge) {
  AddSession("open");
  AddSession("open", "live");
  AddSession("open", "test", "payment");
  AddSession("expired");
  AddSession("completed_pending_subscription");
  AddSession("completed_pending_subscription");
  AddSession("recovery_verification_pending");
  struct Case {
    absl::Duration at;
    double open, completion;
  };
  for (const Case& one : {Case{absl::Minutes(4), 0, 0}, Case{absl::Minutes(6), 0, 2}, Case{absl::Minutes(31), 0, 2},
                          Case{absl::Minutes(32), 1, 2}}) {
    MeasureAt(one.at);
    EXPECT_EQ(Level("BILLING_CHECKOUT_OPEN_OVER_SLA"), one.open) << one.at;
    EXPECT_EQ(Level("BILLING_CHECKOUT_COMPLETION_OVER_SLA"), one.completion) << one.at;
    EXPECT_EQ(Level("BILLING_CHECKOUT_HOLDS"), 1) << one.at;
    EXPECT_NEAR(Level("BILLING_CHECKOUT_HOLD_AGE_SECONDS"), absl::ToDoubleSeconds(one.at), 20) << one.at;
  }
}

TEST_F(CheckoutWatchTest, WhatIsPaidWaitsSinceItsCompletionWhateverRefreshesIt) {
  AddSession("open");
  database_.SetClockOffset(absl::Minutes(10));
  Write("webhook", "UPDATE billing.checkout_sessions SET status = 'completed_pending_subscription'");
  for (int minute = 11; minute < 15; ++minute) {
    database_.SetClockOffset(absl::Minutes(minute));
    Write("checkout", "UPDATE billing.checkout_sessions SET status = status, updated_at = billing.now()");
  }
  MeasureAt(absl::Seconds(14 * 60 + 30));
  EXPECT_EQ(Level("BILLING_CHECKOUT_COMPLETION_OVER_SLA"), 0);
  MeasureAt(absl::Seconds(15 * 60 + 30));
  EXPECT_EQ(Level("BILLING_CHECKOUT_COMPLETION_OVER_SLA"), 1);
  const std::string completed = database_.Value("SELECT completed_at FROM billing.checkout_sessions");
  Write("webhook",
        "UPDATE billing.checkout_sessions SET status = 'completed_reconciled', ended_at = billing.now(), "
        "updated_at = billing.now()");
  EXPECT_EQ(database_.Value("SELECT completed_at FROM billing.checkout_sessions"), completed)
      << "the first time counts";
  MeasureAt(absl::Minutes(16));
  EXPECT_EQ(Level("BILLING_CHECKOUT_COMPLETION_OVER_SLA"), 0);
}

TEST_F(CheckoutWatchTest, AnOperationThatIsPendingAgainIsOverdueByItsNewBeginning) {
  AddOperation("create_portal_session");
  Write("checkout",
        "UPDATE billing.request_idempotency SET status = 'succeeded', response = '{}', completed_at = billing.now()");
  database_.SetClockOffset(absl::Hours(3));
  Write("checkout",
        "UPDATE billing.request_idempotency SET status = 'pending', response = NULL, completed_at = NULL, "
        "lease_version = lease_version + 1");
  MeasureAt(absl::Hours(3) + absl::Seconds(230));
  EXPECT_EQ(Level("BILLING_PENDING_OPERATION_OVERDUE"), 0);
  // A takeover doesn't make it younger.
  Write("checkout",
        "UPDATE billing.request_idempotency SET status = 'pending', lease_version = lease_version + 1, "
        "updated_at = billing.now()");
  MeasureAt(absl::Hours(3) + absl::Seconds(250));
  EXPECT_EQ(Level("BILLING_PENDING_OPERATION_OVERDUE"), 1);
}

TEST_F(CheckoutWatchTest, LevelsOfAnEarlierLookAreMarkedAsSuch) {
  AddSession("recovery_verification_pending");
  MeasureAt(absl::ZeroDuration());
  EXPECT_EQ(Sample("\nbillmesh_checkout_watch_up "), 1);
  database_.TakeAway();
  EXPECT_FALSE(MeasureCheckout(database_.Pool("reconciler"), "test", {}).ok());
  EXPECT_EQ(Sample("\nbillmesh_checkout_watch_up "), 0);
  EXPECT_EQ(Level("BILLING_CHECKOUT_HOLDS"), 1);
  database_.Restore();
  MeasureAt(absl::ZeroDuration());
  EXPECT_EQ(Sample("\nbillmesh_checkout_watch_up "), 1);
}

TEST_F(CheckoutWatchTest, AScopeOfWhichNoRunWasEverDoneSaysSo) {
  AddRun("failed", "pending_recent");
  AddRun("running", "pending_recent");
  AddRun("done", "another");
  AddRun("done", "pending_recent", "live");
  MeasureRunsNow();
  EXPECT_EQ(LastDone("pending_recent"), 0);
  EXPECT_NEAR(LastDone("another"), absl::ToUnixSeconds(absl::Now()), 30);
}

TEST_F(CheckoutWatchTest, TheLastRunThatWasDoneCountsWhoeverRanIt) {
  for (const int hour : {1, 2}) {
    database_.SetClockOffset(absl::Hours(hour));
    AddRun("done", "pending_recent");
  }
  database_.SetClockOffset(absl::Hours(3));
  AddRun("failed", "pending_recent");
  MeasureRunsNow();
  EXPECT_NEAR(LastDone("pending_recent"), absl::ToUnixSeconds(absl::Now() + absl::Hours(2)), 30);
}

}  // namespace
}  // namespace billmesh::reconciler
