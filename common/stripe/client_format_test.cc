#include "common/stripe/client_format.h"

#include "common/provider/object_format.h"
#include "common/status/status.h"
#include "common/stripe/client_endpoints.h"
#include "common/stripe/form.h"
#include "common/testing/provider_request_check.h"
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

provider::PaymentLinkSpec LinkSpec() {
  provider::PaymentLinkSpec spec;
  spec.lines = {{.price_id = "price_1", .quantity = 2},
                {.name = "Setup", .currency = "eur", .unit_amount_minor = 5000, .quantity = 1}};
  spec.success_url = "https://app.example/ok";
  spec.metadata = {{"k", "v"}};
  return spec;
}

provider::SubscriptionUpdateSpec UpdateSpec() {
  provider::SubscriptionUpdateSpec spec;
  spec.subscription_id = "sub_1";
  spec.cancel_at_period_end = false;
  spec.items = {{.item_id = "si_1", .quantity = 3}, {.item_id = "si_2"}, {.price_id = "price_2", .quantity = 1}};
  spec.metadata = {{"billmesh_change", "op-1"}};
  return spec;
}

TEST(StripeFormatTest, FreezesAPortalSession) {
  const auto params = StripeFormat().EncodePortalSession({"cus_1", "https://app.example/billing"});
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->schema, "stripe.portal_session.v1");
  EXPECT_EQ(params->json, R"({"customer":"cus_1","return_url":"https://app.example/billing"})");
  EXPECT_FALSE(StripeFormat().EncodePortalSession({"", "https://app.example"}).ok());
  EXPECT_FALSE(StripeFormat().EncodePortalSession({"cus_1", ""}).ok());
  EXPECT_FALSE(StripeFormat().EncodePortalSession({"cus_1", std::string(5001, 'u')}).ok());
}

TEST(StripeFormatTest, FreezesAPaymentLinkWhoseMetadataReachThePaymentAndTheInvoice) {
  const auto params = StripeFormat().EncodePaymentLink(LinkSpec());
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->schema, "stripe.payment_link.v1");
  EXPECT_EQ(params->json,
            R"({"after_completion":{"redirect":{"url":"https://app.example/ok"},"type":"redirect"},)"
            R"("invoice_creation":{"enabled":true,"invoice_data":{"metadata":{"k":"v"}}},)"
            R"("line_items":[{"price":"price_1","quantity":2},)"
            R"({"price_data":{"currency":"eur","product_data":{"name":"Setup"},"unit_amount":5000},"quantity":1}],)"
            R"("metadata":{"k":"v"},"payment_intent_data":{"metadata":{"k":"v"}},)"
            R"("restrictions":{"completed_sessions":{"limit":1}}})");
  provider::PaymentLinkSpec plain = LinkSpec();
  plain.success_url.clear();
  plain.metadata.clear();
  const std::string json = StripeFormat().EncodePaymentLink(plain)->json;
  EXPECT_EQ(json.find("after_completion"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("invoice_creation":{"enabled":true})"), std::string::npos) << json;
}

TEST(StripeFormatTest, RefusesLinksOverTheProvidersBounds) {
  const auto fault = [](auto change) {
    provider::PaymentLinkSpec spec = LinkSpec();
    change(spec);
    const auto params = StripeFormat().EncodePaymentLink(spec);
    return params.ok() ? "" : CodeOf(ReasonOf(params.status())) + ":" + MetadataOf(params.status())["field"];
  };
  EXPECT_EQ(fault([](auto&) {}), "");
  EXPECT_EQ(fault([](auto& s) { s.lines.clear(); }), "invalid_argument:line_items");
  EXPECT_EQ(fault([](auto& s) { s.lines.resize(21, s.lines[0]); }), "invalid_argument:line_items");
  EXPECT_EQ(fault([](auto& s) { s.payments_limit = 0; }), "invalid_argument:payments_limit");
  EXPECT_EQ(fault([](auto& s) { s.lines[0].quantity = 0; }), "invalid_argument:line_items.quantity");
  EXPECT_EQ(fault([](auto& s) { s.lines[0].name = "also an amount"; }), "invalid_argument:line_items");
  EXPECT_EQ(fault([](auto& s) { s.lines[1].name = ""; }), "invalid_argument:line_items.name");
  EXPECT_EQ(fault([](auto& s) { s.lines[1].currency = "euro"; }), "invalid_argument:line_items.currency");
  EXPECT_EQ(fault([](auto& s) { s.lines[1].unit_amount_minor = 0; }), "invalid_argument:line_items.unit_amount");
  EXPECT_EQ(fault([](auto& s) { s.lines[1].unit_amount_minor = 100'000'000; }),
            "invalid_argument:line_items.unit_amount");
  EXPECT_EQ(fault([](auto& s) { s.success_url = std::string(5001, 'u'); }), "invalid_argument:success_url");
  EXPECT_NE(fault([](auto& s) { s.lines[1].name = "\xff"; }), "");
}

TEST(StripeFormatTest, FreezesAChangeOfASubscriptionWithItsObject) {
  const auto params = StripeFormat().EncodeSubscriptionUpdate(UpdateSpec());
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->schema, "stripe.subscription_update.v1");
  EXPECT_EQ(params->json, R"({"$object":"sub_1","cancel_at_period_end":false,"items":[{"id":"si_1","quantity":3},)"
                          R"({"deleted":true,"id":"si_2"},{"price":"price_2","quantity":1}],)"
                          R"("metadata":{"billmesh_change":"op-1"}})");
  const auto fault = [](auto change) {
    provider::SubscriptionUpdateSpec spec = UpdateSpec();
    change(spec);
    const auto refused = StripeFormat().EncodeSubscriptionUpdate(spec);
    return refused.ok() ? "" : CodeOf(ReasonOf(refused.status())) + ":" + MetadataOf(refused.status())["field"];
  };
  EXPECT_EQ(fault([](auto& s) { s.subscription_id.clear(); }), "invalid_argument:subscription");
  EXPECT_EQ(fault([](auto& s) { s.items.resize(21, s.items[0]); }), "invalid_argument:items");
  EXPECT_EQ(fault([](auto& s) { s.items[0].quantity = -1; }), "invalid_argument:items.quantity");
  EXPECT_EQ(fault([](auto& s) { s.items[2].price_id.clear(); }), "invalid_argument:items");
  EXPECT_EQ(fault([](auto& s) { s.items[2].quantity = 0; }), "invalid_argument:items");
  EXPECT_EQ(fault([](auto& s) {
              s.items.clear();
              s.metadata.clear();
              s.cancel_at_period_end.reset();
            }),
            "invalid_argument:subscription");
  EXPECT_EQ(fault([](auto& s) { s.clear_cancel_at = true; }), "invalid_argument:cancel_at");
  EXPECT_EQ(fault([](auto& s) { s.metadata["k"] = std::string(501, 'v'); }), "invalid_argument:metadata.k");
}

