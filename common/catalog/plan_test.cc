#include "common/catalog/plan.h"

#include <utility>

#include "gtest/gtest.h"

namespace billmesh::catalog {
namespace {

Price MakePrice(std::string id, std::string component, std::string usage, bool active,
                std::string provider = "stripe") {
  Price price;
  price.provider = std::move(provider);
  price.component = std::move(component);
  price.usage_type = std::move(usage);
  price.provider_price_id = std::move(id);
  price.active = active;
  return price;
}

Plan MakePlan(std::string code, std::string applies_to, bool is_default, bool active, std::vector<Price> prices = {}) {
  Plan plan;
  plan.code = std::move(code);
  plan.applies_to = std::move(applies_to);
  plan.is_default = is_default;
  plan.active = active;
  plan.prices = std::move(prices);
  return plan;
}

TEST(Catalog, FindsPlansByCodeAndPricesByProviderAndId) {
  std::vector<Plan> plans;
  plans.push_back(MakePlan("pro", "any", false, true, {MakePrice("price_1", "base", "licensed", true)}));
  plans.push_back(MakePlan("free", "any", true, true));
  // Withdrawn, and still found: old subscribers keep it.
  plans.push_back(MakePlan("old", "any", false, false, {MakePrice("price_0", "base", "licensed", false)}));
  const Catalog catalog(7, std::move(plans));
  EXPECT_EQ(catalog.revision(), 7);
  ASSERT_NE(catalog.FindPlan("pro"), nullptr);
  EXPECT_EQ(catalog.FindPlan("pro")->code, "pro");
  EXPECT_EQ(catalog.FindPlan("other"), nullptr);
  ASSERT_TRUE(catalog.FindPrice("stripe", "price_1").has_value());
  EXPECT_EQ(catalog.FindPrice("stripe", "price_1")->plan->code, "pro");
  EXPECT_EQ(catalog.FindPrice("stripe", "price_1")->price->provider_price_id, "price_1");
  EXPECT_EQ(catalog.FindPrice("stripe", "price_0")->plan->code, "old");
  EXPECT_FALSE(catalog.FindPrice("other", "price_1").has_value());
  EXPECT_FALSE(catalog.FindPrice("stripe", "price_2").has_value());
}

TEST(Catalog, TheDefaultPlanIsTheActiveOneAndOnlyForItsKindOfEntity) {
  std::vector<Plan> any;
  any.push_back(MakePlan("a", "any", true, false));
  any.push_back(MakePlan("b", "any", true, true));
  EXPECT_EQ(Catalog(1, std::move(any)).DefaultPlan("user")->code, "b");

  std::vector<Plan> workspace;
  workspace.push_back(MakePlan("w", "workspace", true, true));
  const Catalog catalog(1, std::move(workspace));
  EXPECT_EQ(catalog.DefaultPlan("workspace")->code, "w");
  EXPECT_EQ(catalog.DefaultPlan("user"), nullptr);
  EXPECT_EQ(Catalog().DefaultPlan("workspace"), nullptr);
}

TEST(Catalog, TheCorePriceIsTheActiveLicensedBasePriceOfTheProvider) {
  const Plan plan =
      MakePlan("p", "any", false, true,
               {MakePrice("m", "metered", "metered", true), MakePrice("off", "base", "licensed", false),
                MakePrice("x", "base", "licensed", true, "other"), MakePrice("on", "base", "licensed", true)});
  ASSERT_NE(CorePrice(plan, "stripe"), nullptr);
  EXPECT_EQ(CorePrice(plan, "stripe")->provider_price_id, "on");
  EXPECT_EQ(CorePrice(MakePlan("free", "any", true, true), "stripe"), nullptr);
}

}  // namespace
}  // namespace billmesh::catalog
