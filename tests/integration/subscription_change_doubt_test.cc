// Changes of a subscription that other hands change too: what is answered is so at the provider, and what was done
// isn't recorded as refused (PRT-3, PRT-4).
#include <optional>

#include "services/checkout/idempotency_store.h"
#include "services/checkout/step_store.h"
#include "tests/integration/subscription_change_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SubscriptionDoubtTest : public SubscriptionChangeTest {
 protected:
  void AddByOtherHands(int64_t quantity) {
    ByOtherHands(absl::StrCat("items%5B0%5D%5Bprice%5D=", AddOnPrice(), "&items%5B0%5D%5Bquantity%5D=", quantity));
  }
  // What the action says once more after the operation's call of this ordinal was taken, and answered at this time.
  Progress Continued(const std::string& key, int64_t ordinal, std::optional<absl::Time> date) {
    return Continued(key, ordinal, date, Subscription());
  }
  Progress Continued(const std::string& key, int64_t ordinal, std::optional<absl::Time> date, const json& answered) {
    const std::string id =
        database_.Value("SELECT o.id FROM billing.request_idempotency o WHERE o.client_key = $1", {key});
    const std::string object = answered.dump();
    Progress progress;
    const absl::Status told = pool_->Run(db::Scope::Tenant(acme_), [&](db::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(const LockedEntity entity, LockAndReadEntity(tx, acme_, "test"));
      ASSIGN_OR_RETURN(const auto operation, LockOperation(tx, id));
      ASSIGN_OR_RETURN(const auto step, LastStepOf(tx, id));
      StepDone done{*step, subscription_, object, date};
      done.step.ordinal = ordinal;
      const provider::Provenance provenance;
      const ActionContext context{tx, entity, absl::FromUnixSeconds(1790000000), provenance};
      ASSIGN_OR_RETURN(progress, actions_->set_add_on.Advance(context, *operation, &done));
      return absl::OkStatus();
    });
    EXPECT_TRUE(told.ok()) << told;
    return progress;
  }
  void RemoveByOtherHands() {
    ByOtherHands(absl::StrCat("items%5B0%5D%5Bid%5D=", AddOnItem(), "&items%5B0%5D%5Bdeleted%5D=true"));
  }
};

