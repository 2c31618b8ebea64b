// A buyer comes back from payment (CHK-11): the session follows the provider without waiting for a webhook.
#include <mutex>

#include "services/checkout/session_refresh.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The webhook daemon's place: keeps what it is handed.
class FakeWebhook : public ProjectionPeer {
 public:
  absl::Status Project(const std::string& provider, const std::vector<FetchedObject>& objects,
                       absl::Duration timeout) override {
    std::lock_guard lock(mutex_);
    EXPECT_EQ(provider, "stripe");
    EXPECT_GT(timeout, absl::ZeroDuration());
    projected_.push_back(objects);
    return away ? Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "away") : absl::OkStatus();
  }
  std::vector<std::vector<FetchedObject>> projected() {
    std::lock_guard lock(mutex_);
    return projected_;
  }
  bool away = false;

 private:
  std::mutex mutex_;
  std::vector<std::vector<FetchedObject>> projected_;  // guarded by mutex_
};

class CheckoutReturnTest : public CheckoutFixture {
 protected:
  // Opens a checkout; returns its operation's id.
  std::string Open() {
    const auto opened = Start("k1");
    EXPECT_TRUE(opened.ok()) << opened.status();
    operation_key_ = Value("SELECT operation_key FROM billing.request_idempotency");
    return opened.ok() ? opened->operation : "";
  }
  void Pay() { simulator_->Control("POST", "sessions/" + simulator_->OnlySession() + "/pay", json::object()); }
  SessionRefresher Refresher(RefreshTimes times) {
    return SessionRefresher({.pool = *pool_,
                             .clock = database_.clock(),
                             .ids = database_.ids(),
                             .provider = *client_,
                             .format = format_,
                             .projection = webhook_,
                             .env = "test",
                             .times = times});
  }
  void Refresh(RefreshTimes times = {}) {
    const absl::Status refreshed = Refresher(times).Refresh(acme_, operation_key_);
    EXPECT_TRUE(refreshed.ok()) << refreshed;
  }
  std::vector<json> Fetches() {
    return simulator_->Requests("GET", "/v1/checkout/sessions/" + simulator_->OnlySession());
  }
  std::string SessionStatus() { return Value("SELECT status FROM billing.checkout_sessions"); }
  void AfterThePause() { database_.SetClockOffset(offset_ += RefreshTimes{}.pause + absl::Seconds(1)); }

  FakeWebhook webhook_;
  std::string operation_key_;
  absl::Duration offset_;
};

TEST_F(CheckoutReturnTest, APaidSessionIsStoredAndItsSubscriptionProjected) {
  const std::string operation = Open();
  Pay();
  ASSERT_EQ(SessionStatus(), "open") << "no webhook has come";
  Refresh();
  EXPECT_EQ(SessionStatus(), "completed_pending_subscription");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_COMPLETED"), 1);
  const auto view = Get(operation);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->session_status, SessionStatus::kCompletedPendingSubscription);
  EXPECT_EQ(view->url, "");

  ASSERT_THAT(webhook_.projected(), SizeIs(1));
  const std::vector<FetchedObject> objects = webhook_.projected()[0];
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(objects[0].kind, "checkout_session");
  EXPECT_EQ(objects[1].kind, "subscription");
  const json session = json::parse(objects[0].object_json), subscription = json::parse(objects[1].object_json);
  EXPECT_EQ(session["id"], simulator_->OnlySession());
  EXPECT_EQ(session["subscription"], subscription["id"]);
  EXPECT_EQ(subscription["status"], "active");
  EXPECT_EQ(subscription["id"], Value("SELECT provider_subscription_id FROM billing.checkout_sessions"));
  for (const FetchedObject& object : objects) {
    EXPECT_LT(absl::AbsDuration(object.provider_date - database_.clock().Now()), absl::Minutes(1));
  }
}

