#include "services/checkout/add_on_rules.h"

#include "common/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kProjected = absl::FromUnixSeconds(1790000000);

catalog::Price Price(const std::string& id, bool active = true) {
  catalog::Price price;
  price.provider = "stripe";
  price.component = "add_on";
  price.usage_type = "licensed";
  price.currency = "eur";
  price.provider_price_id = id;
  price.active = active;
  return price;
}

catalog::Plan Plan() {
  catalog::Plan plan;
  plan.code = "extra";
  plan.version = 2;
  plan.kind = "add_on";
  plan.applies_to = "workspace";
  plan.prices = {Price("price_new"), Price("price_old", false)};
  return plan;
}

AddOnQuestion Question(int64_t quantity = 1) {
  return {
      .plan_code = "extra", .provider = "stripe", .currency = "eur", .entity_kind = "workspace", .quantity = quantity};
}

// The price that is sold; "(none)" where none is needed, or the refusal with its reason.
std::string Resolved(const catalog::Plan& plan, const AddOnQuestion& question = Question()) {
  const auto result = ResolveAddOn(&plan, question);
  if (const auto* refusal = std::get_if<Refusal>(&result)) {
    const auto why = refusal->metadata.find("why");
    return CodeOf(refusal->reason) + (why == refusal->metadata.end() ? "" : ": " + why->second);
  }
  const auto& add_on = std::get<ResolvedAddOn>(result);
  EXPECT_EQ(add_on.code, "extra");
  EXPECT_EQ(add_on.version, 2);
  return add_on.price_id.empty() ? "(none)" : add_on.price_id;
}

TEST(ResolveAddOnTest, SellsTheOneActivePrice) { EXPECT_EQ(Resolved(Plan()), "price_new"); }

TEST(ResolveAddOnTest, OnlyAddOnsThatAreOnSaleForThisKindOfEntity) {
  const auto none = ResolveAddOn(nullptr, Question());
  EXPECT_EQ(std::get<Refusal>(none).reason, Reason::FAILURE_REASON_CHECKOUT_PLAN_NOT_FOUND);
  catalog::Plan plan = Plan();
  plan.kind = "base";
  EXPECT_EQ(Resolved(plan), "checkout_plan_not_found");
  plan = Plan();
  plan.active = false;
  EXPECT_EQ(Resolved(plan), "checkout_plan_not_found");
  plan = Plan();
  plan.applies_to = "user";
  EXPECT_EQ(Resolved(plan), "checkout_plan_not_found");
  plan.applies_to = "any";
  EXPECT_EQ(Resolved(plan), "price_new");
}

TEST(ResolveAddOnTest, AnythingButOnePriceInOurCurrencyIsMisconfigured) {
  catalog::Plan plan = Plan();
  plan.prices.push_back(Price("price_second"));
  EXPECT_EQ(Resolved(plan), "checkout_configuration_invalid: several active add-on prices");
  plan.prices = {Price("price_old", false)};
  EXPECT_EQ(Resolved(plan), "checkout_configuration_invalid: no active licensed add-on price");
  plan.prices = {Price("price_metered")};
  plan.prices[0].usage_type = "metered";
  EXPECT_EQ(Resolved(plan), "checkout_configuration_invalid: no active licensed add-on price");
  plan.prices = {Price("price_elsewhere")};
  plan.prices[0].provider = "other";
  EXPECT_EQ(Resolved(plan), "checkout_configuration_invalid: no active licensed add-on price");
  plan.prices = {Price("price_usd")};
  plan.prices[0].currency = "usd";
  EXPECT_EQ(Resolved(plan), "checkout_configuration_invalid: a price is in another currency than BILLING_CURRENCY");
}

TEST(ResolveAddOnTest, WhatIsRemovedNeedNotBeOnSale) {
  catalog::Plan plan = Plan();
  plan.active = false;
  plan.prices = {};
  EXPECT_EQ(Resolved(plan, Question(0)), "(none)");
  plan.applies_to = "user";
  EXPECT_EQ(Resolved(plan, Question(0)), "(none)") << "nor be for them any more";
  plan.kind = "base";
  EXPECT_EQ(Resolved(plan, Question(0)), "checkout_plan_not_found");
}

