#include "services/checkout/cancel_checkout_request.h"

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

constexpr char kOperation[] = "0197a0de-0000-7000-8000-000000000001";

TEST(CancelCheckoutRequestTest, AnOrderNamesItsCheckout) {
  EXPECT_TRUE(CheckOrder(CancelCheckoutOrder{kOperation}).ok());
  const absl::Status refused = CheckOrder(CancelCheckoutOrder{});
  EXPECT_EQ(ReasonOf(refused), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  EXPECT_EQ(MetadataOf(refused).at("field"), "operation");
}

TEST(CancelCheckoutRequestTest, OrdersComeBackAsTheyWereStored) {
  const auto canonical = EncodeOrder(CancelCheckoutOrder{kOperation});
  ASSERT_TRUE(canonical.ok()) << canonical.status();
  EXPECT_EQ(*canonical, R"({"operation":"0197a0de-0000-7000-8000-000000000001"})");
  EXPECT_EQ(DecodeCancelCheckoutOrder(*canonical)->operation, kOperation);
  EXPECT_FALSE(EncodeOrder(CancelCheckoutOrder{"\xff"}).ok());
  EXPECT_FALSE(DecodeCancelCheckoutOrder("{").ok());
}

TEST(CancelCheckoutRequestTest, AnswersComeBackAsTheyWereRecorded) {
  for (const SessionStatusRow& row : kSessionStatuses) {
    const auto recorded = EncodeAnswer(CancelCheckoutAnswer{kOperation, row.status});
    ASSERT_TRUE(recorded.ok()) << recorded.status();
    const auto answer = DecodeCancelCheckoutAnswer(*recorded);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->operation, kOperation);
    EXPECT_EQ(answer->session_status, row.status);
  }
}

TEST(CancelCheckoutRequestTest, AnAnswerWithoutItsStatusIsNone) {
  for (const char* broken : {"{}", R"({"operation":"x","session_status":"gone"})", R"({"session_status":1})"}) {
    EXPECT_EQ(ReasonOf(DecodeCancelCheckoutAnswer(broken).status()), Reason::FAILURE_REASON_INVALID_ARGUMENT) << broken;
  }
}

}  // namespace
}  // namespace billmesh::checkout
