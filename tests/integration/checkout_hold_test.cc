// What recovery does where a replay isn't allowed or keeps failing: lookups, and the holds that guard against what
// can't be found (IDM-6 to IDM-12).
#include "common/telemetry/metrics.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::SizeIs;

const absl::Duration kPastDeadline = absl::Hours(23) + absl::Minutes(1);
const absl::Duration kPastHorizon = absl::Hours(24);
constexpr char kSessionStatuses[] = "SELECT coalesce(string_agg(status, ' '), 'none') FROM billing.checkout_sessions";

using CheckoutHoldTest = CheckoutFixture;

TEST_F(CheckoutHoldTest, PastTheDeadlineWithinTheHorizonAHoldIsStoredAndNothingIsSent) {
  LeavePending("k1", kSessionCreate, kLost);
  const size_t sent = simulator_->SessionCreates().size();
  MoveBothClocks(kPastDeadline);
  const auto answer = Start("k1");
  EXPECT_EQ(CodeOfResult(answer), "checkout_recovery_window_elapsed");
  EXPECT_EQ(RuleOf(ReasonOf(answer.status())).http_status, 409);
  EXPECT_EQ(OperationStatusOf("k1"), "expired checkout_recovery_window_elapsed");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
  EXPECT_EQ(Value(R"sql(
    SELECT s.status || ' ' || (s.provider_session_id IS NULL) || ' ' || (s.operation_id = o.id) || ' ' ||
           (s.expires_at = o.provider_checkout_session_expires_at_upper_bound + interval '90 s')
    FROM billing.checkout_sessions s JOIN billing.request_idempotency o USING (operation_key)
  )sql"),
            "recovery_verification_pending true true true");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_HELD"), 1);
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_recovery_window_elapsed");
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_recovery_verification_pending");
}

TEST_F(CheckoutHoldTest, AHoldPastItsExpiryIsAbandonedAndTheNextCheckoutGoesOn) {
  LeavePending("k1", kSessionCreate, kLost);
  MoveBothClocks(kPastDeadline);
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_recovery_window_elapsed");
  database_.SetClockOffset(absl::Hours(23) + absl::Minutes(50) + absl::Seconds(89));
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_recovery_verification_pending");
  database_.SetClockOffset(absl::Hours(23) + absl::Minutes(53));
  simulator_->AdvanceClock(absl::Minutes(52));
  EXPECT_TRUE(Start("k2").ok());
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions ORDER BY created_at LIMIT 1"), "abandoned");
}

TEST_F(CheckoutHoldTest, PastTheHorizonNoHoldIsNeeded) {
  LeavePending("k1", kSessionCreate, kLost);
  MoveBothClocks(kPastHorizon);
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_recovery_window_elapsed");
  EXPECT_EQ(Value(kSessionStatuses), "none");
  EXPECT_TRUE(Start("k2").ok());
}

TEST_F(CheckoutHoldTest, PastTheDeadlineASessionThatWasMadeIsFoundByItsMetadata) {
  LeavePending("k1", kSessionCreate, kDone);
  const size_t sent = simulator_->SessionCreates().size();
  MoveBothClocks(kPastDeadline);
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->url, "");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
  EXPECT_EQ(Value("SELECT status || ' ' || provider_session_id FROM billing.checkout_sessions"),
            "open " + simulator_->OnlySession());
}

TEST_F(CheckoutHoldTest, PastTheDeadlineALookupThatFailsLeavesTheOperationPending) {
  LeavePending("k1", kSessionCreate, kDone);
  MoveBothClocks(kPastDeadline);
  simulator_->Fault({{"method", "GET"}, {"path_prefix", "/v1/checkout/sessions"}}, "error_429");
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
  EXPECT_EQ(Value(kSessionStatuses), "none");
}

