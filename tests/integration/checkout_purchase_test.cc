// Purchases on real PostgreSQL and the Stripe simulator: what is sold, replayed and refused (CHK-1 to CHK-9, IDM-1 to
// IDM-5).
#include <map>
#include <set>
#include <thread>

#include "services/checkout/session_transitions.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::SizeIs;

class CheckoutPurchaseTest : public CheckoutFixture {};

TEST_F(CheckoutPurchaseTest, AFirstPurchaseMakesACustomerAndASession) {
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->url.rfind("http", 0), 0u);
  EXPECT_EQ(simulator_->Count("customers"), 1);
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions"), "open");
  EXPECT_EQ(Value("SELECT id FROM billing.checkout_sessions"), answer->checkout_session_id);
  EXPECT_EQ(Value("SELECT id FROM billing.request_idempotency"), answer->operation);
  EXPECT_EQ(Value("SELECT count(*) FROM billing.entity_customers WHERE ended_at IS NULL"), "1");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.provider_steps WHERE outcome = 'succeeded'"), "2");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_STARTED"), 1);
  EXPECT_EQ(Audits("BILLING_CUSTOMER_LINKED"), 1);
  EXPECT_EQ(Audits("BILLING_CHECKOUT_CREATED"), 1);
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(concat_ws(' ', action, before_digest IS NULL, length(after_digest)), '; ' ORDER BY action)
    FROM billing.audit_log
  )sql"),
            "BILLING_CHECKOUT_CREATED f 64; BILLING_CHECKOUT_STARTED t 64; BILLING_CUSTOMER_LINKED t 64");
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', s.after_digest = c.before_digest, c.before_digest <> c.after_digest)
    FROM billing.audit_log s JOIN billing.audit_log c USING (operation_key)
    WHERE s.action = 'BILLING_CHECKOUT_STARTED' AND c.action = 'BILLING_CHECKOUT_CREATED'
  )sql"),
            "t t");
  EXPECT_EQ(Value("SELECT DISTINCT actor FROM billing.audit_log"), "user:alice");
}

TEST_F(CheckoutPurchaseTest, TheFrozenRequestIsWhatWasSent) {
  ASSERT_TRUE(Start("k1").ok());
  const auto creates = simulator_->SessionCreates();
  ASSERT_THAT(creates, SizeIs(1));
  const json sent = creates[0]["params"];
  const json frozen =
      json::parse(Value("SELECT params FROM billing.provider_steps WHERE purpose = 'create_checkout_session'"));
  EXPECT_EQ(frozen["mode"], "subscription");
  EXPECT_EQ(frozen["success_url"], "https://app.example/done");
  EXPECT_EQ(frozen["cancel_url"], "https://app.example/back");
  EXPECT_EQ(frozen["line_items"].size(), 1u);
  EXPECT_EQ(frozen["line_items"][0]["quantity"], 1);
  const json expected_metadata = {
      {std::string(provider::kMetadataOperationKey), Value("SELECT operation_key FROM billing.request_idempotency")},
      {std::string(provider::kMetadataEntityId), acme_},
      {std::string(provider::kMetadataEnv), "test"},
      {std::string(provider::kMetadataPlanCode), "pro"},
      {std::string(provider::kMetadataPlanVersion), "1"}};
  EXPECT_EQ(frozen["metadata"], expected_metadata);
  EXPECT_EQ(frozen["subscription_data"]["metadata"], expected_metadata);
  EXPECT_EQ(sent["metadata"], expected_metadata);
  EXPECT_EQ(sent["subscription_data"]["metadata"], expected_metadata);
  EXPECT_EQ(
      creates[0]["idempotency_key"],
      Value("SELECT provider_idempotency_key FROM billing.provider_steps WHERE purpose = 'create_checkout_session'"));
  EXPECT_EQ(creates[0]["version"], "2026-10-28.endive");
}

