#include "services/checkout/payment_link_request.h"

#include "common/status/status.h"
#include "gtest/gtest.h"
#include "services/checkout/checkout_request.h"

namespace billmesh::checkout {
namespace {

PaymentLinkOrder OfCatalog() { return {.item_code = "credits-100", .quantity = 2, .success_path = "/done"}; }
PaymentLinkOrder AdHoc() { return {.ad_hoc = AdHocItem{"Setup", 5000, "eur"}}; }

std::string FaultOf(const PaymentLinkOrder& order) {
  const absl::Status status = CheckOrder(order);
  return status.ok() ? "" : CodeOf(ReasonOf(status)) + ":" + MetadataOf(status)["field"];
}

TEST(PaymentLinkOrderTest, IsOfTheCatalogOrAdHocAndNotBoth) {
  EXPECT_EQ(FaultOf(OfCatalog()), "");
  EXPECT_EQ(FaultOf(AdHoc()), "");
  EXPECT_EQ(FaultOf(PaymentLinkOrder{}), "invalid_argument:item_code");
  PaymentLinkOrder both = OfCatalog();
  both.ad_hoc = AdHoc().ad_hoc;
  EXPECT_EQ(FaultOf(both), "invalid_argument:item_code");
}

TEST(PaymentLinkOrderTest, FaultsNameTheirField) {
  const auto fault = [](PaymentLinkOrder order, auto change) {
    change(order);
    return FaultOf(order);
  };
  EXPECT_EQ(fault(OfCatalog(), [](auto& o) { o.item_code = std::string(129, 'i'); }), "invalid_argument:item_code");
  EXPECT_EQ(fault(OfCatalog(), [](auto& o) { o.item_code = "a\nb"; }), "invalid_argument:item_code");
  EXPECT_EQ(fault(OfCatalog(), [](auto& o) { o.quantity = -1; }), "invalid_argument:quantity");
  EXPECT_EQ(fault(OfCatalog(), [](auto& o) { o.quantity = 1001; }), "invalid_argument:quantity");
  EXPECT_EQ(fault(OfCatalog(), [](auto& o) { o.success_path = "//evil.example"; }),
            "redirect_path_invalid:success_path");
  EXPECT_EQ(fault(OfCatalog(), [](auto& o) { o.success_path = ""; }), "");
  for (const std::string& name : {std::string(), std::string(251, 'n'), std::string("a\nb"), std::string("a\0b", 3),
                                  std::string("\xff"), std::string("\x7f")}) {
    EXPECT_EQ(fault(AdHoc(), [&](auto& o) { o.ad_hoc->name = name; }), "invalid_argument:ad_hoc.name") << name;
  }
  for (const int64_t amount : {int64_t{0}, int64_t{-1}, int64_t{100'000'000}}) {
    EXPECT_EQ(fault(AdHoc(), [&](auto& o) { o.ad_hoc->unit_amount_minor = amount; }),
              "invalid_argument:ad_hoc.unit_amount_minor");
  }
  for (const char* currency : {"", "EUR", "eu", "euro", "e1r"}) {
    EXPECT_EQ(fault(AdHoc(), [&](auto& o) { o.ad_hoc->currency = currency; }), "invalid_argument:ad_hoc.currency");
  }
}

TEST(PaymentLinkOrderTest, BoundsAreInclusive) {
  PaymentLinkOrder order = AdHoc();
  order.ad_hoc->unit_amount_minor = 99'999'999;
  EXPECT_EQ(FaultOf(order), "");
  order.quantity = 2;
  EXPECT_EQ(FaultOf(order), "invalid_argument:quantity");
  order.ad_hoc->unit_amount_minor = 99'999;
  order.quantity = 1000;
  EXPECT_EQ(FaultOf(order), "");
  // Characters, not bytes.
  order.ad_hoc->name.clear();
  for (int i = 0; i < 250; ++i) order.ad_hoc->name += "ü";
  EXPECT_EQ(FaultOf(order), "");
}

TEST(PaymentLinkOrderTest, EqualOrdersHaveEqualFingerprints) {
  PaymentLinkOrder one = AdHoc();
  one.quantity = 1;
  EXPECT_EQ(Fingerprint(*EncodeOrder(AdHoc())), Fingerprint(*EncodeOrder(one)));
  const auto differs = [](PaymentLinkOrder order, auto change) {
    const std::string before = Fingerprint(*EncodeOrder(order));
    change(order);
    return Fingerprint(*EncodeOrder(order)) != before;
  };
  EXPECT_TRUE(differs(OfCatalog(), [](auto& o) { o.item_code = "other"; }));
  EXPECT_TRUE(differs(OfCatalog(), [](auto& o) { o.quantity = 3; }));
  EXPECT_TRUE(differs(OfCatalog(), [](auto& o) { o.success_path = ""; }));
  EXPECT_TRUE(differs(AdHoc(), [](auto& o) { o.ad_hoc->name = "Other"; }));
  EXPECT_TRUE(differs(AdHoc(), [](auto& o) { o.ad_hoc->unit_amount_minor = 1; }));
  EXPECT_TRUE(differs(AdHoc(), [](auto& o) { o.ad_hoc->currency = "usd"; }));
}

TEST(PaymentLinkOrderTest, OrdersAndAnswersRoundTrip) {
  const auto catalog = DecodePaymentLinkOrder(*EncodeOrder(OfCatalog()));
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->item_code, "credits-100");
  EXPECT_EQ(catalog->quantity, 2);
  EXPECT_EQ(catalog->success_path, "/done");
  EXPECT_FALSE(catalog->ad_hoc.has_value());
  const auto ad_hoc = DecodePaymentLinkOrder(*EncodeOrder(AdHoc()));
  ASSERT_TRUE(ad_hoc.ok() && ad_hoc->ad_hoc.has_value());
  EXPECT_EQ(ad_hoc->item_code, "");
  EXPECT_EQ(ad_hoc->ad_hoc->name, "Setup");
  EXPECT_EQ(ad_hoc->ad_hoc->unit_amount_minor, 5000);
  EXPECT_EQ(ad_hoc->ad_hoc->currency, "eur");
  EXPECT_EQ(ad_hoc->quantity, 1);
  const auto answer = DecodePaymentLinkAnswer(*EncodeAnswer(PaymentLinkAnswer{"op-1", "https://pay.example/plink_1"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->operation, "op-1");
  EXPECT_EQ(answer->url, "https://pay.example/plink_1");
}

}  // namespace
}  // namespace billmesh::checkout