TEST_F(CheckoutReturnTest, ASubscriptionThatIsStillIncompleteHereIsAskedAboutAgain) {
  const std::string operation = Open();
  Pay();
  // The first event of the subscription came; what followed in the same second did not.
  AddSubscription(acme_, "incomplete", Value("SELECT operation_key FROM billing.request_idempotency"));
  Refresh();
  EXPECT_EQ(SessionStatus(), "completed_reconciled");
  ASSERT_THAT(webhook_.projected(), SizeIs(1));
  // The webhook daemon kept the event of that second. The buyer's page asks again, in a later one.
  database_.SetClockOffset(absl::Seconds(10));
  ASSERT_TRUE(Get(operation).ok());
  EXPECT_THAT(projection_.All(), SizeIs(2)) << "the session and its subscription";
  database_.Admin("UPDATE billing.subscriptions SET status = 'active'");
  database_.SetClockOffset(absl::Seconds(20));
  ASSERT_TRUE(Get(operation).ok());
  EXPECT_THAT(projection_.All(), SizeIs(2)) << "settled";
}

TEST_F(CheckoutReturnTest, WhoeverAsksForTheCheckoutIsToldThePresentState) {
  const std::string operation = Open();
  Pay();
  for (int i = 0; i < 3; ++i) {
    const auto view = Get(operation);
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_EQ(view->session_status, SessionStatus::kCompletedPendingSubscription);
  }
  EXPECT_THAT(Fetches(), SizeIs(1));
  EXPECT_THAT(projection_.All(), SizeIs(2));
}

TEST_F(CheckoutReturnTest, AnUnpaidSessionStaysOpen) {
  const std::string operation = Open();
  const std::string url = Value("SELECT url FROM billing.checkout_sessions");
  Refresh();
  EXPECT_THAT(Fetches(), SizeIs(1));
  EXPECT_THAT(webhook_.projected(), IsEmpty());
  const auto view = Get(operation);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->session_status, SessionStatus::kOpen);
  EXPECT_EQ(view->url, url);
  EXPECT_NE(url, "");
}

TEST_F(CheckoutReturnTest, ASessionThatExpiredUnblocks) {
  Open();
  simulator_->Control("POST", "sessions/" + simulator_->OnlySession() + "/expire", json::object());
  Refresh();
  EXPECT_EQ(SessionStatus(), "expired");
  EXPECT_TRUE(Start("k2").ok());
}

TEST_F(CheckoutReturnTest, WithinThePauseTheProviderIsAskedOnce) {
  Open();
  for (int i = 0; i < 5; ++i) Refresh();
  EXPECT_THAT(Fetches(), SizeIs(1));
  AfterThePause();
  Refresh();
  Refresh();
  EXPECT_THAT(Fetches(), SizeIs(2));
}

TEST_F(CheckoutReturnTest, ManyAtOnceAskOnce) {
  Open();
  Pay();
  simulator_->Fault(kSessionRetrieve, "delay_ms", {{"ms", 200}});
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) callers.emplace_back([&] { Refresh(); });
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(Fetches(), SizeIs(1));
  EXPECT_THAT(webhook_.projected(), SizeIs(1));
  EXPECT_EQ(SessionStatus(), "completed_pending_subscription");
}

TEST_F(CheckoutReturnTest, WhatAnEventAdvancedMeanwhileIsNotTakenBack) {
  Open();
  // The provider's answer was made while it was open, and comes late.
  simulator_->HoldNext(kSessionRetrieve, {{"at", "after"}});
  std::thread back([&] { Refresh(); });
  EXPECT_TRUE(simulator_->WaitForHeld());
  database_.Admin("UPDATE billing.checkout_sessions SET status = 'completed_pending_subscription', url = NULL");
  simulator_->Release();
  back.join();
  EXPECT_THAT(Fetches(), SizeIs(1));
  EXPECT_EQ(Value("SELECT concat_ws(' ', status, url IS NULL) FROM billing.checkout_sessions"),
            "completed_pending_subscription t");
}

TEST_F(CheckoutReturnTest, NoTransactionIsOpenWhileTheProviderIsAsked) {
  Open();
  simulator_->HoldNext(kSessionRetrieve);
  std::thread back([&] { Refresh(); });
  EXPECT_TRUE(simulator_->WaitForHeld());
  EXPECT_EQ(Value("SELECT refreshed_at IS NOT NULL FROM billing.checkout_sessions"), "t");
  EXPECT_EQ(Value(R"sql(
      SELECT count(*) FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.usename = 'billmesh_checkout' AND a.xact_start IS NOT NULL
    )sql"),
            "0");
  simulator_->Release();
  back.join();
}