TEST_F(CheckoutPurchaseTest, FrozenExpiryAndDeadlineAreThoseOfTheRules) {
  ASSERT_TRUE(Start("k1").ok());
  EXPECT_EQ(Value(R"sql(
    SELECT to_timestamp((s.params::jsonb->>'expires_at')::bigint) = s.frozen_at + interval '23 hours 50 minutes'
       AND o.provider_checkout_session_expires_at_upper_bound = s.frozen_at + interval '23 hours 50 minutes'
       AND s.replay_deadline_at = s.frozen_at + interval '23 hours'
       AND o.provider_idempotency_replay_deadline_at = s.replay_deadline_at
       AND s.frozen_at <= billing.now() AND s.frozen_at > billing.now() - interval '1 minute'
       AND s.params_sha256 = encode(sha256(convert_to(s.params, 'UTF8')), 'hex')
    FROM billing.provider_steps s JOIN billing.request_idempotency o ON o.id = s.operation_id
  )sql"),
            "t");
}

TEST_F(CheckoutPurchaseTest, TheSecondPurchaseOfAnEntityKeepsItsCustomer) {
  const auto first = Start("k1");
  ASSERT_TRUE(first.ok()) << first.status();
  database_.Admin("UPDATE billing.checkout_sessions SET status = 'abandoned', ended_at = billing.now()");
  ASSERT_TRUE(Start("k2").ok());
  EXPECT_EQ(simulator_->Count("customers"), 1);
  EXPECT_EQ(simulator_->Count("sessions"), 2);
}

TEST_F(CheckoutPurchaseTest, TheSameKeyReplaysAndWritesNothing) {
  const auto first = Start("k1");
  ASSERT_TRUE(first.ok()) << first.status();
  const int64_t requests = simulator_->Count("requests");
  const std::string rows = Value("SELECT count(*) FROM billing.audit_log");
  for (int i = 0; i < 3; ++i) {
    const auto again = Start("k1");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->operation, first->operation);
    EXPECT_EQ(again->url, first->url);
    EXPECT_EQ(again->checkout_session_id, first->checkout_session_id);
    EXPECT_EQ(again->expires_at_unix_seconds, first->expires_at_unix_seconds);
  }
  EXPECT_EQ(simulator_->Count("requests"), requests);
  EXPECT_EQ(Value("SELECT count(*) FROM billing.audit_log"), rows);
}

TEST_F(CheckoutPurchaseTest, AnotherRequestUnderTheKeyConflicts) {
  ASSERT_TRUE(Start("k1").ok());
  AddSellablePlan("team", 9900);
  EXPECT_EQ(CodeOfResult(Start("k1", "team")), "idempotency_conflict");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_REFUSED", "idempotency_conflict"), 1);
}

TEST_F(CheckoutPurchaseTest, TheSameKeyUnderAnotherEntityIsAnotherOperation) {
  database_.AddWorkspace("other", "bob");
  const auto one = Start("k1");
  const auto two = Start("k1", "pro", "other", "bob");
  ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
  EXPECT_NE(one->operation, two->operation);
  EXPECT_EQ(Value("SELECT count(DISTINCT operation_key) FROM billing.request_idempotency"), "2");
  EXPECT_EQ(simulator_->Count("customers"), 2);
}

TEST_F(CheckoutPurchaseTest, TwoKeysInParallelGiveOneSuccessAndOneInProgress) {
  const auto first = StartWith("k1", [&] {
    EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_in_progress");
    EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  });
  EXPECT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(OperationStatusOf("k2"), "");
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  EXPECT_EQ(Audits("BILLING_CHECKOUT_REFUSED", "checkout_in_progress"), 1);
}

TEST_F(CheckoutPurchaseTest, ManyKeysAtOnceGiveExactlyOneSession) {
  constexpr int kCallers = 8;
  std::vector<std::string> codes(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] { codes[i] = CodeOfResult(Start("k" + std::to_string(i))); });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(std::count(codes.begin(), codes.end(), "ok"), 1);
  EXPECT_THAT(codes, Each(AnyOf("ok", "checkout_in_progress", "checkout_session_open")));
  EXPECT_EQ(simulator_->Count("sessions"), 1);
  EXPECT_EQ(simulator_->Count("customers"), 1);
}

TEST_F(CheckoutPurchaseTest, AnOpenSessionBlocksAndGivesItsUrl) {
  const auto first = Start("k1");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Start("k2");
  EXPECT_EQ(CodeOfResult(second), "checkout_session_open");
  Metadata metadata = MetadataOf(second.status());
  EXPECT_EQ(metadata["url"], first->url);
  EXPECT_EQ(metadata["operation"], first->operation);
  absl::Time expires;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_sec, metadata["expires_at"], &expires, nullptr));
  EXPECT_EQ(absl::ToUnixSeconds(expires), first->expires_at_unix_seconds);
  // The URL is a way to pay: it doesn't belong in the audit log.
  EXPECT_EQ(
      database_.Value("SELECT count(*) FROM billing.audit_log WHERE detail::text LIKE '%' || $1 || '%'", {first->url}),
      "0");
}

