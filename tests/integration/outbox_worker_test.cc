// The outbox worker and what operators see of it, on real PostgreSQL.
#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/outbox/outbox_store.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "services/reconciler/operations_service.h"
#include "services/reconciler/outbox_worker.h"

namespace billmesh::reconciler {
namespace {

using Kind = JobResult::Kind;

class Scripted : public JobHandler {
 public:
  std::function<JobResult(const outbox::Job&)> script;
  std::vector<outbox::Job> seen;
  std::vector<absl::Duration> time_left;
  Clock* clock = nullptr;

  JobResult Run(const outbox::Job& job, absl::Duration deadline_monotonic) override {
    seen.push_back(job);
    time_left.push_back(deadline_monotonic - clock->Monotonic());
    return script(job);
  }
};

// What the counter stands at, from the text exposition.
double Guardrails(const std::string& code) {
  const std::string text = telemetry::RenderMetrics();
  const std::string sample = absl::StrCat("billmesh_guardrail_total{code=\"", code, "\"} ");
  const size_t at = text.find(sample);
  return at == std::string::npos ? 0 : std::stod(text.substr(at + sample.size()));
}

class OutboxWorkerTest : public ::testing::Test {
 protected:
  OutboxWorkerTest() {
    entity_ = database_.AddWorkspace("acme");
    handler_.clock = &database_.clock();
    handler_.script = [](const outbox::Job&) { return JobResult{Kind::kDone, "", std::nullopt}; };
  }
  OutboxWorker Worker(const std::string& owner = "worker-1") {
    return OutboxWorker({.pool = database_.Pool("reconciler"),
                         .clock = database_.clock(),
                         .ids = database_.ids(),
                         .handlers = {{"expire_checkout_session", &handler_}}},
                        {.env = "test",
                         .owner = owner,
                         .lease = absl::Seconds(60),
                         .max_attempts = 12,
                         .backoff = {absl::Seconds(2), absl::Minutes(15)}});
  }
  void Enqueue(const std::string& key, const std::string& type = "expire_checkout_session",
               const std::string& env = "test") {
    const auto enqueued = db::RunInTransaction(database_.Pool("checkout"), db::Scope::Tenant(entity_), [&](db::Tx& tx) {
      return outbox::Enqueue(tx, database_.ids(), {env, entity_, type, key, R"({"operation_key":"op"})"});
    });
    ASSERT_TRUE(enqueued.ok() && *enqueued) << enqueued.status();
  }
  std::string Job(const std::string& column, const std::string& key) {
    return database_.Value(absl::StrCat("SELECT ", column, " FROM billing.outbox_jobs WHERE dedupe_key = $1").c_str(),
                           {key});
  }
  bool RunOnce(OutboxWorker worker) {
    const auto ran = worker.RunOnce();
    EXPECT_TRUE(ran.ok()) << ran.status();
    return ran.ok() && *ran;
  }

  testing::TestDatabase database_;
  std::string entity_;
  Scripted handler_;
};

TEST_F(OutboxWorkerTest, DoesAJobOnceAndAuditsItWithItsOutcome) {
  Enqueue("k");
  handler_.script = [&](const outbox::Job& job) {
    // No transaction is open meanwhile (IDM-15), and the job is leased for all to see.
    EXPECT_EQ(database_.Value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                              "AND usename = 'billmesh_reconciler' AND xact_start IS NOT NULL"),
              "0");
    EXPECT_EQ(Job("status || ' ' || lease_owner", "k"), "leased worker-1");
    audit::Record record;
    record.env = job.env;
    record.entity_id = job.entity_id;
    record.actor = "worker:outbox";
    record.action = audit::kCheckoutSessionExpired;
    return JobResult{Kind::kDone, "", record};
  };
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_FALSE(RunOnce(Worker()));
  EXPECT_EQ(handler_.seen.size(), 1u);
  EXPECT_EQ(Job("status", "k"), "done");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.audit_log WHERE action = 'BILLING_CHECKOUT_SESSION_EXPIRED'"),
            "1");
}