// IDM-7, for each member of the provenance.
class ProvenanceMismatchTest : public CheckoutFixture,
                               public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(ProvenanceMismatchTest, IsHeldAndNotReplayed) {
  LeavePending("k1", kSessionCreate, kLost);
  const size_t sent = simulator_->SessionCreates().size();
  database_.AdminScript(
      absl::StrCat("UPDATE billing.provider_steps SET ", GetParam().first, " = '", GetParam().second, "'"));
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_replay_provenance_mismatch");
  EXPECT_EQ(OperationStatusOf("k1"), "failed checkout_replay_provenance_mismatch");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
  EXPECT_EQ(Value(kSessionStatuses), "recovery_verification_pending");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_replay_provenance_mismatch");
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_recovery_verification_pending");
}

INSTANTIATE_TEST_SUITE_P(All, ProvenanceMismatchTest,
                         ::testing::Values(std::pair{"provider_account_id", "acct_other"},
                                           std::pair{"provider_api_version", "2026-03-25.dahlia"},
                                           std::pair{"client_version", "0.9.0"}),
                         [](const auto& tested) { return std::string(tested.param.first); });

TEST_F(CheckoutHoldTest, ASessionOfOurAccountIsFoundWhateverVersionAskedForIt) {
  LeavePending("k1", kSessionCreate, kDone);
  database_.AdminScript("UPDATE billing.provider_steps SET client_version = '0.9.0'");
  database_.SetClockOffset(kPastLease);
  ASSERT_TRUE(Start("k1").ok());
  EXPECT_EQ(Value(kSessionStatuses), "open");
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

// IDM-11: with a session of the operation stored, whatever its state, no hold is made and nothing of it changes.
class HoldNeverRegressesTest : public CheckoutFixture, public ::testing::WithParamInterface<const char*> {};

TEST_P(HoldNeverRegressesTest, AStoredSessionStaysAsItIs) {
  LeavePending("k1", kSessionCreate, kLost);
  database_.AdminScript(
      absl::StrCat(R"sql(
    INSERT INTO billing.checkout_sessions
      (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at, ended_at)
    SELECT gen_random_uuid(), 'test', o.entity_id, o.operation_key, 'stripe', 'cs_of_an_event', ')sql",
                   GetParam(), R"sql(', '2030-01-01',
           CASE WHEN ')sql",
                   GetParam(), R"sql(' IN ('open', 'completed_pending_subscription') THEN NULL ELSE billing.now() END
    FROM billing.request_idempotency o;
    UPDATE billing.provider_steps SET provider_account_id = 'acct_other')sql"));
  const std::string before = Value("SELECT s::text FROM billing.checkout_sessions s");
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_replay_provenance_mismatch");
  EXPECT_EQ(Value("SELECT s::text FROM billing.checkout_sessions s"), before);
}

INSTANTIATE_TEST_SUITE_P(All, HoldNeverRegressesTest,
                         ::testing::Values("open", "completed_pending_subscription", "completed_reconciled", "expired",
                                           "abandoned"));

TEST_F(CheckoutHoldTest, A500ThatTheProviderReplaysDoesNotBlockPurchasesForADay) {
  LeavePending("k1", kSessionCreate, "error_500_before");
  database_.SetClockOffset(kPastLease);
  // The same answer as at first, stored under the key: nothing runs any more, and nothing was made.
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_provider_error");
  EXPECT_EQ(OperationStatusOf("k1"), "failed checkout_provider_error");
  EXPECT_TRUE(Start("k2").ok());
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

TEST_F(CheckoutHoldTest, A500AfterTheWorkWasDoneIsFoundByItsMetadata) {
  LeavePending("k1", kSessionCreate, "error_500_after");
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  database_.SetClockOffset(kPastLease);
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_NE(answer->url, "");
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

TEST_F(CheckoutHoldTest, ARefusalOfAReplayProvesNothingUntilALookupDoes) {
  LeavePending("k1", kSessionCreate, kDone);
  database_.SetClockOffset(kPastLease);
  simulator_->Fault(kSessionCreate, "error_400");
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(Value("SELECT provider_session_id FROM billing.checkout_sessions"), simulator_->OnlySession());
}

TEST_F(CheckoutHoldTest, ARefusalOfAReplayThatNothingContradictsIsARefusal) {
  LeavePending("k1", kSessionCreate, kLost);
  database_.SetClockOffset(kPastLease);
  simulator_->Fault(kSessionCreate, "error_400");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_provider_error");
  simulator_->ClearFaults();
  EXPECT_TRUE(Start("k2").ok());
}

TEST_F(CheckoutHoldTest, AReplayThatKeepsTellingNothingIsFollowedByALookup) {
  LeavePending("k1", kSessionCreate, kDone);
  simulator_->Fault(kSessionCreate, "error_429");
  for (int recovery = 1; recovery < 3; ++recovery) {
    database_.SetClockOffset(recovery * kPastLease);
    EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress") << recovery;
  }
  database_.SetClockOffset(3 * kPastLease);
  EXPECT_TRUE(Start("k1").ok());
  EXPECT_EQ(simulator_->Count("sessions"), 1);
}

TEST_F(CheckoutHoldTest, AReplayThatKeepsTellingNothingEndsNothing) {
  LeavePending("k1", kSessionCreate, kLost);
  simulator_->Fault(kSessionCreate, "error_429");
  for (int recovery = 1; recovery < 6; ++recovery) {
    database_.SetClockOffset(recovery * kPastLease);
    EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress") << recovery;
  }
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
}

TEST_F(CheckoutHoldTest, ALookupThatNobodyCanHaveEndsOnceNothingCanAppearAnyMore) {
  LeavePending("k1", kSessionCreate, kLost);
  const json lists = {{"method", "GET"}, {"path_prefix", "/v1/checkout/sessions"}};
  simulator_->Fault(lists, "error_403");
  MoveBothClocks(kPastDeadline);
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  database_.SetClockOffset(absl::Hours(25) + absl::Minutes(1));
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_recovery_window_elapsed");
  EXPECT_EQ(Value(kSessionStatuses), "none");
}

TEST_F(CheckoutHoldTest, AStepFrozenInTheFutureIsNotReplayed) {
  // The database's clock was a day ahead when the step was frozen, and was set right since: when it was sent, nobody
  // knows.
  database_.SetClockOffset(absl::Hours(24));
  simulator_->AdvanceClock(absl::Hours(24));
  LeavePending("k1", kSessionCreate, kDone);
  const size_t sent = simulator_->SessionCreates().size();
  database_.SetClockOffset(absl::ZeroDuration());
  database_.Admin("UPDATE billing.request_idempotency SET lease_until = billing.now()");
  ASSERT_TRUE(Start("k1").ok());
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
}

TEST_F(CheckoutHoldTest, AnotherOperationsSessionIsNeverRewrittenByAHold) {
  LeavePending("k1", kSessionCreate, kLost);
  // An event told of a session of an operation before this one.
  database_.AdminScript(R"sql(
    INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at)
    SELECT gen_random_uuid(), 'test', o.entity_id, 'an earlier one', 'stripe', 'cs_earlier', 'completed_pending_subscription',
           billing.now() + interval '1 hour'
    FROM billing.request_idempotency o;
    UPDATE billing.provider_steps SET client_version = '0.9.0')sql");
  const std::string before = Value("SELECT s::text FROM billing.checkout_sessions s");
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  EXPECT_EQ(OperationStatusOf("k1"), "pending") << "it blocks itself until its hold can be stored";
  EXPECT_EQ(Value("SELECT s::text FROM billing.checkout_sessions s"), before);
  database_.Admin("UPDATE billing.checkout_sessions SET status = 'completed_reconciled', ended_at = billing.now()");
  database_.SetClockOffset(2 * kPastLease);
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_replay_provenance_mismatch");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions WHERE status = 'recovery_verification_pending'"),
            "1");
}

TEST_F(CheckoutHoldTest, AnEventThatComesDuringAReplayIsNotTakenBack) {
  LeavePending("k1", kSessionCreate, kDone);
  const std::string session = simulator_->OnlySession();
  database_.SetClockOffset(kPastLease);
  simulator_->HoldNext(kSessionRetrieve);
  std::thread retry([&] { EXPECT_TRUE(Start("k1").ok()); });
  EXPECT_TRUE(simulator_->WaitForHeld());
  database_.Admin(R"sql(
    INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at)
    SELECT gen_random_uuid(), 'test', o.entity_id, o.operation_key, 'stripe', $1, 'completed_pending_subscription',
           billing.now() + interval '1 hour'
    FROM billing.request_idempotency o
  )sql",
                  {session});
  simulator_->Release();
  retry.join();
  EXPECT_EQ(Value(kSessionStatuses), "completed_pending_subscription");
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
}