CurrentSubscription Projected() {
  return {"sub_1", "active", false, kProjected, {{"si_base", "price_base", 1}, {"si_old", "price_old", 4}}};
}

TEST(ItemsOfAddOnTest, FindsTheItemsOfAnyPriceOfThePlan) {
  const AddOnItems items = *ItemsOfAddOn(Plan(), "stripe", Projected(), std::nullopt);
  EXPECT_EQ(items.subscription_id, "sub_1");
  EXPECT_EQ(items.as_of, kProjected);
  EXPECT_THAT(items.item_ids, ElementsAre("si_old"));
  EXPECT_THAT(ItemsOfAddOn(Plan(), "other", Projected(), std::nullopt)->item_ids, IsEmpty());
}

TEST(ItemsOfAddOnTest, OurOwnLaterChangeIsKnownBeforeItsEvent) {
  const auto items = [](const AddOnItems& last) { return ItemsOfAddOn(Plan(), "stripe", Projected(), last)->item_ids; };
  const absl::Time later = kProjected + absl::Seconds(1);
  EXPECT_THAT(items({"sub_1", {"si_new"}, later}), ElementsAre("si_new"));
  EXPECT_THAT(items({"sub_1", {}, later}), IsEmpty()) << "removed";
  EXPECT_THAT(items({"sub_1", {"si_new"}, kProjected - absl::Seconds(1)}), ElementsAre("si_old"));
  EXPECT_THAT(items({"sub_before", {"si_new"}, later}), ElementsAre("si_old")) << "of another subscription";
}

TEST(ItemsOfAddOnTest, TwoWordsOfOneSecondMustAgree) {
  EXPECT_EQ(ItemsOfAddOn(Plan(), "stripe", Projected(), AddOnItems{"sub_1", {"si_new"}, kProjected}), std::nullopt);
  EXPECT_EQ(ItemsOfAddOn(Plan(), "stripe", Projected(), AddOnItems{"sub_1", {}, kProjected}), std::nullopt);
  const auto agreed = ItemsOfAddOn(Plan(), "stripe", Projected(), AddOnItems{"sub_1", {"si_old"}, kProjected});
  ASSERT_TRUE(agreed.has_value());
  EXPECT_THAT(agreed->item_ids, ElementsAre("si_old"));
}

// "item quantity" or "+price quantity" of each change.
std::vector<std::string> Changes(const std::vector<std::string>& items, int64_t quantity) {
  std::vector<std::string> out;
  for (const auto& change : AddOnChanges(items, "price_new", quantity)) {
    const std::string what = change.item_id.empty() ? "+" + change.price_id : change.item_id;
    out.push_back(what + " " + std::to_string(change.quantity));
  }
  return out;
}

TEST(AddOnChangesTest, SetsRaisesAndRemoves) {
  EXPECT_THAT(Changes({}, 0), IsEmpty());
  EXPECT_THAT(Changes({}, 3), ElementsAre("+price_new 3"));
  EXPECT_THAT(Changes({"si_1"}, 5), ElementsAre("si_1 5"));
  EXPECT_THAT(Changes({"si_1"}, 0), ElementsAre("si_1 0"));
  EXPECT_THAT(Changes({"si_1", "si_2"}, 5), ElementsAre("si_1 5", "si_2 0"));
}

provider::Subscription Retrieved(const std::string& status = "active") {
  provider::Subscription subscription;
  subscription.id = "sub_1";
  subscription.status = status;
  subscription.items = {{"si_base", "price_base", 1, {}, {}}, {"si_1", "price_new", 5, {}, {}}};
  return subscription;
}

provider::SubscriptionUpdateSpec Items(std::vector<provider::SubscriptionItemChange> items) {
  return {.subscription_id = "sub_1", .items = std::move(items)};
}

