#include "services/checkout/checkout_request.h"

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

CheckoutOrder Order() { return {"pro-v1", "/billing/done", "/billing", 0}; }

TEST(ClientKeyTest, IsPrintableAsciiWithinBounds) {
  EXPECT_EQ(ReasonOf(CheckClientKey("")), Reason::FAILURE_REASON_IDEMPOTENCY_KEY_REQUIRED);
  EXPECT_TRUE(CheckClientKey("k").ok());
  EXPECT_TRUE(CheckClientKey("a key | with everything ~").ok());
  EXPECT_TRUE(CheckClientKey(std::string(255, 'k')).ok());
  for (const std::string& bad :
       {std::string(256, 'k'), std::string("a\nb"), std::string("a\0b", 3), std::string("ü"), std::string("\x7f")}) {
    EXPECT_EQ(ReasonOf(CheckClientKey(bad)), Reason::FAILURE_REASON_INVALID_ARGUMENT) << bad.size();
  }
}

TEST(OrderTest, FaultsNameTheirField) {
  const auto fault = [](auto change) {
    CheckoutOrder order = Order();
    change(order);
    const absl::Status status = CheckOrder(order);
    return status.ok() ? "" : CodeOf(ReasonOf(status)) + ":" + MetadataOf(status)["field"];
  };
  EXPECT_EQ(fault([](auto&) {}), "");
  EXPECT_EQ(fault([](auto& o) { o.plan_code = ""; }), "invalid_argument:plan_code");
  EXPECT_EQ(fault([](auto& o) { o.plan_code = std::string(129, 'p'); }), "invalid_argument:plan_code");
  EXPECT_EQ(fault([](auto& o) { o.plan_code = std::string("a\0b", 3); }), "invalid_argument:plan_code");
  EXPECT_EQ(fault([](auto& o) { o.seats = -1; }), "invalid_argument:seats");
  EXPECT_EQ(fault([](auto& o) { o.seats = 1'000'001; }), "invalid_argument:seats");
  EXPECT_EQ(fault([](auto& o) { o.success_path = ""; }), "invalid_argument:success_path");
  EXPECT_EQ(fault([](auto& o) { o.cancel_path = ""; }), "invalid_argument:cancel_path");
  EXPECT_EQ(fault([](auto& o) { o.success_path = "//evil.example"; }), "redirect_path_invalid:success_path");
  EXPECT_EQ(fault([](auto& o) { o.cancel_path = "https://evil.example"; }), "redirect_path_invalid:cancel_path");
}

TEST(FingerprintTest, DiffersWhereAnyFieldDiffers) {
  const std::string base = Fingerprint(*EncodeOrder(Order()));
  EXPECT_EQ(base, Fingerprint(*EncodeOrder(Order())));
  const auto differs = [&](auto change) {
    CheckoutOrder order = Order();
    change(order);
    return Fingerprint(*EncodeOrder(order)) != base;
  };
  EXPECT_TRUE(differs([](auto& o) { o.plan_code = "pro-v2"; }));
  EXPECT_TRUE(differs([](auto& o) { o.success_path = "/other"; }));
  EXPECT_TRUE(differs([](auto& o) { o.cancel_path = "/other"; }));
  EXPECT_TRUE(differs([](auto& o) { o.seats = 1; }));
  EXPECT_TRUE(differs([](auto& o) { std::swap(o.success_path, o.cancel_path); }));
}

TEST(CanonicalTest, OrdersAndAnswersRoundTrip) {
  const auto order = DecodeOrder(*EncodeOrder({"pro", "/a", "/b", 7}));
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->plan_code, "pro");
  EXPECT_EQ(order->success_path, "/a");
  EXPECT_EQ(order->cancel_path, "/b");
  EXPECT_EQ(order->seats, 7);
  const auto answer = DecodeAnswer(*EncodeAnswer({"op", "https://x", "session", 1790000000}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->operation, "op");
  EXPECT_EQ(answer->url, "https://x");
  EXPECT_EQ(answer->checkout_session_id, "session");
  EXPECT_EQ(answer->expires_at_unix_seconds, 1790000000);
  EXPECT_FALSE(DecodeOrder("{").ok());
  EXPECT_FALSE(DecodeAnswer("").ok());
}

}  // namespace
}  // namespace billmesh::checkout
