// Changes of a paid subscription on real PostgreSQL and the Stripe simulator: cancelling, resuming, add-ons (PRT-3,
// PRT-4).
#include "tests/integration/subscription_change_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(SubscriptionChangeTest, CancelsForTheEndOfThePeriod) {
  Subscribe();
  const auto answer = Cancel("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(Tell(answer), "active ending 0");
  EXPECT_EQ(answer->operation, Value("SELECT id FROM billing.request_idempotency WHERE client_key = 'k1'"));
  EXPECT_EQ(Subscription()["cancel_at_period_end"], true);
  ASSERT_THAT(Updates(), SizeIs(1));
  EXPECT_EQ(Updates()[0]["idempotency_key"],
            Value("SELECT provider_idempotency_key FROM billing.provider_steps WHERE purpose = 'update_subscription'"));
  EXPECT_EQ(ProjectedStatus(), "active going on") << "it changes when the provider's word arrives";
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', o.provider_idempotency_replay_deadline_at = s.replay_deadline_at,
                     o.provider_checkout_session_expires_at_upper_bound IS NULL, s.provider_object_id)
    FROM billing.provider_steps s JOIN billing.request_idempotency o ON o.id = s.operation_id
    WHERE s.purpose = 'update_subscription'
  )sql"),
            "t t " + subscription_);
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_CHANGE_STARTED"), 1);
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_CANCELLED"), 1);
}

TEST_F(SubscriptionChangeTest, CancelsNow) {
  Subscribe();
  EXPECT_EQ(Tell(Cancel("k1", CancelTiming::kNow)), "canceled going on 0");
  EXPECT_EQ(Subscription()["status"], "canceled");
  EXPECT_THAT(Deletes(), SizeIs(1));
  EXPECT_EQ(ProjectedStatus(), "active going on");
  Project();
  EXPECT_EQ(Tell(Resume("k2")), "portal_subscription_required");
}

TEST_F(SubscriptionChangeTest, ResumesWhileItRuns) {
  Subscribe();
  ASSERT_TRUE(Cancel("k1").ok());
  EXPECT_EQ(Tell(Resume("k2")), "active going on 0") << "also before the projection knows of the cancellation";
  EXPECT_EQ(Subscription()["cancel_at_period_end"], false);
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_RESUMED"), 1);
}

TEST_F(SubscriptionChangeTest, CancelResumeCancelReachesTheProviderThreeTimes) {
  Subscribe();
  ASSERT_TRUE(Cancel("k1").ok());
  ASSERT_TRUE(Resume("k2").ok());
  EXPECT_EQ(Tell(Cancel("k3")), "active ending 0");
  EXPECT_EQ(Subscription()["cancel_at_period_end"], true);
  const auto updates = Updates();
  ASSERT_THAT(updates, SizeIs(3));
  for (const json& update : updates) EXPECT_EQ(update["replayed"], false);
  EXPECT_THAT(KeysOfUpdates(), SizeIs(3));
}

TEST_F(SubscriptionChangeTest, TheSameKeyReplaysAndAnotherRequestUnderItConflicts) {
  Subscribe();
  const auto first = Cancel("k1");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(SetAddOn("k1", 2).ok()) << "the key of another action is another key";
  const int64_t requests = simulator_->Count("requests");
  EXPECT_EQ(Cancel("k1")->operation, first->operation);
  EXPECT_EQ(Tell(Cancel("k1")), "active ending 0");
  EXPECT_EQ(Tell(SetAddOn("k1", 2)), "active ending 2");
  EXPECT_EQ(Tell(Cancel("k1", CancelTiming::kNow)), "idempotency_conflict");
  EXPECT_EQ(Tell(SetAddOn("k1", 3)), "idempotency_conflict");
  EXPECT_EQ(simulator_->Count("requests"), requests);
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_CHANGE_REFUSED", "idempotency_conflict"), 2);
}

TEST_F(SubscriptionChangeTest, WithoutASubscriptionNothingIsChangedOrStored) {
  EXPECT_EQ(Tell(Cancel("k1")), "portal_subscription_required");
  EXPECT_EQ(Tell(Resume("k1")), "portal_subscription_required");
  EXPECT_EQ(Tell(SetAddOn("k1", 1)), "portal_subscription_required");
  EXPECT_EQ(Operations(), 0);
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_CHANGE_REFUSED", "portal_subscription_required"), 3);
  Subscribe();
  EXPECT_EQ(Tell(SetAddOn("k1", 1)), "active going on 1") << "the same key may try again";
}