TEST(HasChangeTest, ReadsTheFlagAsItWasFrozen) {
  const struct {
    bool frozen;
    bool flag;
    const char* status;
    bool expected;
  } cases[] = {
      {true, true, "active", true},
      {true, false, "active", false},
      {false, false, "active", true},
      {false, true, "active", false},
      {true, false, "canceled", true},
      {true, true, "canceled", true},
      {false, false, "canceled", false},
      {false, true, "canceled", false},
      {true, false, "incomplete_expired", true},
      {false, false, "incomplete_expired", false},
      {true, true, "past_due", true},
      {false, false, "trialing", true},
  };
  for (const auto& c : cases) {
    provider::Subscription subscription = Retrieved(c.status);
    subscription.cancel_at_period_end = c.flag;
    EXPECT_EQ(*HasChange({.subscription_id = "sub_1", .cancel_at_period_end = c.frozen}, subscription), c.expected)
        << c.frozen << c.flag << c.status;
  }
}

TEST(HasChangeTest, ReadsTheQuantitiesAsTheyWereFrozen) {
  EXPECT_TRUE(*HasChange(Items({{.item_id = "si_1", .quantity = 5}}), Retrieved()));
  EXPECT_FALSE(*HasChange(Items({{.item_id = "si_1", .quantity = 6}}), Retrieved()));
  EXPECT_FALSE(*HasChange(Items({{.item_id = "si_1"}}), Retrieved())) << "still there";
  EXPECT_TRUE(*HasChange(Items({{.item_id = "si_gone"}}), Retrieved()));
  EXPECT_FALSE(*HasChange(Items({{.item_id = "si_gone", .quantity = 1}}), Retrieved()));
  EXPECT_TRUE(*HasChange(Items({{.price_id = "price_new", .quantity = 5}}), Retrieved()));
  EXPECT_FALSE(*HasChange(Items({{.price_id = "price_new", .quantity = 4}}), Retrieved()));
  EXPECT_FALSE(*HasChange(Items({{.price_id = "price_x", .quantity = 1}}), Retrieved()));
  EXPECT_FALSE(*HasChange(Items({{.item_id = "si_1", .quantity = 5}, {.item_id = "si_base"}}), Retrieved()))
      << "half of it";
}

TEST(HasChangeTest, WhatIsNotShownIsNotKnown) {
  provider::Subscription subscription = Retrieved();
  subscription.items_complete = false;
  EXPECT_FALSE(HasChange(Items({{.item_id = "si_gone"}}), subscription).ok());
  EXPECT_TRUE(*HasChange(Items({{.item_id = "si_1", .quantity = 5}}), subscription));
}

TEST(HasChangeTest, ReadsThatAnEndOnADateIsGone) {
  const provider::SubscriptionUpdateSpec change{.subscription_id = "sub_1", .clear_cancel_at = true};
  provider::Subscription subscription = Retrieved();
  EXPECT_TRUE(*HasChange(change, subscription));
  EXPECT_FALSE(EndsOnDate(subscription));
  subscription.cancel_at = kProjected;
  EXPECT_FALSE(*HasChange(change, subscription));
  EXPECT_TRUE(EndsOnDate(subscription));
  subscription.cancel_at_period_end = true;
  EXPECT_FALSE(EndsOnDate(subscription)) << "with its period";
  EXPECT_FALSE(*HasChange(change, Retrieved("canceled"))) << "what has ended can't be resumed";
  subscription = Retrieved("canceled");
  subscription.cancel_at = kProjected;
  EXPECT_FALSE(EndsOnDate(subscription)) << "it has ended";
}

TEST(HasChangeTest, AQuestionHasAlwaysBeenAnswered) {
  EXPECT_TRUE(*HasChange(Items({}), Retrieved()));
  EXPECT_TRUE(*HasChange(Items({}), Retrieved("canceled")));
}

TEST(ReadAddOnTest, SumsTheItemsOfThePlanWhoeverPutThemThere) {
  provider::Subscription subscription = Retrieved();
  subscription.items.push_back({"si_2", "price_old", 2, {}, {}});
  const auto now = ReadAddOn(Plan(), "stripe", subscription);
  ASSERT_TRUE(now.has_value());
  EXPECT_EQ(now->quantity, 7);
  EXPECT_THAT(now->item_ids, ElementsAre("si_1", "si_2"));
  subscription.items_complete = false;
  EXPECT_FALSE(ReadAddOn(Plan(), "stripe", subscription).has_value());
  subscription.status = "canceled";
  EXPECT_EQ(ReadAddOn(Plan(), "stripe", subscription)->quantity, 0) << "nobody pays for it";
}

}  // namespace
}  // namespace billmesh::checkout
