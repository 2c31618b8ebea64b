#include "services/checkout/plan_resolution.h"

#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

catalog::Price Price(const std::string& component, const std::string& usage_type = "licensed") {
  catalog::Price price;
  price.provider = "stripe";
  price.component = component;
  price.usage_type = usage_type;
  price.currency = "eur";
  price.provider_price_id = "price_" + component;
  return price;
}

catalog::Plan Plan() {
  catalog::Plan plan;
  plan.code = "pro-v3";
  plan.version = 3;
  plan.kind = "base";
  plan.applies_to = "any";
  plan.prices = {Price("base")};
  return plan;
}

PlanQuestion Question() {
  return {.plan_code = "pro-v3", .provider = "stripe", .currency = "eur", .entity_kind = "workspace"};
}

ResolvedPlan Sold(const catalog::Plan& plan, const PlanQuestion& question = Question()) {
  const auto result = ResolvePlan(&plan, question);
  EXPECT_TRUE(std::holds_alternative<ResolvedPlan>(result));
  return std::holds_alternative<ResolvedPlan>(result) ? std::get<ResolvedPlan>(result) : ResolvedPlan();
}

std::string RefusalOf(const catalog::Plan* plan, const PlanQuestion& question = Question()) {
  const auto result = ResolvePlan(plan, question);
  const auto* refusal = std::get_if<Refusal>(&result);
  return refusal == nullptr ? "sold" : CodeOf(refusal->reason);
}

TEST(ResolvePlanTest, SellsTheBasePriceOnce) {
  const ResolvedPlan sold = Sold(Plan());
  EXPECT_EQ(sold.code, "pro-v3");
  EXPECT_EQ(sold.version, 3);
  ASSERT_EQ(sold.items.size(), 1u);
  EXPECT_EQ(sold.items[0].price_id, "price_base");
  EXPECT_EQ(sold.items[0].quantity, 1);
}

TEST(ResolvePlanTest, SeatsMultiplyTheBaseWithinThePlansBounds) {
  catalog::Plan plan = Plan();
  plan.pricing_model = "per_seat";
  plan.seats_min = 2;
  plan.seats_max = 5;
  PlanQuestion question = Question();
  EXPECT_EQ(Sold(plan).items[0].quantity, 2);
  question.seats = 5;
  EXPECT_EQ(Sold(plan, question).items[0].quantity, 5);
  for (const int64_t seats : {1, 6, 1'000'000}) {
    question.seats = seats;
    EXPECT_EQ(RefusalOf(&plan, question), "invalid_argument") << seats;
  }
}

TEST(ResolvePlanTest, SeatsMultiplyASeatPriceWhereThePlanHasOne) {
  catalog::Plan plan = Plan();
  plan.seats_max = 10;
  plan.prices.push_back(Price("seat"));
  PlanQuestion question = Question();
  question.seats = 4;
  const ResolvedPlan sold = Sold(plan, question);
  ASSERT_EQ(sold.items.size(), 2u);
  EXPECT_EQ(sold.items[0].quantity, 1);
  EXPECT_EQ(sold.items[1].price_id, "price_seat");
  EXPECT_EQ(sold.items[1].quantity, 4);
}

TEST(ResolvePlanTest, MeteredPricesComeAlongWithoutQuantity) {
  catalog::Plan plan = Plan();
  plan.prices.push_back(Price("metered", "metered"));
  const ResolvedPlan sold = Sold(plan);
  ASSERT_EQ(sold.items.size(), 2u);
  EXPECT_EQ(sold.items[1].price_id, "price_metered");
  EXPECT_EQ(sold.items[1].quantity, std::nullopt);
}

TEST(ResolvePlanTest, TrialTaxAndPromotionCodesFollowThePlan) {
  catalog::Plan plan = Plan();
  plan.trial_days = 14;
  plan.automatic_tax = true;
  plan.allow_promotion_codes = true;
  const ResolvedPlan sold = Sold(plan);
  EXPECT_EQ(sold.trial_days, 14);
  EXPECT_TRUE(sold.automatic_tax);
  EXPECT_TRUE(sold.allow_promotion_codes);
}

TEST(ResolvePlanTest, WhatIsNotOnSaleHereIsNotFound) {
  EXPECT_EQ(RefusalOf(nullptr), "checkout_plan_not_found");
  catalog::Plan add_on = Plan();
  add_on.kind = "add_on";
  EXPECT_EQ(RefusalOf(&add_on), "checkout_plan_not_found");
  catalog::Plan withdrawn = Plan();
  withdrawn.active = false;
  EXPECT_EQ(RefusalOf(&withdrawn), "checkout_plan_not_found");
  catalog::Plan for_users = Plan();
  for_users.applies_to = "user";
  EXPECT_EQ(RefusalOf(&for_users), "checkout_plan_not_found");
  catalog::Plan free = Plan();
  free.is_default = true;
  free.prices.clear();
  EXPECT_EQ(RefusalOf(&free), "checkout_plan_not_found");
}

TEST(ResolvePlanTest, AnAdmittedOperationKeepsAPlanThatWasWithdrawnSince) {
  catalog::Plan withdrawn = Plan();
  withdrawn.active = false;
  PlanQuestion question = Question();
  question.admitted = true;
  EXPECT_EQ(RefusalOf(&withdrawn, question), "sold");
}

TEST(ResolvePlanTest, AnythingButOneBasePriceInOurCurrencyFailsClosed) {
  const auto refusal = [](auto change) {
    catalog::Plan plan = Plan();
    change(plan);
    return RefusalOf(&plan);
  };
  const std::string invalid = "checkout_configuration_invalid";
  EXPECT_EQ(refusal([](auto& p) { p.prices.clear(); }), invalid);
  EXPECT_EQ(refusal([](auto& p) { p.prices[0].active = false; }), invalid);
  EXPECT_EQ(refusal([](auto& p) { p.prices[0].provider = "other"; }), invalid);
  EXPECT_EQ(refusal([](auto& p) { p.prices[0].currency = "usd"; }), invalid);
  EXPECT_EQ(refusal([](auto& p) { p.prices[0].usage_type = "metered"; }), invalid);
  EXPECT_EQ(refusal([](auto& p) { p.prices.push_back(Price("base")); }), invalid);
  EXPECT_EQ(refusal([](auto& p) {
              p.prices.push_back(Price("metered", "metered"));
              p.prices[1].currency = "usd";
            }),
            invalid);
  EXPECT_EQ(refusal([](auto& p) {
              p.prices.push_back(Price("seat"));
              p.prices.push_back(Price("seat"));
            }),
            invalid);
  // An inactive one beside it is history, not ambiguity.
  EXPECT_EQ(refusal([](auto& p) {
              p.prices.push_back(Price("base"));
              p.prices[1].active = false;
              p.prices[1].currency = "usd";
            }),
            "sold");
}

}  // namespace
}  // namespace billmesh::checkout
