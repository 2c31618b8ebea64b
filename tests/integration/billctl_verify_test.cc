// `billctl verify`: every invariant passes on a sound database, and says so when it is broken. Where the schema itself
// refuses the breach, the test takes that guard away first.
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "deploy/billctl/command_line.h"
#include "deploy/billctl/invariant_store.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::billctl {
namespace {

// Two entities, a and b. a bought a plan: operation, step, session, subscription, invoice, event, entitlements, audit.
constexpr char kSound[] = R"sql(
  INSERT INTO billing.entities (id, env, kind, ref, revision) VALUES
    ('00000000-0000-7000-8000-00000000000a', 'test', 'workspace', 'a', 2),
    ('00000000-0000-7000-8000-00000000000b', 'test', 'workspace', 'b', 1);
  INSERT INTO billing.change_feed (entity_id, revision) VALUES
    ('00000000-0000-7000-8000-00000000000a', 1), ('00000000-0000-7000-8000-00000000000a', 2),
    ('00000000-0000-7000-8000-00000000000b', 1);
  INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id) VALUES
    (gen_random_uuid(), '00000000-0000-7000-8000-00000000000a', 'stripe', 'cus_a'),
    (gen_random_uuid(), '00000000-0000-7000-8000-00000000000b', 'stripe', 'cus_b');
  INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request, operation_key,
      actor, status, response, provider, provider_checkout_session_expires_at_upper_bound, completed_at) VALUES
    ('00000000-0000-7000-8000-0000000000f1', 'test', '00000000-0000-7000-8000-00000000000a', 'checkout', 'k', 'f', '{}', 'op_a',
     'user:u', 'succeeded', '{}', 'stripe', timestamptz '2026-01-02 11:50:00+00', billing.now());
  INSERT INTO billing.provider_steps (id, entity_id, operation_id, ordinal, purpose, provider, provider_idempotency_key, params,
      params_sha256, params_schema, provider_api_version, provider_account_id, client_name, client_version, frozen_at,
      replay_deadline_at, outcome, provider_object_id, completed_at) VALUES
    (gen_random_uuid(), '00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-0000000000f1', 1,
     'create_checkout_session', 'stripe', 'key_1', '{}', encode(sha256('{}'), 'hex'), 's', 'v', 'acct', 'c', '1',
     '2026-01-01 12:00:00+00', '2026-01-02 11:00:00+00', 'succeeded', 'cs_a', billing.now());
  INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_id, operation_key, provider, provider_session_id,
      provider_customer_id, provider_subscription_id, status, expires_at, ended_at) VALUES
    ('00000000-0000-7000-8000-0000000000c1', 'test', '00000000-0000-7000-8000-00000000000a',
     '00000000-0000-7000-8000-0000000000f1', 'op_a', 'stripe', 'cs_a', 'cus_a', 'sub_a', 'completed_reconciled', billing.now(),
     billing.now());
  INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, operation_key,
      status, is_current, provider_subscription_created_at, provider_updated_at, provider_event_id) VALUES
    ('00000000-0000-7000-8000-000000000051', 'test', '00000000-0000-7000-8000-00000000000a', 'stripe', 'sub_a', 'cus_a', 'op_a',
     'active', true, billing.now(), billing.now(), 'evt_1');
  INSERT INTO billing.invoices (id, env, entity_id, provider, provider_invoice_id, provider_customer_id, provider_subscription_id,
      status, currency, total_minor, amount_due_minor, amount_paid_minor, amount_remaining_minor, provider_created_at,
      provider_updated_at, provider_event_id) VALUES
    (gen_random_uuid(), 'test', '00000000-0000-7000-8000-00000000000a', 'stripe', 'in_a', 'cus_a', 'sub_a', 'paid', 'eur', 1, 1,
     1, 0, billing.now(), billing.now(), 'evt_1');
  INSERT INTO billing.webhook_event_keys (provider, provider_event_id, event_id, received_at) VALUES
    ('stripe', 'evt_1', '00000000-0000-7000-8000-0000000000e1', '2026-01-01 12:00:00+00');
  INSERT INTO billing.webhook_events (id, received_at, env, provider, provider_event_id, type, livemode, provider_created_at,
      provider_customer_id, entity_id, status, processed_at) VALUES
    ('00000000-0000-7000-8000-0000000000e1', '2026-01-01 12:00:00+00', 'test', 'stripe', 'evt_1', 'invoice.paid', false,
     billing.now(), 'cus_a', '00000000-0000-7000-8000-00000000000a', 'processed', billing.now());
  INSERT INTO billing.entitlements (entity_id, env, revision, catalog_revision, status, segments) VALUES
    ('00000000-0000-7000-8000-00000000000a', 'test', 2, 1, 'active', '[]');
  INSERT INTO billing.audit_log (id, env, entity_id, actor, action, operation_key, provider_event_id)
    SELECT gen_random_uuid(), 'test', v.entity_id::uuid, 'a', v.action, v.operation_key, v.event FROM (VALUES
      ('00000000-0000-7000-8000-00000000000a', 'BILLING_ENTITY_CREATED', NULL, NULL),
      ('00000000-0000-7000-8000-00000000000b', 'BILLING_ENTITY_CREATED', NULL, NULL),
      ('00000000-0000-7000-8000-00000000000a', 'BILLING_CUSTOMER_LINKED', NULL, NULL),
      ('00000000-0000-7000-8000-00000000000b', 'BILLING_CUSTOMER_LINKED', NULL, NULL),
      ('00000000-0000-7000-8000-00000000000a', 'BILLING_CHECKOUT_CREATED', 'op_a', NULL),
      ('00000000-0000-7000-8000-00000000000a', 'BILLING_WEBHOOK_PROCESSED', NULL, 'evt_1')
    ) AS v (entity_id, action, operation_key, event);
)sql";

