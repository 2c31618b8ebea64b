// Purchases that go wrong on the way: what the provider refuses, what nobody knows, what another holder or an event did
// meanwhile (IDM-4 to IDM-15, CHK-6, CHK-10).
#include "common/telemetry/metrics.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::SizeIs;

using CheckoutRecoveryTest = CheckoutFixture;

TEST_F(CheckoutRecoveryTest, ADefiniteRejectionIsRecordedAndReplayed) {
  simulator_->Fault(kSessionCreate, "error_400");
  const auto refused = Start("k1");
  EXPECT_EQ(CodeOfResult(refused), "checkout_provider_error");
  EXPECT_EQ(RuleOf(ReasonOf(refused.status())).http_status, 502);
  simulator_->ClearFaults();
  EXPECT_EQ(OperationStatusOf("k1"), "failed checkout_provider_error");
  EXPECT_EQ(Value("SELECT outcome FROM billing.provider_steps WHERE operation_id IS NOT NULL"), "rejected");
  const size_t sent = simulator_->SessionCreates().size();
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_provider_error");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
  EXPECT_EQ(Audits("BILLING_CHECKOUT_REFUSED", "checkout_provider_error"), 1);
  EXPECT_TRUE(Start("k2").ok());
}

TEST_F(CheckoutRecoveryTest, ARejectedCustomerEndsTheOperationAndTheNextOneMakesAnother) {
  simulator_->Fault(kCustomerCreate, "error_400");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_provider_error");
  simulator_->ClearFaults();
  EXPECT_TRUE(Start("k2").ok());
  EXPECT_EQ(simulator_->Count("customers"), 1);
  EXPECT_EQ(
      Value("SELECT string_agg(outcome, ' ' ORDER BY ordinal) FROM billing.provider_steps WHERE operation_id IS NULL"),
      "rejected succeeded");
}

TEST_F(CheckoutRecoveryTest, UncertainAnswersLeaveTheOperationPending) {
  const std::vector<std::string> actions = {"error_401",    "error_403",        "error_409",
                                            "error_429",    "error_500_before", "error_500_after",
                                            "reset_before", "reset_after",      "wrong_content_type"};
  for (const std::string& action : actions) {
    const std::string slug = "w" + std::to_string(&action - actions.data());
    database_.AddWorkspace(slug, "alice");
    simulator_->Fault(kSessionCreate, action);
    EXPECT_EQ(CodeOfResult(Start("k-" + slug, "pro", slug)), "request_in_progress") << action;
    EXPECT_EQ(OperationStatusOf("k-" + slug), "pending") << action;
    EXPECT_EQ(CodeOfResult(Start("k-" + slug, "pro", slug)), "request_in_progress") << action;
    EXPECT_EQ(CodeOfResult(Start("other-" + slug, "pro", slug)), "checkout_in_progress") << action;
    simulator_->ClearFaults();
  }
}

TEST_F(CheckoutRecoveryTest, TheSameKeyRecoversAfterTheLeaseWithoutASecondSession) {
  LeavePending("k1", kSessionCreate, kDone);
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  database_.SetClockOffset(kPastLease);
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->url, "");
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  const auto creates = simulator_->SessionCreates();
  ASSERT_THAT(creates, SizeIs(2));
  EXPECT_EQ(creates[0]["idempotency_key"], creates[1]["idempotency_key"]);
  EXPECT_EQ(creates[0]["body_sha256"], creates[1]["body_sha256"]);
  // A replayed create tells of the past: its present state was asked for.
  EXPECT_THAT(simulator_->Requests(
                  "GET", "/v1/checkout/sessions/" + Value("SELECT provider_session_id FROM billing.checkout_sessions")),
              SizeIs(1));
  EXPECT_EQ(Value("SELECT lease_version || ' ' || recovery_attempts FROM billing.request_idempotency"), "2 1");
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
}

TEST_F(CheckoutRecoveryTest, ARequestThatGotLostIsMadeByRecovery) {
  LeavePending("k1", kSessionCreate, kLost);
  EXPECT_EQ(simulator_->Count("sessions"), 0);
  database_.SetClockOffset(kPastLease);
  ASSERT_TRUE(Start("k1").ok());
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

TEST_F(CheckoutRecoveryTest, ASessionThatExpiredMeanwhileIsRecoveredAsExpiredAndUnblocks) {
  LeavePending("k1", kSessionCreate, kDone);
  simulator_->Control("POST", "sessions/" + simulator_->OnlySession() + "/expire", json::object());
  database_.SetClockOffset(kPastLease);
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->url, "");
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions"), "expired");
  EXPECT_TRUE(Start("k2").ok());
}