// Each failure that is recorded (IDM-14): the same key replays it, and nothing is written.
class RecordedFailureTest : public CheckoutFixture, public ::testing::WithParamInterface<const char*> {};

TEST_P(RecordedFailureTest, IsReplayedAndWritesNothing) {
  const std::string code = GetParam();
  ASSERT_TRUE(Start("k1").ok());
  database_.Admin(R"sql(
    UPDATE billing.request_idempotency
    SET status = CASE WHEN $1 = 'checkout_recovery_window_elapsed' THEN 'expired' ELSE 'failed' END, failure_code = $1, response = NULL
  )sql",
                  {code});
  const std::string everything =
      "SELECT (SELECT count(*) FROM billing.audit_log) || ' ' || (SELECT string_agg(o::text || o.xmin::text || "
      "o.xmax::text, '') FROM "
      "billing.request_idempotency o) || (SELECT string_agg(e.xmin::text || e.xmax::text, '') FROM billing.entities e)";
  const std::string before = Value(everything);
  const size_t sent = simulator_->SessionCreates().size();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(CodeOfResult(Start("k1")), code);
  EXPECT_EQ(Value(everything), before);
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(sent));
}

INSTANTIATE_TEST_SUITE_P(All, RecordedFailureTest,
                         ::testing::Values("checkout_provider_error", "checkout_recovery_window_elapsed",
                                           "checkout_replay_provenance_mismatch", "subscription_exists_use_portal"));