// Rows of b, for breaches that need more than an update.
std::string PendingCheckout(const std::string& key) {
  return absl::StrCat(
      "INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, "
      "canonical_request, "
      "operation_key, actor, provider, lease_until) VALUES (gen_random_uuid(), 'test', "
      "'00000000-0000-7000-8000-00000000000b', "
      "'checkout', '",
      key, "', 'f', '{}', '", key, "', 'user:u', 'stripe', billing.now() - interval '1 second');");
}
std::string OpenSession(const std::string& key) {
  return absl::StrCat(
      "INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, "
      "status, expires_at) "
      "VALUES (gen_random_uuid(), 'test', '00000000-0000-7000-8000-00000000000b', '",
      key, "', 'stripe', '", key, "', 'open', billing.now() - interval '1 hour');");
}
std::string Subscription(const std::string& name, const std::string& operation_key, bool current) {
  return absl::StrCat(
      "INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, "
      "provider_customer_id, "
      "operation_key, status, is_current, provider_subscription_created_at, provider_updated_at, provider_event_id) "
      "VALUES "
      "(gen_random_uuid(), 'test', '00000000-0000-7000-8000-00000000000a', 'stripe', '",
      name, "', 'cus_a', '", operation_key, "', 'active', ", current ? "true" : "false",
      ", billing.now(), billing.now(), 'evt_2');");
}
std::string Event(const std::string& status) {
  return absl::StrCat(
      "INSERT INTO billing.webhook_event_keys (provider, provider_event_id, event_id, received_at) VALUES ('stripe', "
      "'evt_2', "
      "'00000000-0000-7000-8000-0000000000e2', billing.now()); "
      "INSERT INTO billing.webhook_events (id, received_at, env, provider, provider_event_id, type, livemode, "
      "provider_created_at, "
      "status) VALUES ('00000000-0000-7000-8000-0000000000e2', billing.now(), 'test', 'stripe', 'evt_2', "
      "'invoice.paid', false, "
      "billing.now(), '",
      status, "');");
}

struct Breach {
  std::string invariant;
  std::string sql;
};