TEST_F(CheckoutRecoveryTest, ATamperedRequestFailsClosed) {
  LeavePending("k1", kSessionCreate, kLost);
  const size_t sent = simulator_->SessionCreates().size();
  database_.Admin(
      "UPDATE billing.provider_steps SET params = replace(params, '/done', '/evil') WHERE operation_id IS NOT NULL");
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(CodeOfResult(Start("k1")), "frozen_request_tampered");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
}

TEST_F(CheckoutRecoveryTest, AFrozenRequestWithoutItsExpiryIsNotSent) {
  LeavePending("k1", kSessionCreate, kLost);
  const size_t sent = simulator_->SessionCreates().size();
  database_.Admin(R"sql(
    UPDATE billing.provider_steps s
    SET params = changed.params, params_sha256 = encode(sha256(convert_to(changed.params, 'UTF8')), 'hex')
    FROM (SELECT t.id, (t.params::jsonb - 'expires_at')::text AS params FROM billing.provider_steps t) changed
    WHERE changed.id = s.id AND s.operation_id IS NOT NULL
  )sql");
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(CodeOfResult(Start("k1")), "frozen_request_tampered");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
}

TEST_F(CheckoutRecoveryTest, ACustomerThatNobodyHeardOfIsMadeOnce) {
  LeavePending("k1", kCustomerCreate, kDone);
  database_.SetClockOffset(kPastLease);
  ASSERT_TRUE(Start("k1").ok());
  EXPECT_EQ(simulator_->Count("customers"), 1);
  const auto creates = simulator_->CustomerCreates();
  ASSERT_THAT(creates, SizeIs(2));
  EXPECT_EQ(creates[0]["idempotency_key"], creates[1]["idempotency_key"]);
}

TEST_F(CheckoutRecoveryTest, TheNextOperationGoesOnWithThePendingCustomer) {
  LeavePending("k1", kCustomerCreate, kDone);
  // However the first operation ended: the customer's step is the entity's.
  database_.Admin(R"sql(
    UPDATE billing.request_idempotency SET status = 'expired', failure_code = 'checkout_recovery_window_elapsed',
      lease_owner = NULL, lease_until = NULL, completed_at = billing.now()
  )sql");
  ASSERT_TRUE(Start("k2").ok());
  EXPECT_EQ(simulator_->Count("customers"), 1);
  EXPECT_EQ(Value("SELECT count(*) FROM billing.provider_steps WHERE operation_id IS NULL"), "1");
}

TEST_F(CheckoutRecoveryTest, PastItsDeadlineACustomerIsLookedUpBeforeAnotherKeyIsUsed) {
  LeavePending("k1", kCustomerCreate, kDone);
  MoveBothClocks(absl::Hours(25));
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(simulator_->Count("customers"), 1);
  EXPECT_THAT(simulator_->CustomerCreates(), SizeIs(1));
  EXPECT_EQ(Value("SELECT string_agg(outcome, ' ') FROM billing.provider_steps WHERE operation_id IS NULL"),
            "succeeded");
}

TEST_F(CheckoutRecoveryTest, ACustomerThatWasNeverMadeIsMadeUnderAnotherKey) {
  LeavePending("k1", kCustomerCreate, kLost);
  // Somebody else's customers of the same hours don't count.
  for (int i = 0; i < 3; ++i) simulator_->Api("POST", "/v1/customers", "metadata%5Bbillmesh_env%5D=test");
  setup_posts_ += 3;
  MoveBothClocks(absl::Hours(25));
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(
      Value("SELECT string_agg(outcome, ' ' ORDER BY ordinal) FROM billing.provider_steps WHERE operation_id IS NULL"),
      "superseded succeeded");
  EXPECT_EQ(Value("SELECT count(DISTINCT provider_idempotency_key) FROM billing.provider_steps"), "3");
}

TEST_F(CheckoutRecoveryTest, ALookupThatFailsLeavesTheOperationPending) {
  LeavePending("k1", kCustomerCreate, kLost);
  MoveBothClocks(absl::Hours(25));
  simulator_->Fault({{"method", "GET"}, {"path_prefix", "/v1/customers"}}, "error_500_before");
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
  EXPECT_THAT(simulator_->CustomerCreates(), SizeIs(1));
}