TEST_F(CheckoutReturnTest, WithTheProviderAwayWhatIsStoredIsTheAnswer) {
  const std::string operation = Open();
  Pay();
  for (const char* fault : {"reset_before", "error_500_before", "error_429", "error_401", "wrong_content_type"}) {
    simulator_->Fault(kSessionRetrieve, fault);
    Refresh();
    simulator_->ClearFaults();
    const auto view = Get(operation);
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_EQ(view->session_status, SessionStatus::kOpen) << fault;
    AfterThePause();
  }
  Refresh();
  EXPECT_EQ(SessionStatus(), "completed_pending_subscription");
}

TEST_F(CheckoutReturnTest, ASlowProviderIsWaitedForNoLongerThanTheTimeout) {
  Open();
  simulator_->Fault(kSessionRetrieve, "delay_ms", {{"ms", 10'000}});
  const absl::Duration begun = database_.clock().Monotonic();
  Refresh({.timeout = absl::Milliseconds(500)});
  EXPECT_LT(database_.clock().Monotonic() - begun, absl::Seconds(5));
  EXPECT_EQ(SessionStatus(), "open");
}

TEST_F(CheckoutReturnTest, WithTheWebhookDaemonAwayTheSessionIsStoredAndTheRestFollows) {
  Open();
  Pay();
  webhook_.away = true;
  Refresh();
  EXPECT_EQ(SessionStatus(), "completed_pending_subscription");
  webhook_.away = false;
  AfterThePause();
  Refresh();
  ASSERT_THAT(webhook_.projected(), SizeIs(2)) << "it still blocks, so that it is asked about again";
  EXPECT_EQ(json::parse(webhook_.projected()[1][1].object_json)["status"], "active");
}

TEST_F(CheckoutReturnTest, WhenTheSubscriptionCantBeReadTheSessionIsStoredAllTheSame) {
  Open();
  Pay();
  simulator_->Fault({{"method", "GET"}, {"path_prefix", "/v1/subscriptions/"}}, "reset_before");
  Refresh();
  EXPECT_EQ(SessionStatus(), "completed_pending_subscription");
  EXPECT_THAT(webhook_.projected(), IsEmpty());
}

TEST_F(CheckoutReturnTest, OnlyASessionThatBlocksAndIsKnownAtTheProviderIsAskedAbout) {
  Open();
  Pay();
  AddSubscription(acme_, "active", operation_key_);
  Refresh();
  EXPECT_EQ(SessionStatus(), "completed_reconciled");
  EXPECT_THAT(webhook_.projected(), SizeIs(1));
  AfterThePause();
  Refresh();
  EXPECT_THAT(Fetches(), SizeIs(1)) << "it has ended";
}

TEST_F(CheckoutReturnTest, AHoldIsNotAskedAbout) {
  LeavePending("k1", kSessionCreate, kDone);
  database_.AdminScript("UPDATE billing.provider_steps SET provider_account_id = 'acct_other'");
  database_.SetClockOffset(kPastLease);
  ASSERT_EQ(CodeOfResult(Start("k1")), "checkout_replay_provenance_mismatch");
  ASSERT_EQ(SessionStatus(), "recovery_verification_pending");
  operation_key_ = Value("SELECT operation_key FROM billing.request_idempotency");
  Refresh();
  EXPECT_THAT(Fetches(), IsEmpty());
  EXPECT_EQ(Value("SELECT refreshed_at IS NULL FROM billing.checkout_sessions"), "t");
}

TEST_F(CheckoutReturnTest, AnothersSessionIsNotSeen) {
  Open();
  const std::string other = database_.AddWorkspace("other", "bob");
  EXPECT_TRUE(Refresher({}).Refresh(other, operation_key_).ok());
  EXPECT_THAT(Fetches(), IsEmpty());
}

}  // namespace
}  // namespace billmesh::checkout