TEST_F(SubscriptionChangeTest, APendingChangeRefusesEveryOther) {
  Subscribe();
  simulator_->Fault(Writes(), kResetAfter);
  EXPECT_EQ(Tell(Cancel("k1")), "request_in_progress");
  const std::string pending = Value("SELECT id FROM billing.request_idempotency WHERE status = 'pending'");
  const StatusOrChange others[] = {Cancel("k2"), Cancel("k3", CancelTiming::kNow), Resume("k4"), SetAddOn("k5", 1)};
  for (const StatusOrChange& other : others) {
    EXPECT_EQ(Tell(other), "request_in_progress");
    EXPECT_EQ(MetadataOf(other.status())["operation"], pending);
  }
  EXPECT_EQ(Operations(), 1);
  EXPECT_THAT(KeysOfUpdates(), SizeIs(1)) << "nobody else sent anything";
  EXPECT_THAT(Deletes(), IsEmpty());
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_CHANGE_REFUSED", "request_in_progress"), 5);
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(Cancel("k1")), "active ending 0");
  EXPECT_EQ(Tell(Resume("k4")), "active going on 0");
}

// Each change, each way to lose an answer: the same key finds out, and nothing is done twice.
class LostAnswerTest : public SubscriptionChangeTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(LostAnswerTest, ACancellationIsResolvedByItsKey) {
  Subscribe();
  simulator_->Fault(Writes(), GetParam());
  ASSERT_EQ(Tell(Cancel("k1")), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(Cancel("k1")), "active ending 0");
  EXPECT_EQ(Subscription()["cancel_at_period_end"], true);
}

TEST_P(LostAnswerTest, AnEndIsResolvedByItsKey) {
  Subscribe();
  simulator_->Fault(Writes("DELETE"), GetParam());
  ASSERT_EQ(Tell(Cancel("k1", CancelTiming::kNow)), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(Cancel("k1", CancelTiming::kNow)), "canceled going on 0");
  EXPECT_EQ(Subscription()["status"], "canceled");
}

TEST_P(LostAnswerTest, AnAddOnIsResolvedByItsKey) {
  Subscribe();
  simulator_->Fault(Writes(), GetParam());
  ASSERT_EQ(Tell(SetAddOn("k1", 3)), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(SetAddOn("k1", 3)), "active going on 3");
  EXPECT_THAT(AddOns(), ElementsAre(3));
}

INSTANTIATE_TEST_SUITE_P(Faults, LostAnswerTest,
                         ::testing::Values(kResetBefore, kResetAfter, "error_500_after", "error_429",
                                           "wrong_content_type", "error_409"),
                         [](const auto& fault) { return std::string(fault.param); });

TEST_F(SubscriptionChangeTest, AStored500ThatDidNothingIsARefusal) {
  Subscribe();
  simulator_->Fault(Writes(), "error_500_before");
  ASSERT_EQ(Tell(SetAddOn("k1", 3)), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(SetAddOn("k1", 3)), "checkout_provider_error");
  EXPECT_THAT(AddOns(), IsEmpty());
  EXPECT_EQ(Tell(SetAddOn("k2", 3)), "active going on 3");
}

TEST_F(SubscriptionChangeTest, PastTheDeadlineTheSubscriptionTellsWhatBecameOfIt) {
  Subscribe();
  simulator_->Fault(Writes(), kResetAfter);
  ASSERT_EQ(Tell(SetAddOn("done", 2)), "request_in_progress");
  simulator_->ClearFaults();
  MoveBothClocks(absl::Hours(24));
  EXPECT_EQ(Tell(SetAddOn("done", 2)), "active going on 2");

  simulator_->Fault(Writes(), kResetBefore);
  ASSERT_EQ(Tell(SetAddOn("lost", 7)), "request_in_progress");
  simulator_->ClearFaults();
  const size_t sent = Updates().size();
  database_.SetClockOffset(absl::Hours(48));
  simulator_->AdvanceClock(absl::Hours(24));
  EXPECT_EQ(Tell(SetAddOn("lost", 7)), "checkout_recovery_window_elapsed");
  EXPECT_EQ(Tell(SetAddOn("lost", 7)), "checkout_recovery_window_elapsed") << "recorded";
  EXPECT_EQ(OperationStatusOf("lost"), "expired checkout_recovery_window_elapsed");
  EXPECT_THAT(Updates(), SizeIs(sent)) << "never sent again";
  EXPECT_THAT(AddOns(), ElementsAre(2));
}