TEST_F(CheckoutPurchaseTest, ASubscriptionBlocksInEveryLivingStatus) {
  for (const std::string status : {"incomplete", "trialing", "active", "past_due", "unpaid", "paused"}) {
    const std::string entity = database_.AddWorkspace("w-" + status, "alice");
    AddSubscription(entity, status);
    EXPECT_EQ(CodeOfResult(Start("k1", "pro", "w-" + status)), "subscription_exists_use_portal") << status;
  }
  EXPECT_EQ(simulator_->Count("sessions"), 0);
}

TEST_F(CheckoutPurchaseTest, AnEndedSubscriptionDoesNotBlock) {
  AddSubscription(acme_, "canceled");
  AddSubscription(acme_, "incomplete_expired");
  database_.Admin("UPDATE billing.entity_customers SET ended_at = billing.now()");
  EXPECT_TRUE(Start("k1").ok());
}

TEST_F(CheckoutPurchaseTest, RefusalsBeforeTheClaimAreNotStoredAndTheKeyMayTryAgain) {
  EXPECT_EQ(CodeOfResult(Start("k1", "gold")), "checkout_plan_not_found");
  EXPECT_EQ(OperationStatusOf("k1"), "");
  database_.Admin("UPDATE billing.plan_prices SET currency = 'usd'");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_configuration_invalid");
  database_.Admin("UPDATE billing.plan_prices SET currency = 'eur', active = false");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_configuration_invalid");
  database_.Admin("UPDATE billing.plan_prices SET active = true");
  const auto seats = service_->StartCheckout(User("alice"), Workspace("acme"), "k1", {"pro", "/done", "/back", 7});
  EXPECT_EQ(CodeOfResult(seats), "invalid_argument");
  AddSubscription(acme_, "active");
  EXPECT_EQ(CodeOfResult(Start("k1")), "subscription_exists_use_portal");
  database_.Admin("UPDATE billing.subscriptions SET status = 'canceled', is_current = false");
  database_.Admin("UPDATE billing.entity_customers SET ended_at = billing.now()");
  EXPECT_EQ(OperationStatusOf("k1"), "");
  EXPECT_EQ(simulator_->Count("sessions"), 0);
  EXPECT_EQ(Audits("BILLING_CHECKOUT_REFUSED"), 5);
  const auto answer = Start("k1");
  EXPECT_TRUE(answer.ok()) << answer.status();
}

TEST_F(CheckoutPurchaseTest, CompletionPendingAndHoldsBlockWithTheirOwnCodes) {
  const auto add = [&](const std::string& entity, const std::string& status, const std::string& session) {
    database_.Admin(R"sql(
      INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at)
      VALUES (gen_random_uuid(), 'test', $1, 'key-' || $2, 'stripe', nullif($3, ''), $2, billing.now() + interval '1 hour')
    )sql",
                    {entity, status, session});
  };
  add(acme_, "completed_pending_subscription", "cs_x");
  EXPECT_EQ(CodeOfResult(Start("k1")), "checkout_completion_pending");
  const std::string other = database_.AddWorkspace("other", "alice");
  add(other, "recovery_verification_pending", "");
  EXPECT_EQ(CodeOfResult(Start("k1", "pro", "other")), "checkout_recovery_verification_pending");
  // Past its expiry a hold is abandoned on the way, with its audit row.
  database_.SetClockOffset(absl::Hours(2));
  simulator_->AdvanceClock(absl::Hours(2));
  EXPECT_TRUE(Start("k1", "pro", "other").ok());
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions WHERE provider_session_id IS NULL"), "abandoned");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_SESSION_ABANDONED"), 1);
  EXPECT_EQ(Value("SELECT before_digest <> after_digest FROM billing.audit_log "
                  "WHERE action = 'BILLING_CHECKOUT_SESSION_ABANDONED'"),
            "t");
}