TEST_F(CheckoutHoldTest, ATimeOutLeavesTheOperationPending) {
  OperationKernel impatient({.pool = *pool_,
                             .clock = database_.clock(),
                             .ids = database_.ids(),
                             .provider = *client_,
                             .format = format_,
                             .env = "test",
                             .operation_key_secret = "a secret that is long enough for us",
                             .holder = "checkout/impatient",
                             .times = {.call_timeout = absl::Seconds(1)}});
  WriteRequest request{.entity_id = acme_, .actor = "user:alice"};
  for (const char* action : {"timeout_before", "timeout_after"}) {
    request.client_key = action;
    request.canonical_request = *EncodeOrder({"pro", "/done", "/back", 0});
    request.fingerprint = Fingerprint(request.canonical_request);
    simulator_->Fault(kSessionCreate, action, {{"hold_ms", 3000}});
    const auto answer = impatient.Run(*action_, request);
    EXPECT_EQ(CodeOf(ReasonOf(answer.status())), "request_in_progress") << action;
    EXPECT_EQ(OperationStatusOf(action), "pending") << action;
    simulator_->ClearFaults();
    // The next one is another entity's: this one is busy.
    request.entity_id = database_.AddWorkspace(action, "alice");
  }
}

TEST_F(CheckoutHoldTest, AnAmbiguousPriceFailsClosedAndAlerts) {
  database_.AdminScript(R"sql(
    DO $$ DECLARE i record; BEGIN
      FOR i IN SELECT indexrelid::regclass AS name FROM pg_index WHERE indrelid = 'billing.plan_prices'::regclass AND indpred IS NOT NULL LOOP
        EXECUTE 'DROP INDEX ' || i.name;
      END LOOP;
    END $$;
    CREATE TEMP TABLE copied AS SELECT * FROM billing.plan_prices;
    UPDATE copied SET id = gen_random_uuid(), provider_price_id = provider_price_id || '_2';
    INSERT INTO billing.plan_prices SELECT * FROM copied)sql");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_configuration_invalid");
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(0));
  EXPECT_NE(
      telemetry::RenderMetrics().find("billmesh_guardrail_total{code=\"BILLING_CHECKOUT_CONFIGURATION_INVALID\"}"),
      std::string::npos);
}

