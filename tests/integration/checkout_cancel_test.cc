// A buyer cancels an open checkout (CHK-12), on real PostgreSQL and the Stripe simulator.
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class CheckoutCancelTest : public CheckoutFixture {
 protected:
  // The code of a refusal, or what the session is now.
  std::string Cancel(const std::string& operation, const std::string& key = "c1") {
    const auto answer = service_->CancelCheckout(User("alice"), Workspace("acme"), key, {operation});
    if (!answer.ok()) return CodeOf(ReasonOf(answer.status()));
    EXPECT_EQ(answer->operation, operation);
    return std::string(NameOf(answer->session_status));
  }
  // Opens a checkout and returns its operation.
  std::string Open(const std::string& key = "k1") {
    const auto opened = Start(key);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? opened->operation : "";
  }
  void Pay() { simulator_->Control("POST", "sessions/" + simulator_->OnlySession() + "/pay", json::object()); }
  std::string ProviderStatus() {
    return simulator_->Api("GET", "/v1/checkout/sessions/" + simulator_->OnlySession()).value("status", "");
  }
  std::vector<json> Expiries() {
    return simulator_->Requests("POST", "/v1/checkout/sessions/" + simulator_->OnlySession() + "/expire");
  }
  std::string SessionStatus() { return Value("SELECT status FROM billing.checkout_sessions"); }

  const json kExpire = {{"method", "POST"}, {"path_prefix", "/v1/checkout/sessions/"}};
};

TEST_F(CheckoutCancelTest, ACancelledCheckoutUnblocksAtOnceAndAnotherCanStart) {
  const std::string operation = Open();
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_session_open");
  EXPECT_EQ(Cancel(operation), "expired");
  EXPECT_EQ(ProviderStatus(), "expired");
  EXPECT_EQ(Value("SELECT concat_ws(' ', status, url IS NULL, ended_at IS NOT NULL) FROM billing.checkout_sessions"),
            "expired t t");
  EXPECT_TRUE(Start("k2").ok());
  EXPECT_EQ(simulator_->Count("sessions"), 2);
}

TEST_F(CheckoutCancelTest, EachMoveIsAudited) {
  ASSERT_EQ(Cancel(Open()), "expired");
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(a.action, ' ' ORDER BY a.action) FROM billing.audit_log a
    WHERE a.actor = 'user:alice' AND (a.action LIKE '%CANCEL%' OR a.action LIKE '%EXPIRED')
  )sql"),
            "BILLING_CHECKOUT_CANCEL_ENDED BILLING_CHECKOUT_CANCEL_STARTED BILLING_CHECKOUT_SESSION_EXPIRED");
  EXPECT_EQ(
      Value("SELECT concat_ws(' ', a.detail->>'from', a.detail->>'to', a.detail->>'why') FROM billing.audit_log a "
            "WHERE a.action = 'BILLING_CHECKOUT_SESSION_EXPIRED'"),
      "open expired cancelled");
}

TEST_F(CheckoutCancelTest, TheExpiryIsFrozenUnderAKeyOfItsOwn) {
  ASSERT_EQ(Cancel(Open()), "expired");
  ASSERT_THAT(Expiries(), SizeIs(1));
  EXPECT_EQ(Expiries()[0]["idempotency_key"], Value(R"sql(
    SELECT o.operation_key || '-expire_checkout_session-1'
    FROM billing.provider_steps s JOIN billing.request_idempotency o ON o.id = s.operation_id
    WHERE o.action = 'cancel_checkout' AND s.provider_idempotency_key = o.operation_key || '-expire_checkout_session-1'
      AND s.outcome = 'succeeded' AND o.provider_idempotency_replay_deadline_at = s.replay_deadline_at
  )sql"));
}

TEST_F(CheckoutCancelTest, ACheckoutThatWasPaidFirstIsAPurchase) {
  const std::string operation = Open();
  Pay();
  EXPECT_EQ(Cancel(operation), "completed_pending_subscription");
  ASSERT_THAT(Expiries(), SizeIs(1));
  EXPECT_EQ(Expiries()[0]["status"], 400) << "the provider refused it for certain, and that isn't what is recorded";
  EXPECT_EQ(SessionStatus(), "completed_pending_subscription");
  EXPECT_EQ(OperationStatusOf("c1"), "succeeded");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_COMPLETED"), 1);
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_completion_pending");
}

TEST_F(CheckoutCancelTest, APaidCheckoutWhoseSubscriptionIsKnownIsReconciled) {
  const std::string operation = Open();
  Pay();
  AddSubscription(acme_, "active", Value("SELECT operation_key FROM billing.request_idempotency"));
  EXPECT_EQ(Cancel(operation), "completed_reconciled");
}

TEST_F(CheckoutCancelTest, WhatHasEndedIsAnsweredWithoutACall) {
  const std::string operation = Open();
  int n = 0;
  for (const char* status : {"completed_pending_subscription", "completed_reconciled", "expired", "abandoned"}) {
    // Around the table of transitions: each status, from anywhere.
    database_.Admin(R"sql(
      WITH off AS (SELECT set_config('session_replication_role', 'replica', true))
      UPDATE billing.checkout_sessions s
      SET status = $1, url = NULL, completed_at = billing.now(),
          ended_at = CASE WHEN $1 = 'completed_pending_subscription' THEN NULL ELSE billing.now() END
      FROM off
    )sql",
                    {status});
    const int64_t requests = simulator_->Count("requests");
    EXPECT_EQ(Cancel(operation, absl::StrCat("c", ++n)), status);
    EXPECT_EQ(simulator_->Count("requests"), requests) << status;
    EXPECT_EQ(OperationStatusOf(absl::StrCat("c", n)), "succeeded");
  }
  EXPECT_EQ(Value("SELECT count(*) FROM billing.provider_steps WHERE purpose = 'expire_checkout_session'"), "0");
}

