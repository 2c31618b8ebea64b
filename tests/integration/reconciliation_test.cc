// Runs of scopes, and those that operators ask for, on real PostgreSQL.
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/reconciler/reconciler_service.h"
#include "tests/integration/reconciliation_fixture.h"

namespace billmesh::reconciler {
namespace {

TEST_F(ReconciliationTest, OneRunOfAScopeIsActiveWhoeverBegins) {
  constexpr int kThreads = 8;
  std::atomic<int> inside = 0, returned = 0;
  std::vector<Scripted> scopes(kThreads);
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n) {
    scopes[n].script = [&](const RunPosition&) {
      ++inside;
      // The one that runs goes on until all others have found that they may not.
      EXPECT_TRUE(testing::WaitUntil([&] { return returned == kThreads - 1; }));
      return absl::StatusOr<Batch>(Found(1, "c", true));
    };
    threads.emplace_back([&, n] {
      ScopeRunner runner = Runner(scopes[n], absl::StrCat("runner-", n));
      EXPECT_FALSE(RunOnce(runner));
      ++returned;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inside, 1);
  EXPECT_EQ(Runs("status, trigger, scanned, repaired, lease_version"), "done schedule 1 1 1");
}

TEST_F(ReconciliationTest, ARunLeftByItsHolderIsTakenOverAndGoesOnFromItsCursor) {
  scope_.script = [](const RunPosition&) { return Found(2, "c1"); };
  {
    ScopeRunner dies = Runner(scope_);
    EXPECT_TRUE(RunOnce(dies));
  }
  Scripted next;
  next.script = [](const RunPosition&) { return Found(1, "c2", true); };
  ScopeRunner heir = Runner(next, "runner-2");
  EXPECT_FALSE(RunOnce(heir));
  EXPECT_TRUE(next.cursors.empty()) << "the lease still runs";
  database_.SetClockOffset(kLease + absl::Seconds(1));
  EXPECT_FALSE(RunOnce(heir));
  EXPECT_EQ(next.cursors, std::vector<std::string>{"c1"});
  EXPECT_EQ(next.started, scope_.started) << "it is the same run";
  EXPECT_EQ(Runs("status, cursor, scanned, repaired, lease_version, jsonb_array_length(samples)"), "done c2 3 3 2 3");
}

TEST_F(ReconciliationTest, ARunnerWhoseLeaseIsAnothersWritesNothingMore) {
  struct Case {
    const char* name;
    absl::StatusOr<Batch> late;
  };
  const Case cases[] = {
      {"progress", Found(5, "late")}, {"end", Found(5, "late", true)}, {"failure", absl::InternalError("late")}};
  for (const Case& one : cases) {
    database_.Admin("DELETE FROM billing.reconciliation_runs");
    database_.SetClockOffset(absl::ZeroDuration());
    const double before = Guardrails("BILLING_RECONCILIATION_FENCING_CONFLICT");
    Scripted next;
    next.script = [](const RunPosition&) { return Found(1, "fresh"); };
    ScopeRunner heir = Runner(next, "runner-2");
    scope_.script = [&](const RunPosition&) {
      // While the first holder sleeps, its lease ends and another goes on with the run.
      database_.SetClockOffset(kLease + absl::Seconds(1));
      EXPECT_TRUE(RunOnce(heir));
      return one.late;
    };
    ScopeRunner sleeper = Runner(scope_);
    EXPECT_FALSE(RunOnce(sleeper)) << one.name;
    EXPECT_EQ(Runs("status, cursor, scanned, lease_owner, lease_version"), "running fresh 1 runner-2 2") << one.name;
    EXPECT_EQ(Guardrails("BILLING_RECONCILIATION_FENCING_CONFLICT"), before + 1) << one.name;
    scope_.cursors.clear();
    EXPECT_FALSE(RunOnce(sleeper)) << "it has nothing left to go on with";
    EXPECT_TRUE(scope_.cursors.empty());
  }
}

TEST_F(ReconciliationTest, ARunThatIsLetGoIsTakenAtOnceAndItsOldHolderIsOut) {
  scope_.script = [](const RunPosition&) { return Found(1, "c1"); };
  ScopeRunner ends = Runner(scope_);
  EXPECT_TRUE(RunOnce(ends));
  ends.LetGo();
  Scripted next;
  next.script = [](const RunPosition&) { return Found(1, "c2", true); };
  ScopeRunner heir = Runner(next, "runner-2");
  EXPECT_FALSE(RunOnce(heir));
  EXPECT_EQ(next.cursors, std::vector<std::string>{"c1"});
  EXPECT_EQ(Runs("status, lease_version"), "done 2");
}

TEST_F(ReconciliationTest, TheFirstRunComesSoonAndTheOthersAPeriodApart) {
  scope_.script = [](const RunPosition&) { return Found(0, "", true); };
  FakeClock clock(absl::FromUnixSeconds(1'700'000'000));
  ScopeRunner first = Runner(scope_, "runner-1", clock, absl::Seconds(30));
  clock.Advance(absl::Seconds(30));
  EXPECT_FALSE(RunOnce(first));
  EXPECT_EQ(scope_.cursors.size(), 1u);
  EXPECT_FALSE(RunOnce(first));
  database_.SetClockOffset(kPeriod - absl::Seconds(5));
  EXPECT_FALSE(RunOnce(first));
  EXPECT_EQ(scope_.cursors.size(), 1u) << "the period isn't over";
  database_.SetClockOffset(kPeriod);
  EXPECT_FALSE(RunOnce(first));
  EXPECT_EQ(scope_.cursors.size(), 2u);
}

TEST_F(ReconciliationTest, ADaemonThatStartsAgainAndAgainRunsNoMoreOften) {
  scope_.script = [](const RunPosition&) { return Found(0, "", true); };
  for (int start = 0; start < 3; ++start) {
    ScopeRunner runner = Runner(scope_, absl::StrCat("runner-", start));
    EXPECT_FALSE(RunOnce(runner));
    EXPECT_FALSE(RunOnce(runner));
  }
  EXPECT_EQ(Runs("status"), "done") << "the first ever, and no other within the period";
  database_.SetClockOffset(kPeriod);
  ScopeRunner late = Runner(scope_, "runner-late");
  EXPECT_FALSE(RunOnce(late));
  EXPECT_EQ(Runs("status"), "done, done");
}

TEST_F(ReconciliationTest, WhereNothingCanBeLookedAtForNowTheRunWaitsAPoll) {
  scope_.script = [](const RunPosition& at) { return Found(at.cursor.empty() ? 1 : 0, "c1"); };
  ScopeRunner runner = Runner(scope_);
  EXPECT_TRUE(RunOnce(runner));
  database_.SetClockOffset(absl::Seconds(100));
  EXPECT_FALSE(RunOnce(runner)) << "true would ask again at once, without end";
  EXPECT_EQ(Runs("status, cursor, scanned, lease_version, lease_until > billing.now() + interval '170 seconds'"),
            "running c1 1 1 t")
      << "it goes on, and its lease is renewed";
  scope_.script = [](const RunPosition&) { return Found(1, "c2", true); };
  EXPECT_FALSE(RunOnce(runner));
  EXPECT_EQ(Runs("status, cursor, scanned"), "done c2 2");
}

TEST_F(ReconciliationTest, BeforeItsMomentTheFirstRunDoesNotBegin) {
  scope_.script = [](const RunPosition&) { return Found(0, "", true); };
  FakeClock clock(absl::FromUnixSeconds(1'700'000'000));
  // Over so long a time, the moment isn't the very first one.
  ScopeRunner runner = Runner(scope_, "runner-1", clock, absl::Hours(1'000'000));
  EXPECT_FALSE(RunOnce(runner));
  EXPECT_EQ(Runs("status"), "");
}

TEST_F(ReconciliationTest, FaultsOfOursAreWaitedForAndOthersEndTheRun) {
  ScopeRunner runner = Runner(scope_);
  scope_.script = [](const RunPosition&) -> absl::StatusOr<Batch> {
    return Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "away");
  };
  EXPECT_FALSE(runner.RunOnce().ok());
  EXPECT_EQ(Runs("status"), "running");
  scope_.script = [](const RunPosition&) -> absl::StatusOr<Batch> {
    return Fail(Reason::FAILURE_REASON_DATA_INVALID, "the run's cursor can't be read");
  };
  EXPECT_FALSE(RunOnce(runner));
  EXPECT_EQ(Runs("status, error"), "failed the run's cursor can't be read");
}

TEST_F(ReconciliationTest, ADatabaseThatIsAwayCostsNoRun) {
  scope_.script = [](const RunPosition&) { return Found(1, "c", true); };
  ScopeRunner runner = Runner(scope_);
  database_.TakeAway();
  EXPECT_FALSE(runner.RunOnce().ok());
  database_.Restore();
  RunToItsEnd(runner);
  EXPECT_EQ(Runs("status, scanned"), "done 1");
}

class RunServiceTest : public PendingRecentTest {
 protected:
  RunServiceTest() {
    caller_.certificate_name = "spiffe://billmesh/operator/ada";
    caller_.kind = auth::CallerKind::kOperator;
  }
  absl::StatusOr<RequestedRun> RunScope(absl::Duration wait) {
    return service_.RunScope(caller_, kPendingRecent, database_.clock().Monotonic() + wait);
  }
  auth::Caller caller_;
  ReconcilerService service_{{.pool = pool_,
                              .clock = database_.clock(),
                              .ids = database_.ids(),
                              .env = "test",
                              .provider = "stripe",
                              .scopes = {kPendingRecent}}};
};

TEST_F(RunServiceTest, ARunThatIsAskedForBeginsAtOnceAndIsWaitedFor) {
  PendingRecentScope scope = Scope(database_.clock(), 10);
  ScopeRunner runner = Runner(scope);
  RunToItsEnd(runner);  // the scheduled one; the next isn't due
  AddOperation("checkout", absl::Minutes(1));
  std::atomic<bool> over = false;
  std::thread worker([&] {
    testing::WaitUntil([&] {
      RunOnce(runner);
      return over.load();
    });
  });
  const auto requested = RunScope(absl::Seconds(10));
  over = true;
  worker.join();
  ASSERT_TRUE(requested.ok()) << requested.status();
  EXPECT_TRUE(requested->started);
  EXPECT_EQ(requested->run.status, RunStatus::kDone);
  EXPECT_EQ(requested->run.tally.repaired, 1);
  ASSERT_EQ(requested->run.tally.samples.size(), 1u);
  EXPECT_EQ(Runs("trigger, requested_by, status"), "schedule done, manual service:spiffe://billmesh/operator/ada done");
  EXPECT_EQ(database_.Value("SELECT actor || ' ' || (detail->>'scope') FROM billing.audit_log "
                            "WHERE action = 'BILLING_RECONCILIATION_REQUESTED'"),
            "service:spiffe://billmesh/operator/ada pending_recent");
}

TEST_F(RunServiceTest, WhileOneIsActiveThatOneIsAnsweredToAllWhoAsk) {
  constexpr int kThreads = 8;
  std::vector<absl::StatusOr<RequestedRun>> answers(kThreads, absl::UnknownError("unset"));
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n) {
    threads.emplace_back([&, n] { answers[n] = RunScope(absl::ZeroDuration()); });
  }
  for (std::thread& thread : threads) thread.join();
  int started = 0;
  std::set<std::string> ids;
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    started += answer->started ? 1 : 0;
    ids.insert(answer->run.id);
    EXPECT_EQ(answer->run.status, RunStatus::kRunning);
  }
  EXPECT_EQ(started, 1);
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.audit_log"), "1");
}

TEST_F(RunServiceTest, ScopesAndTokensThatAreNotOursAreRefusedByName) {
  EXPECT_EQ(MetadataOf(service_.RunScope(caller_, "everything", absl::ZeroDuration()).status())["field"], "scope");
  EXPECT_EQ(MetadataOf(service_.ListRuns("everything", 10, "").status())["field"], "scope");
  EXPECT_EQ(MetadataOf(service_.ListRuns("", 10, "forged").status())["field"], "page_token");
}

TEST_F(RunServiceTest, RunsAreListedNewestFirstWithoutGapOrRepetition) {
  scope_.script = [](const RunPosition&) { return Found(1, "c", true); };
  for (int n = 0; n < 5; ++n) {
    database_.SetClockOffset(kPeriod * n);
    ScopeRunner runner = Runner(scope_);
    RunToItsEnd(runner);
  }
  // Two of the same moment, so that the id breaks the tie; and another deployment's.
  database_.Admin(
      "UPDATE billing.reconciliation_runs SET started_at = (SELECT max(started_at) FROM billing.reconciliation_runs) "
      "WHERE id IN (SELECT id FROM billing.reconciliation_runs ORDER BY started_at LIMIT 2)");
  database_.Admin(
      "INSERT INTO billing.reconciliation_runs (id, env, provider, scope, trigger) "
      "VALUES ($1, 'live', 'stripe', 'pending_recent', 'schedule')",
      {database_.ids().NewId()});
  std::string listed, token;
  int pages = 0;
  do {
    const auto page = service_.ListRuns(pages == 0 ? "" : kPendingRecent, 2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& run : page->runs) absl::StrAppend(&listed, listed.empty() ? "" : ",", run.id);
    token = page->next_page_token;
  } while (++pages < 10 && !token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(listed, database_.Value("SELECT string_agg(id::text, ',' ORDER BY started_at DESC, id DESC) "
                                    "FROM billing.reconciliation_runs WHERE env = 'test'"));
}

}  // namespace
}  // namespace billmesh::reconciler