TEST(StripeFormatTest, ACallOnAnObjectNamesIt) {
  const StripeFormat format;
  const auto params = format.EncodeObjectCall("cs_1");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->json, R"({"$object":"cs_1"})");
  EXPECT_EQ(params->schema, "stripe.object_call.v1");
  EXPECT_EQ(format.ReadFrozen(params->json)->object_id, "cs_1");
  EXPECT_EQ(format.ReadFrozen(format.EncodeSubscriptionUpdate(UpdateSpec())->json)->object_id, "sub_1");
  EXPECT_EQ(format.ReadFrozen(format.EncodePaymentLink(LinkSpec())->json)->object_id, std::nullopt);
  EXPECT_EQ(format.ReadFrozen(format.EncodePaymentLink(LinkSpec())->json)->metadata,
            (provider::ObjectMetadata{{"k", "v"}}));
  EXPECT_FALSE(format.EncodeObjectCall("").ok());
  EXPECT_FALSE(format.EncodeObjectCall(std::string(256, 'i')).ok());
}

// Each request, as the client would send it, fits the provider's schemas (where they are).
TEST(StripeFormatTest, WhatIsFrozenFitsTheProvidersSchemas) {
  const StripeFormat format;
  const auto fault = [](const char* purpose, const absl::StatusOr<provider::EncodedParams>& params) {
    EXPECT_TRUE(params.ok()) << params.status();
    // The object stands in the path.
    std::string json = params->json;
    for (const char* object : {R"("$object":"sub_1",)", R"("$object":"sub_1")"}) {
      if (const size_t at = json.find(object); at != std::string::npos) json.erase(at, std::string(object).size());
    }
    const WriteEndpoint endpoint = WriteEndpointOf(purpose);
    return billmesh::testing::ProviderRequestFault(std::string(endpoint.method), *FillPath(endpoint.path, "sub_1"),
                                                   *EncodeForm(json));
  };
  EXPECT_EQ(fault(provider::kCreateCustomer, format.EncodeCustomer({"Acme", {{"k", "v"}}})), "");
  EXPECT_EQ(fault(provider::kCreateCheckoutSession, format.EncodeCheckoutSession(Spec())), "");
  EXPECT_EQ(fault(provider::kCreatePortalSession, format.EncodePortalSession({"cus_1", "https://app.example"})), "");
  EXPECT_EQ(fault(provider::kCreatePaymentLink, format.EncodePaymentLink(LinkSpec())), "");
  EXPECT_EQ(fault(provider::kUpdateSubscription, format.EncodeSubscriptionUpdate(UpdateSpec())), "");
  EXPECT_EQ(fault(provider::kUpdateSubscription,
                  format.EncodeSubscriptionUpdate({.subscription_id = "sub_1", .clear_cancel_at = true})),
            "");
  EXPECT_EQ(fault(provider::kUpdateSubscription,
                  format.EncodeSubscriptionUpdate({.subscription_id = "sub_1", .metadata = {{"k", "v"}}})),
            "");
  EXPECT_EQ(fault(provider::kCancelSubscription, format.EncodeObjectCall("sub_1")), "");
  EXPECT_EQ(fault(provider::kExpireCheckoutSession, format.EncodeObjectCall("sub_1")), "");
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

TEST(StripeFormatTest, ReadsBackWhatASubscriptionsUpdateChanges) {
  const StripeFormat format;
  provider::SubscriptionUpdateSpec spec;
  spec.subscription_id = "sub_1";
  spec.items = {{.item_id = "si_1", .quantity = 3}, {.item_id = "si_2"}, {.price_id = "price_1", .quantity = 2}};
  const auto items = format.EncodeSubscriptionUpdate(spec);
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_EQ(items->schema, "stripe.subscription_update.v1");
  EXPECT_EQ(items->json, R"({"$object":"sub_1","items":[{"id":"si_1","quantity":3},{"deleted":true,"id":"si_2"},)"
                         R"({"price":"price_1","quantity":2}]})");
  const auto read = format.ReadSubscriptionUpdate(items->json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->subscription_id, "sub_1");
  EXPECT_FALSE(read->cancel_at_period_end.has_value());
  ASSERT_EQ(read->items.size(), 3u);
  EXPECT_EQ(read->items[0].item_id + read->items[0].price_id, "si_1");
  EXPECT_EQ(read->items[0].quantity, 3);
  EXPECT_EQ(read->items[1].item_id, "si_2");
  EXPECT_EQ(read->items[1].quantity, 0);
  EXPECT_EQ(read->items[2].item_id + read->items[2].price_id, "price_1");
  EXPECT_EQ(read->items[2].quantity, 2);

  for (const bool at_end : {true, false}) {
    const auto flag = format.EncodeSubscriptionUpdate({.subscription_id = "sub_1", .cancel_at_period_end = at_end});
    ASSERT_TRUE(flag.ok()) << flag.status();
    EXPECT_EQ(format.ReadSubscriptionUpdate(flag->json)->cancel_at_period_end, at_end);
  }
  EXPECT_EQ(format.ReadFrozen(items->json)->object_id, "sub_1");
  EXPECT_FALSE(read->clear_cancel_at);
  EXPECT_TRUE(read->metadata.empty());

  const auto date =
      format.EncodeSubscriptionUpdate({.subscription_id = "sub_1", .clear_cancel_at = true, .metadata = {{"k", "v"}}});
  ASSERT_TRUE(date.ok()) << date.status();
  EXPECT_EQ(date->json, R"({"$object":"sub_1","cancel_at":"","metadata":{"k":"v"}})");
  const auto cleared = format.ReadSubscriptionUpdate(date->json);
  EXPECT_TRUE(cleared->clear_cancel_at);
  EXPECT_FALSE(cleared->cancel_at_period_end.has_value());
  EXPECT_EQ(cleared->metadata, (provider::ObjectMetadata{{"k", "v"}}));
}

TEST(StripeFormatTest, RefusesToReadABrokenUpdate) {
  for (const char* broken :
       {"[]", "{}", R"({"cancel_at_period_end":true})", R"({"$object":"sub_1","cancel_at_period_end":"yes"})",
        R"({"$object":"sub_1","items":{}})", R"({"$object":"sub_1","items":[{}]})",
        R"({"$object":"sub_1","items":[{"id":"si_1"}]})", R"({"$object":"sub_1","items":[{"id":"si_1","quantity":0}]})",
        R"({"$object":"sub_1","items":[{"quantity":1}]})"}) {
    EXPECT_FALSE(StripeFormat().ReadSubscriptionUpdate(broken).ok()) << broken;
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
  EXPECT_EQ(list->objects_json,
            (std::vector<std::string>{R"({"id":"a","metadata":{"k":"v"}})", R"({"id":"b","metadata":null})"}));
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

TEST(StripeFormatTest, ReadsASubscription) {
  const auto subscription = StripeFormat().ReadSubscription(
      R"({"id":"sub_1","object":"subscription","status":"active","customer":"cus_1","cancel_at_period_end":true,)"
      R"("created":1790000000,"livemode":false,"metadata":{"billmesh_operation_key":"op_1"},)"
      R"("items":{"data":[{"id":"si_1","price":{"id":"price_1"},"quantity":3}],"has_more":false}})");
  ASSERT_TRUE(subscription.ok()) << subscription.status();
  EXPECT_TRUE(subscription->cancel_at_period_end);
  ASSERT_EQ(subscription->items.size(), 1u);
  EXPECT_EQ(subscription->items[0].quantity, 3);
  EXPECT_FALSE(StripeFormat().ReadSubscription("{}").ok());
}

TEST(StripeFormatTest, ReadsAPage) {
  const StripeFormat format;
  const auto page = format.ReadHostedPage(R"({"id":"bps_1","object":"x","url":"https://pay.example/bps_1"})");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->id, "bps_1");
  EXPECT_EQ(page->url, "https://pay.example/bps_1");
  for (const std::string& broken :
       {std::string("{}"), std::string(R"({"id":"bps_1"})"), std::string(R"({"id":"bps_1","url":null})"),
        std::string(R"({"id":"bps_1","url":")") + std::string(5001, 'u') + R"("})"}) {
    EXPECT_FALSE(format.ReadHostedPage(broken).ok()) << broken.substr(0, 40);
  }
}

}  // namespace
}  // namespace billmesh::stripe