TEST_F(SubscriptionChangeTest, ADefiniteRejectionIsRecorded) {
  Subscribe();
  database_.Admin("UPDATE billing.plan_prices SET provider_price_id = 'price_unknown' WHERE component = 'add_on'");
  EXPECT_EQ(Tell(SetAddOn("k1", 1)), "checkout_provider_error");
  EXPECT_EQ(OperationStatusOf("k1"), "failed checkout_provider_error");
  EXPECT_EQ(Tell(SetAddOn("k1", 1)), "checkout_provider_error");
  EXPECT_THAT(Updates(), SizeIs(1));
  EXPECT_EQ(Tell(Cancel("k2")), "active ending 0") << "it stands in nobody's way";
}

// The provider ended it, and the projection doesn't know yet.
TEST_F(SubscriptionChangeTest, WhatHasEndedIsCancelledAndCannotBeResumed) {
  Subscribe();
  ASSERT_EQ(Tell(Cancel("k1", CancelTiming::kNow)), "canceled going on 0");
  EXPECT_EQ(Tell(Cancel("k2", CancelTiming::kNow)), "canceled going on 0");
  EXPECT_EQ(Tell(Cancel("k3")), "canceled going on 0");
  EXPECT_EQ(Tell(Resume("k4")), "checkout_provider_error");
  EXPECT_EQ(Tell(SetAddOn("k5", 1)), "checkout_provider_error");
}

