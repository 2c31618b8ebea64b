#include "services/checkout/session_transitions.h"

#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

// CHK-3 in its own words.
const std::map<std::string, std::set<std::string>> kAllowed = {
    {"open", {"completed_pending_subscription", "expired", "abandoned"}},
    {"completed_pending_subscription", {"completed_reconciled", "abandoned"}},
    {"recovery_verification_pending",
     {"open", "completed_pending_subscription", "completed_reconciled", "expired", "abandoned"}},
};

TEST(SessionTransitionsTest, AllowWhatTheRuleAllowsAndNothingElse) {
  for (const auto& from : kSessionStatuses) {
    for (const auto& to : kSessionStatuses) {
      const auto row = kAllowed.find(std::string(from.name));
      const bool allowed = row != kAllowed.end() && row->second.contains(std::string(to.name));
      EXPECT_EQ(MayMove(from.status, to.status), allowed) << from.name << " to " << to.name;
    }
  }
}

TEST(SessionTransitionsTest, OnlyBlockingStatesAreEverLeft) {
  for (const auto& from : kSessionStatuses) {
    for (const auto& to : kSessionStatuses) {
      if (MayMove(from.status, to.status)) {
        EXPECT_TRUE(Blocks(from.status)) << from.name;
      }
    }
  }
}

TEST(SessionTransitionsTest, NamesRoundTrip) {
  for (const auto& row : kSessionStatuses) {
    EXPECT_EQ(NameOf(row.status), row.name);
    EXPECT_EQ(ParseSessionStatus(row.name), row.status);
  }
  EXPECT_EQ(ParseSessionStatus("complete"), std::nullopt);
  EXPECT_EQ(ParseSessionStatus(""), std::nullopt);
}

TEST(SessionTransitionsTest, TheProvidersWordsHaveOneMeaningEach) {
  EXPECT_EQ(StatusFor("open", false), SessionStatus::kOpen);
  EXPECT_EQ(StatusFor("open", true), SessionStatus::kOpen);
  EXPECT_EQ(StatusFor("expired", false), SessionStatus::kExpired);
  EXPECT_EQ(StatusFor("complete", false), SessionStatus::kCompletedPendingSubscription);
  EXPECT_EQ(StatusFor("complete", true), SessionStatus::kCompletedReconciled);
  EXPECT_EQ(StatusFor("completed", false), std::nullopt);
  EXPECT_EQ(StatusFor("", true), std::nullopt);
}

TEST(SessionTransitionsTest, MovesTakeAllowedStepsOnlyAndEndWhereTheyShould) {
  for (const auto& from : kSessionStatuses) {
    for (const auto& to : kSessionStatuses) {
      const SessionMoves moves = MovesTowards(from.status, to.status);
      SessionStatus at = from.status;
      for (int i = 0; i < moves.count; ++i) {
        EXPECT_TRUE(MayMove(at, moves.steps[i])) << from.name << " to " << to.name;
        at = moves.steps[i];
      }
      if (moves.count > 0) {
        EXPECT_EQ(at, to.status);
      }
      // Nothing that has a direct way takes another, and what ended is never left.
      if (MayMove(from.status, to.status)) {
        EXPECT_EQ(moves.count, 1);
      }
      if (!Blocks(from.status) || from.status == to.status) {
        EXPECT_EQ(moves.count, 0) << from.name << " to " << to.name;
      }
    }
  }
  EXPECT_EQ(MovesTowards(SessionStatus::kOpen, SessionStatus::kCompletedReconciled).count, 2);
  EXPECT_EQ(MovesTowards(SessionStatus::kCompletedPendingSubscription, SessionStatus::kOpen).count, 0);
  EXPECT_EQ(MovesTowards(SessionStatus::kCompletedPendingSubscription, SessionStatus::kExpired).count, 0);
}

}  // namespace
}  // namespace billmesh::checkout
