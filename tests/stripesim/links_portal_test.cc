// Payment links and portal sessions: made, listed, paid.

#include <string>

#include "gtest/gtest.h"
#include "tests/stripesim/test_bench.h"

namespace stripesim {
namespace {

constexpr char kOneOff[] =
    "line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=500"
    "&line_items[0][price_data][product_data][name]=Setup&line_items[0][quantity]=2";
constexpr char kMetadata[] =
    "&metadata[op]=7&payment_intent_data[metadata][op]=7&invoice_creation[enabled]=true"
    "&invoice_creation[invoice_data][metadata][op]=7";

std::string Link(TestBench& bench, const std::string& more = "", const Extra& extra = Extra()) {
  return Str(bench.Post("/v1/payment_links", kOneOff + more, extra).json, "id");
}

// The session that the link's page opens.
std::string OpenedBy(TestBench& bench, const std::string& link) {
  const Reply reply = bench.Do("POST", "/link/" + link);
  EXPECT_EQ(reply.status, 303);
  const std::string url = reply.Header("Location");
  return url.substr(url.rfind('/') + 1);
}

TEST(PaymentLinks, APaidOneCarriesItsMetadataToAllThatItMakes) {
  TestBench bench;
  const std::string link = Link(bench, kMetadata, {"link-key"});
  const std::string session = OpenedBy(bench, link);
  bench.Control("POST", "sessions/" + session + "/pay");
  const Json paid = bench.Get("/v1/checkout/sessions/" + session).json;
  EXPECT_EQ(Str(paid, "status"), "complete");
  EXPECT_EQ(Str(paid, "payment_link"), link);
  EXPECT_EQ(paid["amount_total"], 1000);
  EXPECT_EQ(paid["metadata"]["op"], "7");
  const Json invoice = bench.Get("/v1/invoices/" + Str(paid, "invoice")).json;
  EXPECT_EQ(Str(invoice, "status"), "paid");
  EXPECT_EQ(invoice["metadata"]["op"], "7");
  const Json intent = bench.Get("/v1/payment_intents/" + Str(paid, "payment_intent")).json;
  EXPECT_EQ(Str(intent, "status"), "succeeded");
  EXPECT_EQ(intent["metadata"]["op"], "7");
  const Json charge = bench.Get("/v1/charges/" + Str(intent, "latest_charge")).json;
  EXPECT_EQ(charge["metadata"]["op"], "7");
  EXPECT_EQ(charge["amount"], 1000);
  EXPECT_EQ(bench.Control("GET", "summary")["charges"], 1);
}

TEST(PaymentLinks, CloseAfterTheirPayments) {
  TestBench bench;
  const std::string link = Link(bench, "&restrictions[completed_sessions][limit]=1");
  const std::string session = OpenedBy(bench, link);
  bench.Control("POST", "sessions/" + session + "/pay");
  EXPECT_EQ(bench.Get("/v1/payment_links/" + link).json["active"], false);
  EXPECT_EQ(bench.Do("POST", "/link/" + link).status, 410);
}

TEST(PaymentLinks, SendThePayerToTheirUrl) {
  TestBench bench;
  const std::string link =
      Link(bench, "&after_completion[type]=redirect&after_completion[redirect][url]=https%3A%2F%2Fapp.example%2Fok");
  const std::string session = OpenedBy(bench, link);
  const Reply paid = bench.Do("POST", "/pay/" + session + "/pay");
  EXPECT_EQ(paid.status, 303);
  EXPECT_EQ(paid.Header("Location"), "https://app.example/ok");
}

TEST(PaymentLinks, AreListedNewestFirstAndPaged) {
  TestBench bench;
  const std::string first = Link(bench), second = Link(bench), third = Link(bench, "&metadata[op]=3");
  const Json page = bench.Get("/v1/payment_links?limit=2").json;
  ASSERT_EQ(page["data"].size(), 2u);
  EXPECT_EQ(Str(page["data"][0], "id"), third);
  EXPECT_EQ(page["data"][0]["metadata"]["op"], "3");
  EXPECT_EQ(Str(page["data"][1], "id"), second);
  EXPECT_EQ(page["has_more"], true);
  const Json rest = bench.Get("/v1/payment_links?limit=2&starting_after=" + second).json;
  ASSERT_EQ(rest["data"].size(), 1u);
  EXPECT_EQ(Str(rest["data"][0], "id"), first);
  EXPECT_EQ(rest["has_more"], false);
  EXPECT_EQ(bench.Get("/v1/payment_links?created[gte]=1").Code(), "parameter_unknown");
  EXPECT_EQ(bench.Get("/v1/payment_links?customer=cus_1").Code(), "parameter_unknown");
}

TEST(PaymentLinks, RefuseWhatStripeRefuses) {
  TestBench bench;
  const auto refused = [&](const std::string& form) {
    const Reply reply = bench.Post("/v1/payment_links", form);
    EXPECT_EQ(reply.status, 400) << form;
    return Str(At(reply.json, "error"), "param");
  };
  EXPECT_EQ(refused(""), "line_items");
  EXPECT_EQ(refused(std::string(kOneOff) + "&customer=cus_1"), "customer");
  EXPECT_EQ(refused(std::string(kOneOff) + "&restrictions[completed_sessions][limit]=0"),
            "restrictions[completed_sessions][limit]");
  EXPECT_EQ(refused(std::string(kOneOff) + "&after_completion[type]=redirect"), "after_completion[redirect]");
  EXPECT_EQ(refused(std::string(kOneOff) +
                    "&after_completion[type]=hosted_confirmation&after_completion[redirect][url]=https%3A%2F%2Fa"),
            "after_completion[redirect]");
  EXPECT_EQ(refused(std::string(kOneOff) + "&line_items[1][price]=" + bench.Price("") + "&line_items[1][quantity]=1"),
            "line_items")
      << "usd beside eur";
  EXPECT_EQ(
      refused("line_items[0][price]=" + bench.Price() + "&line_items[0][quantity]=1&invoice_creation[enabled]=true"),
      "invoice_creation");
  EXPECT_EQ(refused("line_items[0][price]=price_none&line_items[0][quantity]=1"), "line_items[0][price]");
}

TEST(PaymentLinks, OneKeyMakesOne) {
  TestBench bench;
  EXPECT_EQ(Link(bench, "", {"k"}), Link(bench, "", {"k"}));
  EXPECT_EQ(bench.Get("/v1/payment_links").json["data"].size(), 1u);
}

TEST(Portal, ASessionNeedsItsCustomer) {
  TestBench bench;
  const Reply made = bench.Post("/v1/billing_portal/sessions",
                                "customer=" + bench.Customer() + "&return_url=https%3A%2F%2Fapp.example");
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(Str(made.json, "object"), "billing_portal.session");
  EXPECT_NE(Str(made.json, "url"), "");
  EXPECT_FALSE(made.json.contains("metadata"));
  EXPECT_EQ(bench.Post("/v1/billing_portal/sessions", "customer=cus_none").Code(), "resource_missing");
  EXPECT_EQ(bench.Post("/v1/billing_portal/sessions", "").Code(), "parameter_missing");
  EXPECT_EQ(bench.Post("/v1/billing_portal/sessions", "customer=" + bench.Customer() + "&metadata[a]=b").Code(),
            "parameter_unknown");
}

}  // namespace
}  // namespace stripesim