const std::vector<Breach>& Breaches() {
  static const auto* const all = new std::vector<Breach>{
      {"one-pending-checkout", "DROP INDEX billing.request_idempotency_one_pending_checkout_key;" +
                                   PendingCheckout("x") + PendingCheckout("y")},
      {"one-blocking-session",
       "DROP INDEX billing.checkout_sessions_one_blocking_key;" + OpenSession("x") + OpenSession("y")},
      {"one-subscription-an-operation", Subscription("sub_2", "op_a", false)},
      {"one-object-a-step",
       "INSERT INTO billing.provider_steps (id, entity_id, operation_id, ordinal, purpose, provider, "
       "provider_idempotency_key, "
       "params, params_sha256, params_schema, provider_api_version, provider_account_id, client_name, client_version, "
       "replay_deadline_at, outcome, provider_object_id, completed_at) SELECT gen_random_uuid(), entity_id, "
       "operation_id, 2, "
       "purpose, provider, 'key_2', params, params_sha256, params_schema, provider_api_version, provider_account_id, "
       "client_name, "
       "client_version, billing.now(), outcome, 'cs_second', completed_at FROM billing.provider_steps"},
      {"one-live-customer",
       "DROP INDEX billing.entity_customers_one_live_key; INSERT INTO billing.entity_customers (id, entity_id, "
       "provider, "
       "provider_customer_id) VALUES (gen_random_uuid(), '00000000-0000-7000-8000-00000000000a', 'stripe', 'cus_2')"},
      {"frozen-requests-unchanged", "UPDATE billing.provider_steps SET params = '{\"price\":\"cheaper\"}'"},
      {"replay-deadline-in-time",
       "UPDATE billing.provider_steps SET replay_deadline_at = frozen_at + interval '24 hours'"},
      {"session-expiry-bounded",
       "UPDATE billing.request_idempotency SET provider_checkout_session_expires_at_upper_bound = NULL"},
      {"session-expiry-bounded",
       "UPDATE billing.request_idempotency SET provider_checkout_session_expires_at_upper_bound = "
       "timestamptz '2026-01-03 00:00:00+00'"},
      {"success-has-its-session", "DELETE FROM billing.checkout_sessions"},
      {"reconciled-has-its-subscription", "UPDATE billing.checkout_sessions SET provider_subscription_id = 'sub_x'"},
      {"reconciled-has-its-subscription",
       "DROP TRIGGER checkout_sessions_transition ON billing.checkout_sessions; "
       "UPDATE billing.checkout_sessions SET status = 'completed_pending_subscription', ended_at = NULL"},
      {"events-stored-once", "DELETE FROM billing.webhook_events"},
      {"events-stored-once", "DELETE FROM billing.webhook_event_keys"},
      {"events-stored-once",
       "INSERT INTO billing.webhook_events (id, received_at, env, provider, provider_event_id, type, livemode, "
       "provider_created_at, status) SELECT id, received_at + interval '1 second', env, provider, provider_event_id, "
       "type, livemode, "
       "provider_created_at, 'ignored' FROM billing.webhook_events"},
      {"events-applied-once", "DELETE FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED'"},
      {"events-applied-once",
       "INSERT INTO billing.audit_log (id, env, actor, action, provider_event_id) VALUES "
       "(gen_random_uuid(), 'test', 'a', 'BILLING_WEBHOOK_PROCESSED', 'evt_1')"},
      {"events-applied-once", "UPDATE billing.webhook_events SET status = 'parked', processed_at = NULL"},
      {"one-current-subscription",
       "DROP INDEX billing.subscriptions_one_current_key;" + Subscription("sub_2", "op_2", true)},
      {"one-current-subscription",
       "ALTER TABLE billing.subscriptions DROP CONSTRAINT subscriptions_current_check; "
       "UPDATE billing.subscriptions SET status = 'canceled'"},
      {"live-subscription-is-current", "UPDATE billing.subscriptions SET is_current = false"},
      {"rows-of-one-entity", "UPDATE billing.checkout_sessions SET provider_customer_id = 'cus_b'"},
      {"rows-of-one-entity",
       "ALTER TABLE billing.checkout_sessions DROP CONSTRAINT checkout_sessions_operation_fkey; "
       "UPDATE billing.checkout_sessions SET entity_id = '00000000-0000-7000-8000-00000000000b', provider_customer_id "
       "= NULL, "
       "provider_subscription_id = NULL"},
      {"rows-of-one-entity",
       "ALTER TABLE billing.checkout_sessions DROP CONSTRAINT checkout_sessions_operation_fkey; "
       "UPDATE billing.checkout_sessions SET entity_id = '00000000-0000-7000-8000-00000000000b', operation_key = "
       "'other', "
       "provider_customer_id = NULL"},
      {"rows-of-one-entity",
       "UPDATE billing.subscriptions SET entity_id = '00000000-0000-7000-8000-00000000000b', provider_customer_id = "
       "'cus_b'"},
      {"rows-of-one-entity",
       "UPDATE billing.invoices SET entity_id = '00000000-0000-7000-8000-00000000000b', provider_customer_id = "
       "'cus_b'"},
      {"rows-of-one-entity", "UPDATE billing.webhook_events SET entity_id = '00000000-0000-7000-8000-00000000000b'"},
      {"rows-of-one-env", "UPDATE billing.request_idempotency SET env = 'live'"},
      {"rows-of-one-env", "UPDATE billing.checkout_sessions SET env = 'live'"},
      {"rows-of-one-env", "UPDATE billing.subscriptions SET env = 'live'"},
      {"rows-of-one-env", "UPDATE billing.invoices SET env = 'live'"},
      {"rows-of-one-env", "UPDATE billing.webhook_events SET env = 'live'"},
      {"rows-of-one-env", "UPDATE billing.entitlements SET env = 'live'"},
      {"rows-of-one-env", "UPDATE billing.audit_log SET env = 'live' WHERE operation_key IS NOT NULL"},
      {"rows-of-one-env",
       "INSERT INTO billing.outbox_jobs (id, env, entity_id, job_type, dedupe_key, payload) VALUES (gen_random_uuid(), "
       "'live', "
       "'00000000-0000-7000-8000-00000000000a', 't', 'k', '{}')"},
      {"changes-in-the-feed", "UPDATE billing.entities SET revision = 3 WHERE ref = 'a'"},
      {"entitlements-not-ahead", "UPDATE billing.entitlements SET revision = 3"},
      {"entitlements-not-ahead", "UPDATE billing.entitlements SET catalog_revision = 2"},
      {"entities-audited", "DELETE FROM billing.audit_log WHERE action = 'BILLING_ENTITY_CREATED'"},
      {"checkouts-audited", "DELETE FROM billing.audit_log WHERE action = 'BILLING_CHECKOUT_CREATED'"},
      {"customers-audited", "DELETE FROM billing.audit_log WHERE action = 'BILLING_CUSTOMER_LINKED'"},
      {"catalog-audited", "UPDATE billing.catalog_state SET revision = 2"},
      {"no-overdue-operation", PendingCheckout("x")},
      {"no-overdue-job",
       "INSERT INTO billing.outbox_jobs (id, env, job_type, dedupe_key, payload, run_after) VALUES (gen_random_uuid(), "
       "'test', 't', "
       "'k', '{}', billing.now() - interval '1 second')"},
      {"no-overdue-job",
       "INSERT INTO billing.outbox_jobs (id, env, job_type, dedupe_key, payload, status, lease_owner, lease_until) "
       "VALUES "
       "(gen_random_uuid(), 'test', 't', 'k', '{}', 'leased', 'w', billing.now() - interval '1 second')"},
      {"no-overdue-session", OpenSession("x")},
      {"no-overdue-event", Event("pending")},
      {"no-overdue-event", Event("failed")},
      {"entitlements-caught-up", "UPDATE billing.entitlements SET revision = 1"},
  };
  return *all;
}

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() { database_.AdminScript(kSound); }
  int Verify(const std::string& url, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> arguments = {"verify"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    out_.str("");
    err_.str("");
    return RunCommandLine(
        AllCommands(), arguments,
        [&](const char* name) { return std::string_view(name) == "DATABASE_URL" ? url.c_str() : nullptr; },
        database_.clock(), database_.ids(), out_, err_);
  }
  testing::TestDatabase database_;
  std::ostringstream out_, err_;
};

