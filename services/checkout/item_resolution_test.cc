#include "services/checkout/item_resolution.h"

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

constexpr ItemQuestion kQuestion{.provider = "stripe", .currency = "eur", .entity_kind = "workspace"};

catalog::OneOffItem Credits() {
  catalog::OneOffItem item;
  item.code = "credits";
  item.applies_to = "any";
  item.provider = "stripe";
  item.provider_price_id = "price_1";
  item.currency = "eur";
  item.unit_amount_minor = 500;
  return item;
}

std::string RefusalOf(const PaymentLinkOrder& order, const catalog::OneOffItem* item,
                      const ItemQuestion& question = kQuestion) {
  const auto result = ResolveItem(order, item, question);
  const auto* refusal = std::get_if<Refusal>(&result);
  return refusal == nullptr ? "sold" : CodeOf(refusal->reason);
}

TEST(ResolveItemTest, SellsAnItemByItsPrice) {
  const catalog::OneOffItem item = Credits();
  const auto result = ResolveItem({.item_code = "credits", .quantity = 3}, &item, kQuestion);
  const auto* line = std::get_if<provider::OneOffLine>(&result);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->price_id, "price_1");
  EXPECT_EQ(line->quantity, 3);
  EXPECT_EQ(line->name, "");
  EXPECT_EQ(line->unit_amount_minor, 0);
}

TEST(ResolveItemTest, SellsAnAmountOfTheCallersOwn) {
  const auto result = ResolveItem({.ad_hoc = AdHocItem{"Setup", 5000, "eur"}}, nullptr, kQuestion);
  const auto* line = std::get_if<provider::OneOffLine>(&result);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->price_id, "");
  EXPECT_EQ(line->name, "Setup");
  EXPECT_EQ(line->currency, "eur");
  EXPECT_EQ(line->unit_amount_minor, 5000);
  EXPECT_EQ(line->quantity, 1);
}

TEST(ResolveItemTest, WhatIsNotOnSaleHereIsNotFound) {
  const PaymentLinkOrder order{.item_code = "credits"};
  EXPECT_EQ(RefusalOf(order, nullptr), "checkout_plan_not_found");
  catalog::OneOffItem item = Credits();
  item.applies_to = "user";
  EXPECT_EQ(RefusalOf(order, &item), "checkout_plan_not_found");
  item.applies_to = "workspace";
  EXPECT_EQ(RefusalOf(order, &item), "sold");
  item.active = false;
  EXPECT_EQ(RefusalOf(order, &item), "checkout_plan_not_found");
  ItemQuestion admitted = kQuestion;
  admitted.admitted = true;
  EXPECT_EQ(RefusalOf(order, &item, admitted), "sold");
}

TEST(ResolveItemTest, FailsClosedWhereTheConfigurationIsWrong) {
  const PaymentLinkOrder order{.item_code = "credits"};
  const auto refused = [&](auto change) {
    catalog::OneOffItem item = Credits();
    change(item);
    return RefusalOf(order, &item);
  };
  EXPECT_EQ(refused([](auto& i) { i.currency = "usd"; }), "checkout_configuration_invalid");
  EXPECT_EQ(refused([](auto& i) { i.provider = "other"; }), "checkout_configuration_invalid");
  EXPECT_EQ(refused([](auto& i) { i.invalid_grants = {"seats"}; }), "checkout_configuration_invalid");
  EXPECT_EQ(RefusalOf({.ad_hoc = AdHocItem{"Setup", 5000, "usd"}}, nullptr), "invalid_argument");
}

TEST(ResolveItemTest, TheTotalIsBounded) {
  catalog::OneOffItem item = Credits();
  item.unit_amount_minor = 99'999;
  EXPECT_EQ(RefusalOf({.item_code = "credits", .quantity = 1000}, &item), "sold");
  item.unit_amount_minor = 100'000;
  EXPECT_EQ(RefusalOf({.item_code = "credits", .quantity = 1000}, &item), "invalid_argument");
}

}  // namespace
}  // namespace billmesh::checkout
