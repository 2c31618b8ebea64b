#include "services/checkout/subscription_change_request.h"

#include "common/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

using ::testing::ElementsAre;

std::string FieldOf(const absl::Status& status) {
  return status.ok() ? "ok" : CodeOf(ReasonOf(status)) + " " + MetadataOf(status)["field"];
}

TEST(SubscriptionChangeRequestTest, ACancellationSaysWhen) {
  EXPECT_EQ(FieldOf(CheckOrder(CancelSubscriptionOrder{})), "invalid_argument timing");
  EXPECT_EQ(FieldOf(EncodeOrder(CancelSubscriptionOrder{}).status()), "invalid_argument timing");
  EXPECT_EQ(FieldOf(CheckOrder(CancelSubscriptionOrder{CancelTiming::kNow})), "ok");
  EXPECT_EQ(*EncodeOrder(CancelSubscriptionOrder{CancelTiming::kAtPeriodEnd}), R"({"timing":"at_period_end"})");
  EXPECT_EQ(*EncodeOrder(CancelSubscriptionOrder{CancelTiming::kNow}), R"({"timing":"now"})");
  for (const CancelTiming timing : {CancelTiming::kAtPeriodEnd, CancelTiming::kNow}) {
    EXPECT_EQ(DecodeCancelSubscriptionOrder(*EncodeOrder(CancelSubscriptionOrder{timing}))->timing, timing);
  }
  for (const char* broken : {"", "{}", R"({"timing":"later"})", R"({"timing":1})"}) {
    EXPECT_FALSE(DecodeCancelSubscriptionOrder(broken).ok()) << broken;
  }
}

TEST(SubscriptionChangeRequestTest, AllResumptionsAreOneRequest) {
  EXPECT_EQ(*EncodeOrder(ResumeSubscriptionOrder{}), "{}");
  EXPECT_TRUE(CheckOrder(ResumeSubscriptionOrder{}).ok());
}

TEST(SubscriptionChangeRequestTest, AnAddOnNeedsItsPlanAndAQuantityWithinBounds) {
  const struct {
    SetAddOnOrder order;
    const char* expected;
  } cases[] = {
      {{"extra", 0}, "ok"},
      {{"extra", 1}, "ok"},
      {{"extra", kMaxAddOnQuantity}, "ok"},
      {{"extra", kMaxAddOnQuantity + 1}, "invalid_argument quantity"},
      {{"extra", -1}, "invalid_argument quantity"},
      {{"", 1}, "invalid_argument plan_code"},
      {{std::string(129, 'x'), 1}, "invalid_argument plan_code"},
      {{"ext\nra", 1}, "invalid_argument plan_code"},
  };
  for (const auto& [order, expected] : cases) {
    EXPECT_EQ(FieldOf(CheckOrder(order)), expected) << order.plan_code << " " << order.quantity;
  }
}

TEST(SubscriptionChangeRequestTest, AnAddOnsOrderIsReadBackAsItWas) {
  EXPECT_EQ(*EncodeOrder(SetAddOnOrder{"extra", 3}), R"({"plan_code":"extra","quantity":3})");
  const auto order = DecodeSetAddOnOrder(*EncodeOrder(SetAddOnOrder{"extra", 3}));
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->plan_code, "extra");
  EXPECT_EQ(order->quantity, 3);
  for (const char* broken : {"[]", "{}", R"({"plan_code":"extra"})", R"({"plan_code":1,"quantity":1})",
                             R"({"plan_code":"extra","quantity":"1"})"}) {
    EXPECT_FALSE(DecodeSetAddOnOrder(broken).ok()) << broken;
  }
}

TEST(SubscriptionChangeRequestTest, AnAnswerIsReadBackAsItWas) {
  SubscriptionChangeAnswer answer{.operation = "op-1", .status = "active", .cancel_at_period_end = true};
  const auto plain = DecodeSubscriptionChangeAnswer(*EncodeAnswer(answer));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->operation, "op-1");
  EXPECT_EQ(plain->status, "active");
  EXPECT_TRUE(plain->cancel_at_period_end);
  EXPECT_EQ(plain->quantity, 0);
  EXPECT_FALSE(plain->items.has_value());

  answer.quantity = 7;
  answer.items = AddOnItems{"sub_1", {"si_1", "si_2"}, absl::FromUnixSeconds(1790000000)};
  const auto add_on = DecodeSubscriptionChangeAnswer(*EncodeAnswer(answer));
  ASSERT_TRUE(add_on.ok()) << add_on.status();
  EXPECT_EQ(add_on->quantity, 7);
  ASSERT_TRUE(add_on->items.has_value());
  EXPECT_EQ(add_on->items->subscription_id, "sub_1");
  EXPECT_THAT(add_on->items->item_ids, ElementsAre("si_1", "si_2"));
  EXPECT_EQ(add_on->items->as_of, absl::FromUnixSeconds(1790000000));
}

TEST(SubscriptionChangeRequestTest, ABrokenAnswerIsNone) {
  for (const char* broken :
       {"", "[]", "{}", R"({"cancel_at_period_end":1,"operation":"o","quantity":0,"status":"active"})",
        R"({"add_on":{},"cancel_at_period_end":true,"operation":"o","quantity":0,"status":"active"})",
        R"({"add_on":{"as_of":1,"items":[1],"subscription":"s"},"cancel_at_period_end":true,"operation":"o",)"
        R"("quantity":0,"status":"active"})"}) {
    EXPECT_FALSE(DecodeSubscriptionChangeAnswer(broken).ok()) << broken;
  }
}

}  // namespace
}  // namespace billmesh::checkout