TEST_F(CheckoutCancelTest, TheSameKeyReplaysAndWritesNothing) {
  const std::string operation = Open();
  ASSERT_EQ(Cancel(operation), "expired");
  const std::string rows = Value("SELECT count(*) FROM billing.audit_log");
  const int64_t requests = simulator_->Count("requests");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Cancel(operation), "expired");
  EXPECT_EQ(simulator_->Count("requests"), requests);
  EXPECT_EQ(Value("SELECT count(*) FROM billing.audit_log"), rows);
  EXPECT_EQ(Cancel(Open("k2")), "idempotency_conflict") << "another checkout under the key";
}

TEST_F(CheckoutCancelTest, AnUnknownOutcomeIsResolvedByTheSameKeyAfterTheLease) {
  for (const char* fault : {"reset_after", "reset_before", "error_429", "wrong_content_type", "error_500_after"}) {
    const std::string operation = Open(std::string("k ") + fault);
    const std::string key = std::string("c ") + fault;
    simulator_->Fault(kExpire, fault);
    EXPECT_EQ(Cancel(operation, key), "request_in_progress") << fault;
    simulator_->ClearFaults();
    EXPECT_EQ(Cancel(operation, key), "request_in_progress") << fault << ": the lease hasn't ended";
    EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions WHERE status = 'open'"), "1") << fault;
    database_.SetClockOffset(kPastLease);
    EXPECT_EQ(Cancel(operation, key), "expired") << fault;
    EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions WHERE status = 'open'"), "0") << fault;
    database_.SetClockOffset(absl::ZeroDuration());
  }
  EXPECT_EQ(simulator_->Count("max_same_key_different_body"), 0);
}

TEST_F(CheckoutCancelTest, PaidBetweenAnUnknownOutcomeAndItsRecoveryIsAPurchase) {
  const std::string operation = Open();
  simulator_->Fault(kExpire, "reset_before");
  ASSERT_EQ(Cancel(operation), "request_in_progress");
  simulator_->ClearFaults();
  Pay();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Cancel(operation), "completed_pending_subscription");
}

TEST_F(CheckoutCancelTest, RecoveryNeedsNoCallOnceAnEventToldOfTheEnd) {
  const std::string operation = Open();
  simulator_->Fault(kExpire, "reset_after");
  ASSERT_EQ(Cancel(operation), "request_in_progress");
  database_.Admin("UPDATE billing.checkout_sessions SET status = 'expired', url = NULL, ended_at = billing.now()");
  const int64_t requests = simulator_->Count("requests");
  database_.SetClockOffset(kPastLease);
  const std::string id = Value("SELECT o.id FROM billing.request_idempotency o WHERE o.client_key = 'c1'");
  const auto recovered = kernel_->Recover(actions_->cancel_checkout, acme_, id, "worker:test");
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->status, OperationStatus::kSucceeded);
  EXPECT_EQ(simulator_->Count("requests"), requests);
  EXPECT_EQ(
      Value("SELECT s.outcome || ' ' || (s.provider_object_id = c.provider_session_id) FROM billing.provider_steps "
            "s, billing.checkout_sessions c WHERE s.purpose = 'expire_checkout_session'"),
      "succeeded true");
  EXPECT_EQ(Cancel(operation), "expired");
}

