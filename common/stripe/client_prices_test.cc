#include "common/stripe/client_prices.h"

#include "common/status/status.h"
#include "common/stripe/client_endpoints.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::stripe {
namespace {

constexpr char kPrice[] =
    R"({"id":"price_1","object":"price","active":true,"billing_scheme":"per_unit","currency":"usd",
  "lookup_key":"pro-v1.base","product":"prod_1","recurring":{"interval":"month","interval_count":3,"meter":null,
  "usage_type":"licensed"},"tiers_mode":null,"transform_quantity":null,"type":"recurring","unit_amount":2900,
  "unit_amount_decimal":"2900"})";

provider::PriceSpec Spec() {
  return {.lookup_key = "pro-v1.base",
          .nickname = "Pro",
          .currency = "usd",
          .unit_amount_minor = 2900,
          .interval = "month",
          .interval_count = 1,
          .product_name = "Pro",
          .metadata = {{"billmesh_plan_code", "pro-v1"}}};
}

TEST(StripePriceFormatTest, ReadsAPrice) {
  const auto price = StripePriceFormat().ReadPrice(kPrice);
  ASSERT_TRUE(price.ok()) << price.status();
  EXPECT_EQ(price->id, "price_1");
  EXPECT_EQ(price->product_id, "prod_1");
  EXPECT_EQ(price->lookup_key, "pro-v1.base");
  EXPECT_TRUE(price->active);
  EXPECT_TRUE(price->recurring);
  EXPECT_EQ(price->unit_amount_minor, 2900);
  EXPECT_EQ(price->interval, "month");
  EXPECT_EQ(price->interval_count, 3);
  EXPECT_EQ(price->usage_type, "licensed");
}

TEST(StripePriceFormatTest, ReadsExpandedProductsAndOneTimePrices) {
  nlohmann::json object = nlohmann::json::parse(kPrice);
  object["product"] = {{"id", "prod_9"}, {"object", "product"}};
  object["recurring"] = nullptr;
  const auto price = StripePriceFormat().ReadPrice(object.dump());
  ASSERT_TRUE(price.ok()) << price.status();
  EXPECT_EQ(price->product_id, "prod_9");
  EXPECT_FALSE(price->recurring);
  EXPECT_EQ(price->interval, "");
}

TEST(StripePriceFormatTest, AmountsThatAreNotOneWholeAmountAUnitAreNone) {
  nlohmann::json tiered = nlohmann::json::parse(kPrice);
  tiered["unit_amount"] = nullptr;
  EXPECT_EQ(StripePriceFormat().ReadPrice(tiered.dump())->unit_amount_minor, std::nullopt);
  nlohmann::json packaged = nlohmann::json::parse(kPrice);
  packaged["transform_quantity"] = {{"divide_by", 10}, {"round", "up"}};
  EXPECT_EQ(StripePriceFormat().ReadPrice(packaged.dump())->unit_amount_minor, std::nullopt);
}

TEST(StripePriceFormatTest, RefusesWhatIsNotAPrice) {
  for (const char* text : {"", "[]", "{}", "{\"id\":1}", "null"}) {
    EXPECT_FALSE(StripePriceFormat().ReadPrice(text).ok()) << text;
  }
  EXPECT_FALSE(StripePriceFormat().ReadPriceList("{\"object\":\"list\"}").ok());
}

TEST(StripePriceFormatTest, EncodesTheSameSpecToTheSameBytes) {
  const auto once = StripePriceFormat().EncodePrice(Spec());
  ASSERT_TRUE(once.ok()) << once.status();
  EXPECT_EQ(once->json, StripePriceFormat().EncodePrice(Spec())->json);
  const nlohmann::json params = nlohmann::json::parse(once->json);
  EXPECT_EQ(params["product_data"]["name"], "Pro");
  EXPECT_FALSE(params.contains("product"));
  EXPECT_EQ(params["recurring"]["interval"], "month");
  provider::PriceSpec with_product = Spec();
  with_product.product_id = "prod_1";
  const nlohmann::json other = nlohmann::json::parse(StripePriceFormat().EncodePrice(with_product)->json);
  EXPECT_EQ(other["product"], "prod_1");
  EXPECT_FALSE(other.contains("product_data"));
}

TEST(StripePriceFormatTest, APriceWithoutAnIntervalIsPaidOnce) {
  provider::PriceSpec once = Spec();
  once.interval.clear();
  const nlohmann::json params = nlohmann::json::parse(StripePriceFormat().EncodePrice(once)->json);
  EXPECT_FALSE(params.contains("recurring"));
  EXPECT_EQ(params["unit_amount"], 2900);
}

TEST(StripePriceFormatTest, ItsPurposeKindAndFilterHaveEndpoints) {
  EXPECT_EQ(WriteEndpointOf(provider::kCreatePrice).path, "/v1/prices");
  EXPECT_EQ(RetrievePath(provider::kPriceKind), "/v1/prices/{id}");
  EXPECT_EQ(ListPath(provider::kPriceKind), "/v1/prices");
  EXPECT_EQ(FilterName(provider::kLookupKeyFilter).substr(0, 12), "lookup_keys[");
}

}  // namespace
}  // namespace billmesh::stripe