TEST_F(OutboxWorkerTest, NoTableIsReadFromEndToEndHoweverFewRowsItHad) {
  database_.ForgetScans();
  EXPECT_FALSE(RunOnce(Worker()));
  Enqueue("k");
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_TRUE(MeasureOutbox(database_.Pool("reconciler"), "test").ok());
  EXPECT_EQ(database_.ScannedTables(), "");
}

TEST_F(OutboxWorkerTest, GivesAnAttemptHalfOfItsLease) {
  Enqueue("k");
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_LE(handler_.time_left.at(0), absl::Seconds(30));
  EXPECT_GT(handler_.time_left.at(0), absl::Seconds(20));
}

TEST_F(OutboxWorkerTest, FailuresWaitLongerEachTimeAndThenAreDeadAndAlerted) {
  Enqueue("k");
  handler_.script = [](const outbox::Job&) { return JobResult{Kind::kRetry, "no answer", std::nullopt}; };
  const double before = Guardrails("BILLING_OUTBOX_DEAD_LETTER");
  absl::Duration offset;
  for (int attempt = 1; attempt <= 12; ++attempt) {
    ASSERT_TRUE(RunOnce(Worker())) << attempt;
    EXPECT_EQ(Job("attempts", "k"), std::to_string(attempt));
    EXPECT_EQ(Job("last_error", "k"), "no answer");
    if (attempt == 12) break;
    EXPECT_EQ(Job("status", "k"), "ready");
    // Not due before half of the exponential delay, due after all of it.
    const absl::Duration full = std::min(absl::Seconds(2) * (1 << (attempt - 1)), absl::Minutes(15));
    database_.SetClockOffset(offset + full / 2 - absl::Seconds(1));
    EXPECT_FALSE(RunOnce(Worker())) << attempt;
    offset += full + absl::Seconds(1);
    database_.SetClockOffset(offset);
  }
  EXPECT_EQ(Job("status", "k"), "dead");
  EXPECT_NE(Job("finished_at", "k"), "");
  EXPECT_EQ(Guardrails("BILLING_OUTBOX_DEAD_LETTER"), before + 1);
  database_.SetClockOffset(offset + absl::Hours(24));
  EXPECT_FALSE(RunOnce(Worker()));
}

TEST_F(OutboxWorkerTest, WhatCanNeverSucceedIsDeadAtOnce) {
  Enqueue("k");
  handler_.script = [](const outbox::Job&) { return JobResult{Kind::kGiveUp, "payload: broken", std::nullopt}; };
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_EQ(Job("status || ' ' || attempts || ' ' || last_error", "k"), "dead 1 payload: broken");
}

TEST_F(OutboxWorkerTest, AHolderWhoseLeaseEndedWritesNothing) {
  Enqueue("k");
  const double before = Guardrails("BILLING_OUTBOX_FENCING_CONFLICT");
  Scripted* outer = &handler_;
  bool first = true;
  handler_.script = [&](const outbox::Job& job) {
    audit::Record record;
    record.env = job.env;
    record.actor = first ? "worker:stale" : "worker:fresh";
    record.action = audit::kCheckoutSessionExpired;
    if (first) {
      first = false;
      // While the first holder sleeps, its lease ends and another does the job.
      database_.SetClockOffset(absl::Seconds(61));
      EXPECT_TRUE(RunOnce(Worker("worker-2")));
      EXPECT_EQ(Job("status", "k"), "done");
    }
    return JobResult{Kind::kDone, "", record};
  };
  EXPECT_TRUE(RunOnce(Worker("worker-1")));
  EXPECT_EQ(outer->seen.size(), 2u);
  EXPECT_LT(outer->seen[0].lease_version, outer->seen[1].lease_version);
  EXPECT_EQ(database_.Value("SELECT string_agg(actor, ',') FROM billing.audit_log"), "worker:fresh");
  EXPECT_EQ(Guardrails("BILLING_OUTBOX_FENCING_CONFLICT"), before + 1);
}