TEST_F(CheckoutRecoveryTest, ASubscriptionThatCameMeanwhileRefusesAndCleansUp) {
  const auto refused = StartWith("k1", [&] { AddSubscription(acme_, "active"); });
  EXPECT_EQ(CodeOfResult(refused), "subscription_exists_use_portal");
  EXPECT_EQ(OperationStatusOf("k1"), "failed subscription_exists_use_portal");
  EXPECT_EQ(Value("SELECT status || ' ' || (ended_at IS NOT NULL) FROM billing.checkout_sessions"), "abandoned true");
  EXPECT_EQ(Value("SELECT job_type || ' ' || (payload->>'provider_session_id') FROM billing.outbox_jobs"),
            "expire_checkout_session " + Value("SELECT provider_session_id FROM billing.checkout_sessions"));
  EXPECT_EQ(CodeOfResult(Start("k1")), "subscription_exists_use_portal");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.outbox_jobs"), "1");
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

TEST_F(CheckoutRecoveryTest, ASubscriptionOfTheSameOperationIsItsSuccess) {
  const auto answer = StartWith(
      "k1", [&] { AddSubscription(acme_, "active", Value("SELECT operation_key FROM billing.request_idempotency")); });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
}

TEST_F(CheckoutRecoveryTest, ASessionThatAnEventAdvancedIsNotTakenBack) {
  // The event came before we could store what it is about (WHK-10).
  const auto answer = StartWith("k1", [&] {
    database_.Admin(R"sql(
      INSERT INTO billing.checkout_sessions
        (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at)
      SELECT gen_random_uuid(), 'test', o.entity_id, o.operation_key, 'stripe', 'cs_event', 'completed_pending_subscription',
             billing.now() + interval '1 hour'
      FROM billing.request_idempotency o
    )sql");
  });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->url, "");
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions"), "completed_pending_subscription");
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_completion_pending");
}

TEST_F(CheckoutRecoveryTest, RecoveryRetrievesASessionThatAnEventToldOf) {
  LeavePending("k1", kSessionCreate, kDone);
  database_.Admin(R"sql(
    INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at)
    SELECT gen_random_uuid(), 'test', o.entity_id, o.operation_key, 'stripe', $1, 'open', billing.now() + interval '1 hour'
    FROM billing.request_idempotency o
  )sql",
                  {simulator_->OnlySession()});
  const size_t sent = simulator_->SessionCreates().size();
  // Also long past the deadline: what is known needs no replay.
  MoveBothClocks(absl::Hours(23) + absl::Minutes(5));
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->url, "");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions"), "1");
  EXPECT_NE(Value("SELECT operation_id FROM billing.checkout_sessions"), "");
}

TEST_F(CheckoutRecoveryTest, AHolderWhoseLeaseWasTakenWritesNothing) {
  const auto answer = StartWith("k1", [&] {
    database_.Admin(
        "UPDATE billing.request_idempotency SET lease_version = lease_version + 1, lease_owner = 'another'");
  });
  EXPECT_EQ(CodeOfResult(answer), "request_in_progress");
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions"), "0");
  EXPECT_EQ(Value("SELECT outcome FROM billing.provider_steps WHERE operation_id IS NOT NULL"), "pending");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_CREATED"), 0);
  EXPECT_NE(telemetry::RenderMetrics().find("billmesh_guardrail_total{code=\"BILLING_IDEMPOTENCY_FENCING_CONFLICT\"}"),
            std::string::npos);
  // The other holder finishes with what the first one made.
  database_.SetClockOffset(kPastLease);
  EXPECT_TRUE(Start("k1").ok());
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

TEST_F(CheckoutRecoveryTest, AnOperationThatAnotherHolderEndedAnswersWithItsOutcome) {
  const auto answer = StartWith("k1", [&] {
    database_.Admin(R"sql(
      UPDATE billing.request_idempotency SET status = 'failed', failure_code = 'checkout_provider_error', lease_owner = NULL,
        lease_until = NULL, completed_at = billing.now()
    )sql");
  });
  EXPECT_EQ(CodeOfResult(answer), "checkout_provider_error");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions"), "0");
}

TEST_F(CheckoutRecoveryTest, NoTransactionIsOpenDuringTheProviderCall) {
  const auto answer = StartWith("k1", [&] {
    EXPECT_EQ(Value(R"sql(
      SELECT count(*) FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.usename = 'billmesh_checkout' AND a.xact_start IS NOT NULL
    )sql"),
              "0");
    EXPECT_EQ(
        Value("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
              "WHERE a.usename = 'billmesh_checkout' AND a.datname = current_database() AND l.locktype = 'tuple'"),
        "0");
  });
  EXPECT_TRUE(answer.ok()) << answer.status();
}

TEST_F(CheckoutRecoveryTest, AFirstPurchaseTakesThreeCommitsAndTheNextTwo) {
  const auto writes = [&] { return std::stoll(Value("SELECT count(DISTINCT xmin::text) FROM billing.audit_log")); };
  ASSERT_TRUE(Start("k1").ok());
  EXPECT_EQ(writes(), 3);
  database_.Admin("UPDATE billing.checkout_sessions SET status = 'abandoned', ended_at = billing.now()");
  ASSERT_TRUE(Start("k2").ok());
  EXPECT_EQ(writes(), 5);
}

}  // namespace
}  // namespace billmesh::checkout