TEST_F(CheckoutPurchaseTest, ASessionBlocksThroughItsGraceAndThenFollowsTheProvider) {
  ASSERT_TRUE(Start("k1").ok());
  const absl::Duration lifetime = absl::Hours(23) + absl::Minutes(50);
  database_.SetClockOffset(lifetime + absl::Seconds(60));
  simulator_->AdvanceClock(lifetime + absl::Seconds(60));
  const auto in_grace = Start("k2");
  EXPECT_EQ(CodeOfResult(in_grace), "checkout_session_open");
  EXPECT_EQ(MetadataOf(in_grace.status()).count("url"), 0u) << "nobody can pay there any more";
  database_.SetClockOffset(lifetime + absl::Seconds(120));
  simulator_->AdvanceClock(absl::Seconds(60));
  const auto after = Start("k2");
  EXPECT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions WHERE status = 'expired'"), "1");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_SESSION_EXPIRED"), 1);
}

TEST_F(CheckoutPurchaseTest, AnOverdueSessionThatWasPaidIsFollowedToo) {
  ASSERT_TRUE(Start("k1").ok());
  simulator_->Control("POST", "sessions/" + Value("SELECT provider_session_id FROM billing.checkout_sessions") + "/pay",
                      json::object());
  database_.SetClockOffset(absl::Hours(25));
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_completion_pending");
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions"), "completed_pending_subscription");
  EXPECT_NE(Value("SELECT provider_subscription_id FROM billing.checkout_sessions"), "");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_COMPLETED"), 1);
}

TEST_F(CheckoutPurchaseTest, TheClockDecidesOnlyWhileTheProviderIsAway) {
  ASSERT_TRUE(Start("k1").ok());
  database_.SetClockOffset(absl::Hours(25));
  simulator_->AdvanceClock(absl::Hours(25));
  simulator_->Fault({{"method", "GET"}, {"path_prefix", "/v1/checkout/sessions"}}, "reset_before");
  const auto answer = Start("k2");
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(Value("SELECT detail->>'why' FROM billing.audit_log WHERE action = 'BILLING_CHECKOUT_SESSION_EXPIRED'"),
            "clock");
  // Our clock may be the one that is wrong: the session is ended at the provider as well.
  EXPECT_EQ(Value("SELECT count(*) FROM billing.outbox_jobs WHERE job_type = 'expire_checkout_session'"), "1");
}

TEST_F(CheckoutPurchaseTest, AnAnswerThatSaysNothingOfTheSessionLeavesItBlocking) {
  ASSERT_TRUE(Start("k1").ok());
  database_.SetClockOffset(absl::Hours(25));
  for (const char* answer : {"error_401", "error_403", "error_429"}) {
    simulator_->Fault({{"method", "GET"}, {"path_prefix", "/v1/checkout/sessions"}}, answer);
    EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_session_open") << answer;
    simulator_->Control("DELETE", "faults", json::object());
  }
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions"), "open");
}

// Paid, subscribed and ended, while the session's own event got lost: nothing else will come for it to wait for.
TEST_F(CheckoutPurchaseTest, ASubscriptionThatHasEndedSinceReconcilesItsSession) {
  ASSERT_TRUE(Start("k1").ok());
  const std::string session = Value("SELECT provider_session_id FROM billing.checkout_sessions");
  simulator_->Control("POST", "sessions/" + session + "/pay", json::object());
  database_.Admin(R"sql(
    INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, operation_key,
                                       status, provider_subscription_created_at, provider_updated_at, provider_event_id)
    SELECT gen_random_uuid(), s.env, s.entity_id, s.provider, 'sub_ended', c.provider_customer_id, s.operation_key, 'canceled',
           billing.now(), billing.now(), 'evt'
    FROM billing.checkout_sessions s JOIN billing.entity_customers c ON c.entity_id = s.entity_id
  )sql");
  database_.SetClockOffset(absl::Hours(25));
  simulator_->AdvanceClock(absl::Hours(25));
  const auto answer = Start("k2");
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions WHERE provider_session_id = '" + session + "'"),
            "completed_reconciled");
}

TEST_F(CheckoutPurchaseTest, AStillOpenOverdueSessionGoesOnBlocking) {
  ASSERT_TRUE(Start("k1").ok());
  database_.SetClockOffset(absl::Hours(25));  // ours is fast; the provider's session has hours to live
  EXPECT_EQ(CodeOfResult(Start("k2")), "checkout_session_open");
  EXPECT_EQ(Value("SELECT status FROM billing.checkout_sessions"), "open");
}