TEST_F(OutboxWorkerTest, AStaleHolderCannotBuryOrDelayTheJobEither) {
  for (const Kind kind : {Kind::kRetry, Kind::kGiveUp}) {
    const std::string key = absl::StrCat("k", static_cast<int>(kind));
    Enqueue(key);
    database_.SetClockOffset(absl::ZeroDuration());
    handler_.script = [&, kind](const outbox::Job&) {
      database_.Admin("UPDATE billing.outbox_jobs SET lease_version = lease_version + 1 WHERE dedupe_key = $1", {key});
      return JobResult{kind, "stale", std::nullopt};
    };
    EXPECT_TRUE(RunOnce(Worker()));
    EXPECT_EQ(Job("status || coalesce(last_error, '')", key), "leased");
  }
}

TEST_F(OutboxWorkerTest, JobsOfADeadHolderAreTakenOverAndInTheEndBuried) {
  Enqueue("k");
  // Holders that die take the lease and never come back.
  for (int death = 1; death <= 12; ++death) {
    database_.SetClockOffset(absl::Seconds(61) * death);
    const auto leased = db::RunInTransaction(database_.Pool("reconciler"), db::Scope::System("test"), [](db::Tx& tx) {
      return outbox::Lease(tx, "test", "victim", absl::Seconds(60), 1);
    });
    ASSERT_TRUE(leased.ok() && leased->size() == 1) << leased.status();
  }
  EXPECT_FALSE(RunOnce(Worker())) << "the last holder's lease still runs";
  database_.SetClockOffset(absl::Seconds(61) * 13);
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_TRUE(handler_.seen.empty()) << "a job that killed its whole budget of holders was tried again";
  EXPECT_EQ(Job("status", "k"), "dead");
}