TEST_F(SubscriptionChangeTest, AnAddOnIsSetRaisedAndRemoved) {
  Subscribe();
  EXPECT_EQ(Tell(SetAddOn("k1", 2)), "active going on 2");
  Project();
  EXPECT_EQ(Tell(SetAddOn("k2", 5)), "active going on 5");
  EXPECT_THAT(AddOns(), ElementsAre(5));
  Project();
  EXPECT_EQ(Tell(SetAddOn("k3", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
  EXPECT_EQ(Subscription()["items"]["data"].size(), 1u);
  Project();
  EXPECT_THAT(Updates(), SizeIs(3));
  EXPECT_EQ(Tell(SetAddOn("k4", 0)), "active going on 0");
  EXPECT_THAT(Updates(), SizeIs(3)) << "nothing to remove: the provider was asked, and nothing sent";
  EXPECT_EQ(Audits("BILLING_ADD_ON_SET"), 4);
  EXPECT_EQ(Value("SELECT DISTINCT plan_code || ' ' || plan_version FROM billing.request_idempotency WHERE action = "
                  "'set_add_on'"),
            "extra 1");
}

// Between a change and its event the projection is behind: a removal must not be taken for done.
TEST_F(SubscriptionChangeTest, AnAddOnIsChangedAgainBeforeItsEventCame) {
  Subscribe();
  MoveBothClocks(absl::Seconds(2));  // what we are answered is later than what is projected
  EXPECT_EQ(Tell(SetAddOn("k1", 2)), "active going on 2");
  EXPECT_EQ(Tell(SetAddOn("k2", 3)), "active going on 3");
  EXPECT_THAT(AddOns(), ElementsAre(3));
  EXPECT_EQ(Tell(SetAddOn("k3", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
  EXPECT_EQ(Tell(SetAddOn("k4", 0)), "active going on 0");
  EXPECT_THAT(Updates(), SizeIs(3)) << "each was one call, and the last none";
  EXPECT_EQ(Tell(SetAddOn("k5", 1)), "active going on 1");
  EXPECT_THAT(AddOns(), ElementsAre(1));
  EXPECT_EQ(Value("SELECT count(*) FROM billing.subscription_items"), "1") << "never projected here";
}

TEST_F(SubscriptionChangeTest, OnlyAddOnsOfTheCatalogInOurCurrencyAreSold) {
  Subscribe();
  EXPECT_EQ(Tell(SetAddOn("k1", 1, "nothing")), "checkout_plan_not_found");
  EXPECT_EQ(Tell(SetAddOn("k1", 1, "pro")), "checkout_plan_not_found") << "no add-on";
  database_.Admin("UPDATE billing.plan_prices SET currency = 'usd' WHERE component = 'add_on'");
  EXPECT_EQ(Tell(SetAddOn("k1", 1)), "checkout_configuration_invalid");
  EXPECT_EQ(Operations(), 0);
  EXPECT_THAT(Updates(), IsEmpty());
  EXPECT_EQ(Audits("BILLING_SUBSCRIPTION_CHANGE_REFUSED"), 3);
}

TEST_F(SubscriptionChangeTest, AnAddOnThatIsNotSoldAnyMoreCanBeRemoved) {
  Subscribe();
  ASSERT_TRUE(SetAddOn("k1", 2).ok());
  Project();
  database_.Admin("UPDATE billing.plans SET active = false WHERE code = 'extra'");
  database_.Admin("UPDATE billing.plan_prices SET active = false WHERE component = 'add_on'");
  EXPECT_EQ(Tell(SetAddOn("k2", 3)), "checkout_plan_not_found");
  EXPECT_EQ(Tell(SetAddOn("k3", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
}

TEST_F(SubscriptionChangeTest, ChangesNeedThePermissionToManage) {
  Subscribe();
  database_.Admin("INSERT INTO billing.entity_members (entity_id, subject, role) VALUES ($1, 'bob', 'member')",
                  {acme_});
  const auto bob = User("bob");
  const absl::Status refused[] = {
      service_->CancelSubscription(bob, Workspace("acme"), "k", {CancelTiming::kNow}).status(),
      service_->ResumeSubscription(bob, Workspace("acme"), "k", {}).status(),
      service_->SetAddOn(bob, Workspace("acme"), "k", {"extra", 1}).status(),
      service_->CreatePortalSession(bob, Workspace("acme"), "k", {"/back"}).status(),
      service_->CreatePaymentLink(bob, Workspace("acme"), "k", {.item_code = "x"}).status(),
      service_->CancelCheckout(bob, Workspace("acme"), "k", {"x"}).status(),
      service_->StartCheckout(bob, Workspace("acme"), "k", {"pro", "/", "/", 0}).status()};
  for (const absl::Status& status : refused) {
    EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_PERMISSION_DENIED) << status;
  }
  EXPECT_EQ(Operations(), 0);
}

TEST_F(SubscriptionChangeTest, ABuyerMayNotSetAnAmount) {
  PaymentLinkOrder order;
  order.ad_hoc = AdHocItem{"Cheap", 1, "eur"};
  EXPECT_EQ(ReasonOf(service_->CreatePaymentLink(User("alice"), Workspace("acme"), "k", order).status()),
            Reason::FAILURE_REASON_PERMISSION_DENIED);
  EXPECT_EQ(Operations(), 0);
}

TEST_F(SubscriptionChangeTest, RecoveryEndsAChangeWithoutItsClient) {
  Subscribe();
  simulator_->Fault(Writes(), kResetAfter);
  ASSERT_EQ(Tell(Cancel("k1")), "request_in_progress");
  simulator_->ClearFaults();
  const std::string operation = Value("SELECT id FROM billing.request_idempotency WHERE client_key = 'k1'");
  EXPECT_EQ(service_->RecoverOperation(User("alice"), operation)->status, OperationStatus::kPending)
      << "somebody has it";
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(service_->RecoverOperation(User("alice"), operation)->status, OperationStatus::kSucceeded);
  EXPECT_EQ(service_->RecoverOperation(User("alice"), operation)->status, OperationStatus::kSucceeded) << "left alone";
  EXPECT_EQ(Tell(Cancel("k1")), "active ending 0");
  EXPECT_EQ(ReasonOf(service_->RecoverOperation(User("alice"), database_.ids().NewId()).status()),
            Reason::FAILURE_REASON_NOT_FOUND);
  EXPECT_EQ(ReasonOf(service_->RecoverOperation(User("alice"), "nothing").status()), Reason::FAILURE_REASON_NOT_FOUND);
}

}  // namespace
}  // namespace billmesh::checkout