TEST_F(CheckoutPurchaseTest, RolesAndReachDecideWhoMayBuy) {
  database_.Admin("INSERT INTO billing.entity_members (entity_id, subject, role) VALUES ($1, 'vera', 'viewer')",
                  {acme_});
  EXPECT_EQ(CodeOfResult(Start("k1", "pro", "acme", "vera")), "permission_denied");
  EXPECT_EQ(CodeOfResult(Start("k1", "pro", "acme", "mallory")), "entity_not_found");
  EXPECT_EQ(CodeOfResult(Start("k1", "pro", "nowhere")), "entity_not_found");
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(Get(answer->operation, "acme", "vera").ok());
  database_.AddWorkspace("other", "bob");
  EXPECT_EQ(ReasonOf(Get(answer->operation, "other", "bob").status()), Reason::FAILURE_REASON_NOT_FOUND);
  EXPECT_EQ(ReasonOf(Get("nonsense").status()), Reason::FAILURE_REASON_NOT_FOUND);
}

TEST_F(CheckoutPurchaseTest, GetShowsTheOperationAndItsSession) {
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  auto view = Get(answer->operation);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->operation_status, OperationStatus::kSucceeded);
  EXPECT_EQ(view->session_status, SessionStatus::kOpen);
  EXPECT_EQ(view->url, answer->url);
  EXPECT_EQ(view->plan_code, "pro");
  database_.Admin("UPDATE billing.checkout_sessions SET status = 'expired', ended_at = billing.now()");
  view = Get(answer->operation);
  EXPECT_EQ(view->session_status, SessionStatus::kExpired);
  EXPECT_EQ(view->url, "");
}

TEST_F(CheckoutPurchaseTest, AnEntityOfAnotherEnvironmentIsNotSoldTo) {
  database_.AddWorkspace("elsewhere", "alice", "staging");
  EXPECT_EQ(CodeOfResult(Start("k1", "pro", "elsewhere")), "entity_not_found");
}

TEST_F(CheckoutPurchaseTest, TheDatabaseHoldsTheSameTransitionsAsTheCode) {
  std::set<std::pair<std::string, std::string>> in_code, in_database;
  for (const auto& [from, to] : kSessionTransitions) in_code.emplace(NameOf(from), NameOf(to));
  const db::Result rows = database_.Admin("SELECT from_status, to_status FROM billing.checkout_session_transitions");
  for (int i = 0; i < rows.size(); ++i) in_database.emplace(rows[i].Text(0), rows[i].Text(1));
  EXPECT_EQ(in_code, in_database);
  // And refuses the rest, whoever writes.
  const std::string other = database_.AddWorkspace("other");
  for (const auto& from : kSessionStatuses) {
    for (const auto& to : kSessionStatuses) {
      if (from.status == to.status) continue;
      const absl::Status moved = pool_->Run(db::Scope::System("test"), [&](db::Tx& tx) -> absl::Status {
        RETURN_IF_ERROR(tx.Exec(R"sql(
          INSERT INTO billing.checkout_sessions
            (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at, ended_at)
          VALUES ($1::uuid, 'test', $2, $1::text, 'stripe', $1::text, $3, billing.now(), CASE WHEN $4::boolean THEN NULL ELSE billing.now() END)
        )sql",
                                {database_.ids().NewId(), other, from.name, Blocks(from.status)})
                            .status());
        RETURN_IF_ERROR(tx.Exec(R"sql(
          UPDATE billing.checkout_sessions
          SET status = $2, ended_at = CASE WHEN $3::boolean THEN NULL ELSE billing.now() END WHERE entity_id = $1
        )sql",
                                {other, to.name, Blocks(to.status)})
                            .status());
        return absl::CancelledError("keep nothing");
      });
      if (MayMove(from.status, to.status)) {
        EXPECT_EQ(moved.code(), absl::StatusCode::kCancelled) << from.name << " to " << to.name << ": " << moved;
      } else {
        EXPECT_EQ(MetadataOf(moved)["constraint"], "checkout_sessions_transition_check")
            << from.name << " to " << to.name << ": " << moved;
      }
    }
  }
}

}  // namespace
}  // namespace billmesh::checkout
