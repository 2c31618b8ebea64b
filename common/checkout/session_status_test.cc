#include "common/checkout/session_status.h"

#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

TEST(SessionStatusTest, NamesGoBothWays) {
  for (const auto& row : kSessionStatuses) {
    EXPECT_EQ(NameOf(row.status), row.name);
    EXPECT_EQ(ParseSessionStatus(row.name), row.status);
  }
  EXPECT_FALSE(ParseSessionStatus("complete").has_value());
}

TEST(SessionStatusTest, WhatBlocksHasNotEndedAndTheOtherWayRound) {
  for (const auto& row : kSessionStatuses) EXPECT_NE(Blocks(row.status), HasEnded(row.status)) << row.name;
}

TEST(SessionStatusTest, NothingLeadsBackAndNothingLeavesAnEnd) {
  for (const auto& a : kSessionStatuses) {
    EXPECT_FALSE(MayMove(a.status, a.status)) << a.name;
    for (const auto& b : kSessionStatuses) {
      EXPECT_FALSE(MayMove(a.status, b.status) && MayMove(b.status, a.status)) << a.name << " and " << b.name;
      EXPECT_FALSE(HasEnded(a.status) && MayMove(a.status, b.status)) << a.name << " → " << b.name;
    }
  }
  EXPECT_FALSE(MayMove(SessionStatus::kOpen, SessionStatus::kCompletedReconciled)) << "only through the pending state";
}

}  // namespace
}  // namespace billmesh::checkout
