// Runners of reconciliation runs on real PostgreSQL, with a checkout that does what a test says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "common/testing/test_database.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"
#include "services/reconciler/pending_recent_scope.h"
#include "services/reconciler/scope_runner.h"

namespace billmesh::reconciler {

using Result = Finding::Result;

inline constexpr absl::Duration kLease = absl::Seconds(180);
inline constexpr absl::Duration kPeriod = absl::Minutes(15);

// Does what the test says.
class Scripted : public ReconciliationScope {
 public:
  std::function<absl::StatusOr<Batch>(const RunPosition&)> script;
  std::vector<std::string> cursors;  // that it was asked to go on from
  std::vector<absl::Time> started;

  std::string_view name() const override { return kPendingRecent; }
  absl::StatusOr<Batch> Next(const RunPosition& position, absl::Duration) override {
    cursors.push_back(position.cursor);
    started.push_back(position.started_at);
    return script(position);
  }
};

// Answers by operation, and does to the row what the answer says.
class FakeCheckout : public CheckoutPeer {
 public:
  explicit FakeCheckout(testing::TestDatabase& database) : database_(database) {}
  std::function<absl::StatusOr<Recovered>(const std::string&)> script;
  std::vector<std::string> seen;

  absl::StatusOr<Recovered> RecoverOperation(const std::string& operation_id, absl::Duration timeout) override {
    EXPECT_GT(timeout, absl::ZeroDuration());
    EXPECT_EQ(database_.Value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                              "AND usename = 'billmesh_reconciler' AND xact_start IS NOT NULL"),
              "0")
        << "no transaction is open during a call (IDM-15)";
    seen.push_back(operation_id);
    return script(operation_id);
  }
  Recovered Ends(const std::string& id) {
    database_.Admin(
        "UPDATE billing.request_idempotency SET status = 'succeeded', response = '{}', lease_owner = NULL, "
        "lease_until = NULL, completed_at = billing.now() WHERE id = $1",
        {id});
    return Recovered{true, "succeeded", ""};
  }
  // Was taken over, and its lease ended again at once.
  Recovered StaysOpen(const std::string& id) {
    database_.Admin("UPDATE billing.request_idempotency SET lease_until = billing.now() WHERE id = $1", {id});
    return Recovered{false, "pending", ""};
  }

 private:
  testing::TestDatabase& database_;
};

inline double Guardrails(const std::string& code) {
  const std::string text = telemetry::RenderMetrics();
  const std::string sample = absl::StrCat("billmesh_guardrail_total{code=\"", code, "\"} ");
  const size_t at = text.find(sample);
  return at == std::string::npos ? 0 : std::stod(text.substr(at + sample.size()));
}

class ReconciliationTest : public ::testing::Test {
 protected:
  ScopeRunner Runner(ReconciliationScope& scope, const std::string& owner = "runner-1") {
    return Runner(scope, owner, database_.clock(), absl::ZeroDuration());
  }
  ScopeRunner Runner(ReconciliationScope& scope, const std::string& owner, Clock& clock, absl::Duration first_run) {
    return ScopeRunner({.pool = pool_, .clock = clock, .ids = database_.ids(), .scope = scope},
                       {.env = "test",
                        .provider = "stripe",
                        .owner = owner,
                        .lease = kLease,
                        .period = kPeriod,
                        .first_run = first_run});
  }
  bool RunOnce(ScopeRunner& runner) {
    const auto more = runner.RunOnce();
    EXPECT_TRUE(more.ok()) << more.status();
    return more.ok() && *more;
  }
  // All of a run.
  void RunToItsEnd(ScopeRunner& runner) {
    for (int batches = 0; RunOnce(runner); ++batches) ASSERT_LT(batches, 100);
  }
  std::string Runs(const std::string& columns) {
    return database_.Value(absl::StrCat("SELECT string_agg(concat_ws(' ', ", columns,
                                        "), ', ' ORDER BY started_at, id) FROM billing.reconciliation_runs")
                               .c_str());
  }
  static Batch Found(int count, const std::string& cursor, bool finished = false) {
    Batch batch{{}, cursor, finished};
    for (int n = 0; n < count; ++n)
      batch.findings.push_back({absl::StrCat(cursor, n), "checkout", Result::kRepaired, ""});
    return batch;
  }

  testing::TestDatabase database_;
  db::Pool& pool_ = database_.Pool("reconciler");
  Scripted scope_;
};

class PendingRecentTest : public ReconciliationTest {
 protected:
  PendingRecentTest() {
    checkout_.script = [this](const std::string& id) { return checkout_.Ends(id); };
  }
  PendingRecentScope Scope(Clock& clock, int batch, absl::Duration batch_time = absl::Minutes(1)) {
    return PendingRecentScope({.pool = pool_, .clock = clock, .checkout = checkout_},
                              {.env = "test",
                               .provider = "stripe",
                               .batch = batch,
                               .call_timeout = absl::Seconds(30),
                               .fault_wait = absl::Seconds(1),
                               .batch_time = batch_time});
  }
  // A run that begins at once, whatever the period.
  void AskForARun() {
    database_.Admin(
        "INSERT INTO billing.reconciliation_runs (id, env, provider, scope, trigger, requested_by) "
        "VALUES ($1, 'test', 'stripe', 'pending_recent', 'manual', 'me')",
        {database_.ids().NewId()});
  }
  // A pending operation of an entity of its own, whose lease ended (or will end) so long ago.
  std::string AddOperation(const std::string& action, absl::Duration lease_ended_ago, const std::string& env = "test",
                           const std::string& provider = "stripe") {
    const std::string id = database_.ids().NewId();
    const std::string entity = database_.AddWorkspace(absl::StrCat("w", ++added_), "", env);
    database_.Admin(R"sql(
      INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
        operation_key, actor, provider, lease_owner, lease_until)
      VALUES ($1::uuid, $2, $3, $4, 'k', '', '', $1::text, 'user:x', $5, 'checkout/dead', billing.now() - $6::interval)
    )sql",
                    {id, env, entity, action, provider, db::Param::Interval(lease_ended_ago)});
    return id;
  }

  FakeCheckout checkout_{database_};
  int added_ = 0;
};

}  // namespace billmesh::reconciler
