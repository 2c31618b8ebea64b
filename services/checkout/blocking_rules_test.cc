#include "services/checkout/blocking_rules.h"

#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

const absl::Time kExpiry = absl::FromUnixSeconds(1790000000);
const absl::Duration kGrace = absl::Seconds(90);

TEST(BlockingRulesTest, EveryBlockingStatusHasItsOwnCode) {
  EXPECT_EQ(BlockingReason(SessionStatus::kOpen), Reason::FAILURE_REASON_CHECKOUT_SESSION_OPEN);
  EXPECT_EQ(BlockingReason(SessionStatus::kCompletedPendingSubscription),
            Reason::FAILURE_REASON_CHECKOUT_COMPLETION_PENDING);
  EXPECT_EQ(BlockingReason(SessionStatus::kRecoveryVerificationPending),
            Reason::FAILURE_REASON_CHECKOUT_RECOVERY_VERIFICATION_PENDING);
  for (const auto& row : kSessionStatuses) {
    EXPECT_EQ(BlockingReason(row.status).has_value(), Blocks(row.status)) << row.name;
  }
}

TEST(BlockingRulesTest, OnlyAnOpenSessionPastExpiryAndGraceIsOverdue) {
  for (const auto& row : kSessionStatuses) {
    const bool open = row.status == SessionStatus::kOpen;
    EXPECT_FALSE(IsOverdue(row.status, kExpiry, kGrace, kExpiry - absl::Seconds(1))) << row.name;
    EXPECT_FALSE(IsOverdue(row.status, kExpiry, kGrace, kExpiry + kGrace)) << row.name;
    EXPECT_EQ(IsOverdue(row.status, kExpiry, kGrace, kExpiry + kGrace + absl::Microseconds(1)), open) << row.name;
  }
}

TEST(BlockingRulesTest, OnlyAHoldPastItsExpiryIsSpent) {
  for (const auto& row : kSessionStatuses) {
    const bool hold = row.status == SessionStatus::kRecoveryVerificationPending;
    EXPECT_FALSE(IsSpentHold(row.status, kExpiry, kExpiry)) << row.name;
    EXPECT_EQ(IsSpentHold(row.status, kExpiry, kExpiry + absl::Microseconds(1)), hold) << row.name;
  }
}

TEST(BlockingRulesTest, AUrlIsSafeOnlyWhileItsSessionCanBePaid) {
  for (const auto& row : kSessionStatuses) {
    const bool open = row.status == SessionStatus::kOpen;
    EXPECT_EQ(IsUrlSafe(row.status, kExpiry, kExpiry - absl::Microseconds(1)), open) << row.name;
    EXPECT_FALSE(IsUrlSafe(row.status, kExpiry, kExpiry)) << row.name;
  }
}

}  // namespace
}  // namespace billmesh::checkout