TEST_F(CheckoutCancelTest, ADefiniteRefusalOfAnOpenSessionIsRecorded) {
  const std::string operation = Open();
  simulator_->Fault(kExpire, "error_400");
  EXPECT_EQ(Cancel(operation), "checkout_provider_error");
  simulator_->ClearFaults();
  EXPECT_EQ(OperationStatusOf("c1"), "failed checkout_provider_error");
  EXPECT_EQ(SessionStatus(), "open");
  EXPECT_EQ(Cancel(operation), "checkout_provider_error") << "replayed";
  EXPECT_EQ(Cancel(operation, "c2"), "expired") << "another key may try again";
}

TEST_F(CheckoutCancelTest, TwoKeysAtOnceBothSucceed) {
  const std::string operation = Open();
  simulator_->Fault(kExpire, "delay_ms", {{"ms", 300}});
  std::vector<std::string> answers(2);
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&, i] { answers[i] = Cancel(operation, absl::StrCat("c", i)); });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(answers, ::testing::Each("expired"));
  EXPECT_EQ(Audits("BILLING_CHECKOUT_SESSION_EXPIRED"), 1);
}

TEST_F(CheckoutCancelTest, OnlyAnEntitysOwnCheckoutIsFound) {
  database_.AddWorkspace("other", "bob");
  const auto others = Start("k1", "pro", "other", "bob");
  ASSERT_TRUE(others.ok()) << others.status();
  for (const std::string& operation :
       {others->operation, database_.ids().NewId(), std::string("no-id"), std::string("' OR 1=1")}) {
    EXPECT_EQ(Cancel(operation), "not_found") << operation;
  }
  EXPECT_THAT(Expiries(), IsEmpty());
  EXPECT_EQ(Audits("BILLING_CHECKOUT_CANCEL_REFUSED", "not_found"), 4);
  EXPECT_EQ(OperationStatusOf("c1"), "") << "a refusal before anything was frozen isn't stored (IDM-14)";
}

TEST_F(CheckoutCancelTest, ACheckoutThatIsBeingOpenedIsRefused) {
  const auto opened = StartWith(
      "k1", [&] { EXPECT_EQ(Cancel(Value("SELECT id FROM billing.request_idempotency")), "checkout_in_progress"); });
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(Cancel(opened->operation), "expired") << "the same key may try again";
}

TEST_F(CheckoutCancelTest, ACheckoutThatFailedHasNothingToCancel) {
  simulator_->Fault(kSessionCreate, "error_400");
  ASSERT_EQ(CodeOfResult(Start("k1")), "checkout_provider_error");
  EXPECT_EQ(Cancel(Value("SELECT id FROM billing.request_idempotency")), "not_found");
}

TEST_F(CheckoutCancelTest, AHoldCantBeCancelled) {
  LeavePending("k1", kSessionCreate, kDone);
  const std::string operation = Value("SELECT id FROM billing.request_idempotency");
  database_.AdminScript("UPDATE billing.provider_steps SET provider_account_id = 'acct_other'");
  database_.SetClockOffset(kPastLease);
  ASSERT_EQ(CodeOfResult(Start("k1")), "checkout_replay_provenance_mismatch");
  ASSERT_EQ(SessionStatus(), "recovery_verification_pending");
  EXPECT_EQ(Cancel(operation), "checkout_recovery_verification_pending");
}

TEST_F(CheckoutCancelTest, AnExpiryHasTakenOnceTheSessionIsOpenNoMore) {
  const auto taken = [&](const char* status) {
    const json session = {{"id", "cs_1"},
                          {"object", "checkout.session"},
                          {"mode", "subscription"},
                          {"status", status},
                          {"payment_status", "unpaid"},
                          {"created", 1790000000},
                          {"expires_at", 1790080000},
                          {"livemode", false},
                          {"metadata", json::object()}};
    const auto result = actions_->cancel_checkout.HasTaken({}, session.dump());
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && *result;
  };
  EXPECT_FALSE(taken("open"));
  EXPECT_TRUE(taken("expired"));
  EXPECT_TRUE(taken("complete"));
  EXPECT_FALSE(taken("a word that we don't know"));
  EXPECT_FALSE(actions_->cancel_checkout.HasTaken({}, "{}").ok());
}

}  // namespace
}  // namespace billmesh::checkout