TEST_F(VerifyTest, ASoundDatabasePassesForTheOwnerAndForTheReconcilersLogin) {
  EXPECT_EQ(Verify(database_.AdminUrl(), {"--settled"}), 0) << out_.str() << err_.str();
  EXPECT_EQ(Verify(database_.Url("reconciler"), {"--settled"}), 0) << out_.str() << err_.str();
  EXPECT_NE(out_.str().find("one-pending-checkout: OK\n"), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find(absl::StrCat(Invariants().size(), " invariants, 0 broken")), std::string::npos)
      << out_.str();
}

TEST_F(VerifyTest, ReadsWholeTablesWhateverTheLoginIsSetUpFor) {
  const auto settings = [&](bool prepare) {
    return db::RunInTransaction(database_.Pool("reconciler"), db::Scope::System("test"),
                                [&](db::Tx& tx) -> absl::StatusOr<std::string> {
                                  if (prepare) RETURN_IF_ERROR(PrepareToReadAll(tx, absl::Minutes(3)));
                                  ASSIGN_OR_RETURN(const auto rows, tx.Exec(R"sql(
            SELECT concat_ws(' ', current_setting('enable_seqscan'), current_setting('enable_hashjoin'),
                             current_setting('enable_mergejoin'), current_setting('statement_timeout'))
          )sql"));
                                  return rows[0].Text(0);
                                });
  };
  EXPECT_EQ(*settings(true), "on on on 3min");
  EXPECT_EQ(*settings(false), "off off off 10s") << "the transaction's own";
}

TEST_F(VerifyTest, ARoleThatCannotSeeEverythingIsAnErrorNotAPass) {
  EXPECT_EQ(Verify(database_.Url("checkout")), 1);
  EXPECT_NE(err_.str(), "");
}

TEST_F(VerifyTest, EachBreachIsNamedByItsInvariantWithASample) {
  database_.AdminScript("UPDATE billing.provider_steps SET params = '{\"a\":1}'");
  EXPECT_EQ(Verify(database_.Url("reconciler")), 1);
  EXPECT_NE(out_.str().find("frozen-requests-unchanged: 1 violation of: "), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("\n  step "), std::string::npos) << out_.str();
  EXPECT_EQ(Verify(database_.Url("reconciler"), {"--json"}), 1);
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["broken"], 1);
  for (const auto& result : json["invariants"]) {
    EXPECT_EQ(result["violations"], result["name"] == "frozen-requests-unchanged" ? 1 : 0) << result;
  }
}