TEST_F(SubscriptionDoubtTest, ARemovalFindsWhatOtherHandsHaveAdded) {
  Subscribe();
  AddByOtherHands(2);
  EXPECT_EQ(Tell(SetAddOn("k1", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty()) << "the customer would go on paying";
  EXPECT_EQ(Audits("BILLING_ADD_ON_SET"), 1);
  EXPECT_EQ(Value("SELECT count(*) FROM billing.provider_steps WHERE purpose IN ('update_subscription', "
                  "'read_subscription') AND outcome = "
                  "'succeeded'"),
            "2")
      << "one that asks, one that removes";
}

TEST_F(SubscriptionDoubtTest, ARemovalFindsWhatTookTheKnownItemsPlace) {
  Subscribe();
  MoveBothClocks(absl::Seconds(2));
  ASSERT_EQ(Tell(SetAddOn("k1", 2)), "active going on 2");
  RemoveByOtherHands();
  AddByOtherHands(4);
  EXPECT_EQ(Tell(SetAddOn("k2", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
}

// Each way to lose an answer: to the question (the first call), and to the removal (the second).
struct LostCall {
  const char* fault;
  int nth;  // 0: whatever is sent (a broken connection makes the client send once more)
};

class LostRemovalTest : public SubscriptionDoubtTest, public ::testing::WithParamInterface<LostCall> {};

TEST_P(LostRemovalTest, ClaimsNothingAndIsFinishedByItsKey) {
  Subscribe();
  AddByOtherHands(2);
  json match = Writes();
  if (GetParam().nth > 0) match["nth"] = GetParam().nth;
  simulator_->Fault(match, GetParam().fault);
  EXPECT_EQ(Tell(SetAddOn("k1", 0)), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(SetAddOn("k1", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Faults, LostRemovalTest,
                         ::testing::Values(LostCall{kResetBefore, 0}, LostCall{kResetAfter, 0},
                                           LostCall{"error_500_after", 1}, LostCall{"error_429", 1}, LostCall{kDone, 1},
                                           LostCall{kLost, 1}),
                         [](const auto& lost) { return absl::StrCat(lost.param.fault, lost.param.nth); });

TEST_F(SubscriptionDoubtTest, WhereTheProviderCantBeAskedNothingIsClaimed) {
  Subscribe();
  AddByOtherHands(2);
  simulator_->Fault({{"method", "GET"}, {"path_prefix", "/v1/subscriptions/"}}, "error_429");
  EXPECT_EQ(Tell(SetAddOn("k1", 0)), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(SetAddOn("k1", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
  // One POST, under the second step's key: the question was none. (The other has no key: it is the other hands'.)
  EXPECT_THAT(KeysOfUpdates(), SizeIs(2));
}

TEST_F(SubscriptionDoubtTest, ARemovalOfWhatHasEndedIsDone) {
  Subscribe();
  AddByOtherHands(2);
  ASSERT_EQ(Tell(Cancel("k1", CancelTiming::kNow)), "canceled going on 0");
  EXPECT_EQ(Tell(SetAddOn("k2", 0)), "canceled going on 0") << "nobody pays for it";
}

// The first sending did it, then somebody changed it again, then the provider repeats its 500.
TEST_F(SubscriptionDoubtTest, WhatWasDoneIsNotRefusedBecauseItWasChangedAfterwards) {
  Subscribe();
  simulator_->Fault(Writes(), "error_500_after");
  ASSERT_EQ(Tell(SetAddOn("k1", 5)), "request_in_progress");
  simulator_->ClearFaults();
  ASSERT_THAT(AddOns(), ElementsAre(5));
  ByOtherHands(absl::StrCat("items%5B0%5D%5Bid%5D=", AddOnItem(), "&items%5B0%5D%5Bquantity%5D=3"));
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(SetAddOn("k1", 5)), "active going on 3");
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
  EXPECT_THAT(AddOns(), ElementsAre(3)) << "the later change stays";
}

TEST_F(SubscriptionDoubtTest, ACancellationThatWasTakenBackWasDone) {
  Subscribe();
  simulator_->Fault(Writes(), "error_500_after");
  ASSERT_EQ(Tell(Cancel("k1")), "request_in_progress");
  simulator_->ClearFaults();
  ByOtherHands("cancel_at_period_end=false");
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(Cancel("k1")), "active going on 0") << "as the provider has it now";
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
}

TEST_F(SubscriptionDoubtTest, AChangesMarkLeavesThePurchasesMetadataAlone) {
  Subscribe();
  const json before = Subscription()["metadata"];
  ASSERT_TRUE(before.contains("billmesh_operation_key")) << before;
  ASSERT_TRUE(Cancel("k1").ok());
  json after = Subscription()["metadata"];
  EXPECT_EQ(after["billmesh_change"], Value("SELECT provider_idempotency_key FROM billing.provider_steps WHERE purpose "
                                            "IN ('update_subscription', 'read_subscription')"));
  after.erase("billmesh_change");
  EXPECT_EQ(after, before);
}

// The provider's times are whole seconds: which of two words of one second is the later nobody can tell.
TEST_F(SubscriptionDoubtTest, TwoWordsOfOneSecondAreDecidedByTheProvider) {
  Subscribe();
  ASSERT_EQ(Tell(SetAddOn("k1", 2)), "active going on 2");
  RemoveByOtherHands();
  AddByOtherHands(4);
  Project();
  database_.Admin(R"sql(
    UPDATE billing.subscriptions SET provider_updated_at = (
      SELECT to_timestamp((o.response::jsonb->'add_on'->>'as_of')::bigint) FROM billing.request_idempotency o
      WHERE o.client_key = 'k1')
  )sql");
  EXPECT_EQ(Tell(SetAddOn("k2", 3)), "active going on 3");
  EXPECT_THAT(AddOns(), ElementsAre(3));
}

TEST_F(SubscriptionDoubtTest, AnAnswerWithoutADateIsNoWordOnTheItems) {
  Subscribe();
  ASSERT_EQ(Tell(SetAddOn("k1", 2)), "active going on 2");
  const auto response = [&](std::optional<absl::Time> date) {
    return json::parse(std::get<Succeeded>(Continued("k1", 1, date)).response);
  };
  EXPECT_EQ(response(absl::FromUnixSeconds(1780000000))["add_on"]["as_of"], 1780000000);
  EXPECT_FALSE(response(std::nullopt).contains("add_on")) << "not dated by our clock";
  EXPECT_EQ(response(std::nullopt)["quantity"], 2);
}

// The transaction that settled the first call is run again: its COMMIT got no reply, and it was done.
TEST_F(SubscriptionDoubtTest, TheSecondCallIsFrozenOnce) {
  Subscribe();
  AddByOtherHands(2);
  ASSERT_EQ(Tell(SetAddOn("k1", 0)), "active going on 0");
  const Progress again = Continued("k1", 1, std::nullopt);
  ASSERT_TRUE(std::holds_alternative<NextStep>(again));
  EXPECT_EQ(std::get<NextStep>(again).step.ordinal, 2);
  EXPECT_FALSE(std::get<NextStep>(again).fresh) << "it may have been sent";
  EXPECT_EQ(
      Value(
          "SELECT count(*) FROM billing.provider_steps WHERE purpose IN ('update_subscription', 'read_subscription')"),
      "2");
}

TEST_F(SubscriptionDoubtTest, WhatIsNotShownIsNotSaidToBeRemoved) {
  Subscribe();
  ASSERT_EQ(Tell(SetAddOn("k1", 0)), "active going on 0");
  json partial = Subscription();
  partial["items"]["has_more"] = true;
  const Progress told = Continued("k1", 1, std::nullopt, partial);
  ASSERT_TRUE(std::holds_alternative<Refusal>(told));
  EXPECT_EQ(std::get<Refusal>(told).reason, Reason::FAILURE_REASON_CHECKOUT_PROVIDER_ERROR);
}

TEST_F(SubscriptionDoubtTest, AnAddOnThatDoesNotApplyAnyMoreCanBeRemoved) {
  Subscribe();
  ASSERT_TRUE(SetAddOn("k1", 2).ok());
  database_.Admin("UPDATE billing.plans SET applies_to = 'user' WHERE code = 'extra'");
  EXPECT_EQ(Tell(SetAddOn("k2", 3)), "checkout_plan_not_found");
  EXPECT_EQ(Tell(SetAddOn("k3", 0)), "active going on 0");
  EXPECT_THAT(AddOns(), IsEmpty());
}

TEST_F(SubscriptionDoubtTest, AResumptionTakesAnEndOnADateBackToo) {
  Subscribe();
  const int64_t end = Subscription()["items"]["data"][0]["current_period_end"];
  ByOtherHands(absl::StrCat("cancel_at=", end - 3600));
  ASSERT_FALSE(Subscription()["cancel_at"].is_null());
  EXPECT_EQ(Tell(Resume("k1")), "active going on 0");
  EXPECT_TRUE(Subscription()["cancel_at"].is_null());
  EXPECT_EQ(Subscription()["cancel_at_period_end"], false);
}

TEST_F(SubscriptionDoubtTest, WhatStillEndsOnADateIsNotSaidToGoOn) {
  Subscribe();
  const int64_t end = Subscription()["items"]["data"][0]["current_period_end"];
  ByOtherHands(absl::StrCat("cancel_at=", end - 3600));
  json second = Writes();
  second["nth"] = 2;
  simulator_->Fault(second, "error_500_before");
  ASSERT_EQ(Tell(Resume("k1")), "request_in_progress");
  simulator_->ClearFaults();
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Tell(Resume("k1")), "checkout_provider_error");
  EXPECT_FALSE(Subscription()["cancel_at"].is_null());
}

// The database's own guard, whatever the actions look at first.
TEST_F(SubscriptionDoubtTest, TheDatabaseAdmitsOnePendingChangeOfAnEntity) {
  Subscribe();
  simulator_->Fault(Writes(), kResetAfter);
  ASSERT_EQ(Tell(Cancel("k1")), "request_in_progress");
  simulator_->ClearFaults();
  database_.AdminScript(R"sql(
    CREATE FUNCTION public.insert_change(action text, status text, entity uuid) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
      violated text;
    BEGIN
      INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
        operation_key, actor, status, failure_code, completed_at, provider)
      VALUES (gen_random_uuid(), 'test', entity, action, gen_random_uuid()::text, 'f', '{}', gen_random_uuid()::text,
        'user:alice', status, CASE WHEN status = 'failed' THEN 'x' END,
        CASE WHEN status = 'failed' THEN billing.now() END, 'stripe');
      RETURN 'inserted';
    EXCEPTION WHEN unique_violation THEN
      GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
      RETURN violated;
    END $$;
  )sql");
  const auto insert = [&](const std::string& action, const std::string& status, const std::string& entity) {
    return database_.Value("SELECT public.insert_change($1, $2, $3)", {action, status, entity});
  };
  constexpr char kIndex[] = "request_idempotency_one_pending_change_key";
  EXPECT_EQ(insert(kCancelSubscriptionAction, "pending", acme_), kIndex);
  EXPECT_EQ(insert(kResumeSubscriptionAction, "pending", acme_), kIndex);
  EXPECT_EQ(insert(kSetAddOnAction, "pending", acme_), kIndex);
  EXPECT_EQ(insert(kSetAddOnAction, "failed", acme_), "inserted") << "one that has ended";
  EXPECT_EQ(insert("portal", "pending", acme_), "inserted") << "another action";
  EXPECT_EQ(insert(kSetAddOnAction, "pending", database_.AddWorkspace("other")), "inserted") << "another entity";
}

}  // namespace
}  // namespace billmesh::checkout