TEST_F(OutboxWorkerTest, TypesWithoutAHandlerWaitAndOtherEnvironmentsAreLeftAlone) {
  Enqueue("other-type", "refresh_invoice");
  Enqueue("other-env", "expire_checkout_session", "live");
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_FALSE(RunOnce(Worker()));
  EXPECT_EQ(Job("status || ' ' || last_error", "other-type"), "ready no handler for jobs of type refresh_invoice");
  EXPECT_EQ(Job("status || attempts", "other-env"), "ready0");
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(OutboxWorkerTest, WorkersShareTheQueueWithoutDoingAJobTwice) {
  constexpr int kJobs = 40, kWorkers = 4;
  for (int n = 0; n < kJobs; ++n) Enqueue(absl::StrCat("k", n));
  std::vector<Scripted> handlers(kWorkers);
  db::Pool& pool = database_.Pool("reconciler");
  std::vector<std::thread> threads;
  for (int w = 0; w < kWorkers; ++w) {
    handlers[w].clock = &database_.clock();
    handlers[w].script = [](const outbox::Job&) { return JobResult{Kind::kDone, "", std::nullopt}; };
    threads.emplace_back([&, w] {
      OutboxWorker worker({.pool = pool,
                           .clock = database_.clock(),
                           .ids = database_.ids(),
                           .handlers = {{"expire_checkout_session", &handlers[w]}}},
                          {.env = "test",
                           .owner = absl::StrCat("w", w),
                           .lease = absl::Seconds(60),
                           .max_attempts = 12,
                           .backoff = {absl::Seconds(2), absl::Minutes(15)}});
      while (*worker.RunOnce()) {
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  size_t done = 0;
  for (const Scripted& handler : handlers) done += handler.seen.size();
  EXPECT_EQ(done, static_cast<size_t>(kJobs));
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.outbox_jobs WHERE status = 'done' AND attempts = 1"), "40");
}

TEST_F(OutboxWorkerTest, ADatabaseThatIsAwayIsAnErrorAndCostsNoAttempt) {
  Enqueue("k");
  OutboxWorker worker = Worker();
  database_.TakeAway();
  EXPECT_FALSE(worker.RunOnce().ok());
  database_.Restore();
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_EQ(Job("status || attempts", "k"), "done1");
}

TEST_F(OutboxWorkerTest, MeasuresDepthAndAge) {
  Enqueue("a");
  Enqueue("b");
  database_.Admin("UPDATE billing.outbox_jobs SET status = 'dead', finished_at = billing.now() WHERE dedupe_key = 'b'");
  database_.SetClockOffset(absl::Seconds(90));
  ASSERT_TRUE(MeasureOutbox(database_.Pool("reconciler"), "test").ok());
  const std::string text = telemetry::RenderMetrics();
  EXPECT_NE(text.find("billmesh_outbox_jobs{state=\"ready\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("billmesh_outbox_jobs{state=\"dead\"} 1"), std::string::npos);
  const size_t age = text.find("billmesh_outbox_oldest_due_seconds 9");
  EXPECT_NE(age, std::string::npos) << text;
}

class DeadLettersTest : public OutboxWorkerTest {
 protected:
  DeadLettersTest() {
    caller_.certificate_name = "spiffe://billmesh/operator/ada";
    caller_.kind = auth::CallerKind::kOperator;
  }
  // Dead at whole seconds; two share each second, so that the id has to break the tie.
  void AddDead(int count) {
    for (int n = 0; n < count; ++n) {
      Enqueue(absl::StrCat("dead-", n));
      database_.Admin(
          "UPDATE billing.outbox_jobs SET status = 'dead', attempts = 12, last_error = 'no', "
          "finished_at = timestamptz '2026-01-01 00:00:00.000001+00' + make_interval(secs => $2) WHERE dedupe_key = $1",
          {absl::StrCat("dead-", n), n / 2});
    }
  }
  auth::Caller caller_;
  OperationsService operations_{{.pool = database_.Pool("reconciler"), .ids = database_.ids(), .env = "test"}};
};

TEST_F(DeadLettersTest, PagesComeNewestFirstWithoutGapOrRepetition) {
  AddDead(7);
  Enqueue("alive");
  std::vector<std::string> ids;
  std::string token;
  int pages = 0;
  do {
    const auto page = operations_.ListDeadLetters(2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const DeadLetter& job : page->jobs) ids.push_back(job.job_id);
    token = page->next_page_token;
    ++pages;
  } while (!token.empty() && pages < 10);
  EXPECT_EQ(pages, 4);
  std::string expected;
  for (const std::string& id : ids) absl::StrAppend(&expected, expected.empty() ? "" : ",", id);
  EXPECT_EQ(database_.Value("SELECT string_agg(id::text, ',' ORDER BY finished_at DESC, id DESC) "
                            "FROM billing.outbox_jobs WHERE status = 'dead'"),
            expected);
  EXPECT_EQ(ReasonOf(operations_.ListDeadLetters(2, "forged").status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(DeadLettersTest, ARequeuedJobRunsAgainAndIsAuditedOnce) {
  AddDead(1);
  const std::string id = Job("id", "dead-0");
  const std::string lease_version = Job("lease_version", "dead-0");
  const auto requeued = operations_.RequeueJob(caller_, id);
  ASSERT_TRUE(requeued.ok()) << requeued.status();
  EXPECT_TRUE(*requeued);
  EXPECT_EQ(Job("status || attempts", "dead-0"), "ready0");
  EXPECT_EQ(Job("lease_version", "dead-0"), lease_version);
  EXPECT_FALSE(*operations_.RequeueJob(caller_, id));
  EXPECT_EQ(
      database_.Value("SELECT count(*) || ' ' || min(actor) || ' ' || min(entity_id::text) FROM billing.audit_log "
                      "WHERE action = 'BILLING_OUTBOX_REQUEUED'"),
      "1 service:spiffe://billmesh/operator/ada " + entity_);
  EXPECT_TRUE(RunOnce(Worker()));
  EXPECT_EQ(Job("status", "dead-0"), "done");
  EXPECT_EQ(ReasonOf(operations_.RequeueJob(caller_, database_.ids().NewId()).status()),
            Reason::FAILURE_REASON_NOT_FOUND);
}

TEST_F(DeadLettersTest, OtherEnvironmentsAreNeitherListedNorTouched) {
  Enqueue("live", "expire_checkout_session", "live");
  database_.Admin("UPDATE billing.outbox_jobs SET status = 'dead', finished_at = billing.now()");
  EXPECT_TRUE(operations_.ListDeadLetters(10, "")->jobs.empty());
  EXPECT_EQ(ReasonOf(operations_.RequeueJob(caller_, Job("id", "live")).status()), Reason::FAILURE_REASON_NOT_FOUND);
}

}  // namespace
}  // namespace billmesh::reconciler
