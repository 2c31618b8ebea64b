#include "common/stripe/client_format.h"

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

provider::CheckoutSessionSpec Spec() {
  provider::CheckoutSessionSpec spec;
  spec.customer_id = "cus_1";
  spec.items = {{"price_base", 3}, {"price_metered", std::nullopt}};
  spec.success_url = "https://app.example/ok";
  spec.cancel_url = "https://app.example/no";
  spec.expires_at = absl::FromUnixSeconds(1790000000);
  spec.reference = "op-1";
  spec.metadata = {{"k", "v"}};
  return spec;
}

TEST(StripeFormatTest, FreezesAPlainCheckout) {
  const auto params = StripeFormat().EncodeCheckoutSession(Spec());
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->schema, "stripe.checkout_session.v1");
  EXPECT_EQ(params->json,
            R"({"cancel_url":"https://app.example/no","client_reference_id":"op-1","customer":"cus_1",)"
            R"("expires_at":1790000000,"line_items":[{"price":"price_base","quantity":3},{"price":"price_metered"}],)"
            R"("metadata":{"k":"v"},"mode":"subscription","subscription_data":{"metadata":{"k":"v"}},)"
            R"("success_url":"https://app.example/ok"})");
}

TEST(StripeFormatTest, FreezesTrialTaxAndPromotionCodes) {
  provider::CheckoutSessionSpec spec = Spec();
  spec.trial_days = 14;
  spec.automatic_tax = true;
  spec.allow_promotion_codes = true;
  const std::string json = StripeFormat().EncodeCheckoutSession(spec)->json;
  EXPECT_NE(json.find(R"("subscription_data":{"metadata":{"k":"v"},"trial_period_days":14})"), std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("automatic_tax":{"enabled":true})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("customer_update":{"address":"auto"})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("allow_promotion_codes":true)"), std::string::npos) << json;
}

TEST(StripeFormatTest, FreezesACustomerAndLeavesOutANameThatIsTooLong) {
  EXPECT_EQ(StripeFormat().EncodeCustomer({"Acme", {{"k", "v"}}})->json, R"({"metadata":{"k":"v"},"name":"Acme"})");
  EXPECT_EQ(StripeFormat().EncodeCustomer({"", {{"k", "v"}}})->json, R"({"metadata":{"k":"v"}})");
  EXPECT_EQ(StripeFormat().EncodeCustomer({std::string(257, 'x'), {{"k", "v"}}})->json, R"({"metadata":{"k":"v"}})");
}

TEST(StripeFormatTest, RefusesMetadataOverTheProvidersBounds) {
  const auto encode = [](const provider::ObjectMetadata& metadata) {
    return StripeFormat().EncodeCustomer({"", metadata}).ok();
  };
  EXPECT_TRUE(encode({{std::string(40, 'k'), std::string(500, 'v')}}));
  EXPECT_FALSE(encode({{std::string(41, 'k'), "v"}}));
  EXPECT_FALSE(encode({{"k", std::string(501, 'v')}}));
  EXPECT_FALSE(encode({{"k", ""}}));
  provider::ObjectMetadata many;
  for (int i = 0; i < 51; ++i) many[std::to_string(i)] = "v";
  EXPECT_FALSE(encode(many));
}

TEST(StripeFormatTest, ReadsBackWhatItFroze) {
  const StripeFormat format;
  const auto facts = format.ReadFrozen(format.EncodeCheckoutSession(Spec())->json);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->metadata, (provider::ObjectMetadata{{"k", "v"}}));
  EXPECT_EQ(facts->customer_id, "cus_1");
  EXPECT_EQ(facts->expires_at, absl::FromUnixSeconds(1790000000));
  const auto customer = format.ReadFrozen(format.EncodeCustomer({"Acme", {{"k", "v"}}})->json);
  EXPECT_EQ(customer->customer_id, std::nullopt);
  EXPECT_EQ(customer->expires_at, std::nullopt);
}

TEST(StripeFormatTest, ReadsObjectsAndTellsDeletedOnes) {
  const StripeFormat format;
  const auto customer = format.ReadObject(R"({"id":"cus_1","object":"customer","metadata":{"a":"b"}})");
  ASSERT_TRUE(customer.ok()) << customer.status();
  EXPECT_EQ(customer->id, "cus_1");
  EXPECT_FALSE(customer->deleted);
  EXPECT_EQ(customer->metadata, (provider::ObjectMetadata{{"a", "b"}}));
  EXPECT_TRUE(format.ReadObject(R"({"id":"cus_1","deleted":true})")->deleted);
  for (const char* broken : {"", "[]", "{}", R"({"id":1})", R"({"id":""})", R"({"id":"x","metadata":[]})",
                             R"({"id":"x","metadata":{"a":1}})", R"({"id":"x")"}) {
    EXPECT_FALSE(format.ReadObject(broken).ok()) << broken;
  }
}

TEST(StripeFormatTest, ReadsPagesOfLists) {
  const StripeFormat format;
  const auto list = format.ReadList(
      R"({"object":"list","data":[{"id":"a","metadata":{"k":"v"}},{"id":"b","metadata":null}],"has_more":true})");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->objects.size(), 2u);
  EXPECT_EQ(list->objects[0].metadata.at("k"), "v");
  EXPECT_EQ(list->objects[1].id, "b");
  EXPECT_TRUE(list->has_more);
  for (const char* broken : {"{}", R"({"data":[]})", R"({"has_more":false})", R"({"data":[{}],"has_more":false})"}) {
    EXPECT_FALSE(format.ReadList(broken).ok()) << broken;
  }
}

TEST(StripeFormatTest, ReadsASession) {
  const auto session = StripeFormat().ReadCheckoutSession(
      R"({"id":"cs_1","object":"checkout.session","mode":"subscription","status":"open","payment_status":"unpaid",)"
      R"("url":"https://pay.example/cs_1","customer":"cus_1","subscription":null,"created":1790000000,)"
      R"("expires_at":1790080000,"livemode":false,"metadata":{}})");
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->id, "cs_1");
  EXPECT_EQ(session->status, "open");
  EXPECT_EQ(session->url, "https://pay.example/cs_1");
}

}  // namespace
}  // namespace billmesh::stripe