TEST_F(VerifyTest, WhatIsUnderWayBreaksOnlyTheSettledInvariants) {
  database_.AdminScript(PendingCheckout("x"));
  EXPECT_EQ(Verify(database_.Url("reconciler")), 0) << out_.str();
  EXPECT_EQ(Verify(database_.Url("reconciler"), {"--settled"}), 1);
}

TEST(InvariantsTest, EachHasABreach) {
  std::set<std::string> names, breached;
  for (const Invariant& invariant : Invariants()) EXPECT_TRUE(names.insert(invariant.name).second) << invariant.name;
  for (const Breach& breach : Breaches()) breached.insert(breach.invariant);
  EXPECT_EQ(names, breached);
}

// All breaches on one database: each in a transaction of its own, as superuser, that is rolled back.
class BreachTest : public ::testing::TestWithParam<size_t> {
 protected:
  static void SetUpTestSuite() {
    database_ = std::make_unique<testing::TestDatabase>();
    database_->AdminScript(kSound);
    pool_ = std::make_unique<db::Pool>(db::PoolOptions{.url = database_->AdminUrl(), .daemon = "reconciler"},
                                       database_->clock(), database_->ids());
  }
  static void TearDownTestSuite() {
    pool_.reset();
    database_.reset();
  }
  // How many violations the invariant finds after the breach.
  static absl::StatusOr<InvariantResult> CheckAfter(const std::string& sql, const Invariant& invariant) {
    absl::StatusOr<InvariantResult> result = absl::InternalError("did not run");
    const absl::Status rolled_back = pool_->Run(db::Scope::System("breach"), [&](db::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(tx.Exec("RESET ROLE").status());
      const std::string last = sql.back() == ';' ? "" : ";";
      RETURN_IF_ERROR(tx.Exec(absl::StrCat("DO $breach$ BEGIN ", sql, last, " END $breach$").c_str()).status());
      RETURN_IF_ERROR(tx.Exec("SET LOCAL ROLE reconciler_system").status());
      result = CheckInvariant(tx, invariant);
      return absl::CancelledError("roll back");
    });
    return rolled_back.code() == absl::StatusCode::kCancelled ? result : rolled_back;
  }
  static inline std::unique_ptr<testing::TestDatabase> database_;
  static inline std::unique_ptr<db::Pool> pool_;
};

TEST_P(BreachTest, IsFound) {
  const Breach& breach = Breaches()[GetParam()];
  for (const Invariant& invariant : Invariants()) {
    if (invariant.name != breach.invariant) continue;
    const auto before = CheckAfter("PERFORM 1", invariant);
    ASSERT_TRUE(before.ok()) << before.status();
    EXPECT_EQ(before->violations, 0);
    const auto after = CheckAfter(breach.sql, invariant);
    ASSERT_TRUE(after.ok()) << after.status();
    EXPECT_GT(after->violations, 0) << breach.sql;
    EXPECT_FALSE(after->samples.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BreachTest, ::testing::Range<size_t>(0, Breaches().size()), [](const auto& test) {
  std::string name = absl::StrCat(test.param, "_", Breaches()[test.param].invariant);
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace billmesh::billctl