TEST_F(CheckoutHoldTest, RecoverEndsAnOperationWithoutItsClient) {
  LeavePending("k1", kSessionCreate, kDone);
  const auto held = Recover("k1");
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->status, OperationStatus::kPending) << "its lease hasn't ended";
  EXPECT_EQ(Value("SELECT lease_version FROM billing.request_idempotency"), "1");
  database_.SetClockOffset(kPastLease);
  const auto recovered = Recover("k1");
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->status, OperationStatus::kSucceeded);
  EXPECT_EQ(Value("SELECT lease_version || ' ' || recovery_attempts FROM billing.request_idempotency"), "2 1");
  // Nobody was refused anything meanwhile, save the client by its first answer.
  EXPECT_EQ(Audits("BILLING_CHECKOUT_REFUSED"), 1);
  const auto again = Recover("k1");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->status, OperationStatus::kSucceeded);
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  EXPECT_EQ(CodeOfResult(Start("k1")), "ok");
}

TEST_F(CheckoutHoldTest, RecoverTellsHowAnOperationEnded) {
  LeavePending("k1", kSessionCreate, kLost);
  MoveBothClocks(kPastDeadline);
  const auto recovered = Recover("k1");
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->status, OperationStatus::kExpired);
  EXPECT_EQ(recovered->failure_code, "checkout_recovery_window_elapsed");
  EXPECT_EQ(kernel_->Recover(*action_, acme_, "00000000-0000-7000-8000-000000000000", "worker:test").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CheckoutHoldTest, RecoveryIsTakenBeforeAndStoredAfterTheProviderWithNoTransactionOpen) {
  LeavePending("k1", kSessionCreate, kDone);
  database_.SetClockOffset(kPastLease);
  simulator_->HoldNext(kSessionRetrieve);
  const std::string id = Value("SELECT id FROM billing.request_idempotency");
  std::thread recovery([&] { EXPECT_TRUE(kernel_->Recover(*action_, acme_, id, "worker:test").ok()); });
  EXPECT_TRUE(simulator_->WaitForHeld());
  // R1 is committed: the lease is taken, the attempt counted.
  EXPECT_EQ(Value("SELECT lease_version || ' ' || recovery_attempts FROM billing.request_idempotency"), "2 1");
  // The provider is asked meanwhile, and no transaction waits for it.
  EXPECT_THAT(simulator_->SessionCreates(), SizeIs(2));
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
  EXPECT_EQ(Value(R"sql(
    SELECT count(*) FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.usename = 'billmesh_checkout' AND a.xact_start IS NOT NULL
  )sql"),
            "0");
  simulator_->Release();
  recovery.join();
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
}

TEST_F(CheckoutHoldTest, TheSessionIsStoredBeforeTheOperationSucceeds) {
  // Whatever writes the success, the session's row must be there: the database is asked at the very statement.
  database_.AdminScript(R"sql(
    CREATE FUNCTION public.session_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      IF NOT EXISTS (SELECT 1 FROM billing.checkout_sessions s WHERE s.operation_key = NEW.operation_key) THEN
        RAISE EXCEPTION 'succeeded without its session';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER session_first BEFORE UPDATE ON billing.request_idempotency
      FOR EACH ROW WHEN (NEW.status = 'succeeded') EXECUTE FUNCTION public.session_first()
  )sql");
  EXPECT_TRUE(Start("k1").ok());
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
}

TEST_F(CheckoutHoldTest, AnOperationThatWasAdmittedKeepsItsPlanThoughItIsWithdrawnMeanwhile) {
  LeavePending("k1", kCustomerCreate, kLost);
  database_.AdminScript("UPDATE billing.plans SET active = false; UPDATE billing.plan_prices SET active = false");
  database_.SetClockOffset(kPastLease);
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_session_open");
}

}  // namespace
}  // namespace billmesh::checkout
