#include "services/checkout/replay_rules.h"

#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

constexpr Resolution kResolutions[] = {Resolution::kLookUp, Resolution::kInspect, Resolution::kRepeat};

TEST(DecideSendingTest, EveryCombinationOfFacts) {
  for (int bits = 0; bits < 64 * 3; ++bits) {
    const SendingFacts facts{.resolution = kResolutions[bits / 64],
                             .known_object = (bits & 1) != 0,
                             .fresh = (bits & 2) != 0,
                             .deadline_passed = (bits & 4) != 0,
                             .provenance_matches = (bits & 8) != 0,
                             .account_matches = (bits & 16) != 0,
                             .owned_by_entity = (bits & 32) != 0};
    // Another account is another provenance.
    if (facts.provenance_matches && !facts.account_matches) continue;
    const Sending sending = DecideSending(facts);
    const bool sends = sending == Sending::kFirst || sending == Sending::kReplay;
    const bool may_send = !facts.deadline_passed && facts.provenance_matches;
    // IDM-6, IDM-7: nothing goes out past the deadline or as another client's; and within them, what isn't known is
    // sent.
    const bool repeats = facts.resolution == Resolution::kRepeat && !facts.fresh;
    EXPECT_EQ(sends, may_send && !facts.known_object && !repeats) << bits;
    // IDM-9: what is known is retrieved, and nothing else is.
    EXPECT_EQ(sending == Sending::kRetrieve, facts.known_object && facts.account_matches) << bits;
    // Only a step that nobody can have sent counts as a first sending.
    if (sending == Sending::kFirst) {
      EXPECT_TRUE(facts.fresh) << bits;
    }
    // Only what harms nobody is made again without a look.
    if (sending == Sending::kSupersede) {
      EXPECT_EQ(facts.resolution, Resolution::kRepeat) << bits;
    }
    // Another account's objects prove nothing: there is no look, save for the entity's customer, which is made anew
    // there.
    if (sending == Sending::kLookUp || sending == Sending::kInspect) {
      EXPECT_TRUE(facts.account_matches || facts.owned_by_entity) << bits;
      EXPECT_EQ(sending == Sending::kInspect, facts.resolution == Resolution::kInspect) << bits;
    }
    // IDM-10: guarded against only where nobody can look.
    if (sending == Sending::kWithhold) {
      EXPECT_FALSE(facts.account_matches) << bits;
    }
  }
}

TEST(StepRulesTest, EveryPurposeHasOneRuleAndAKindWhereItIsLookedFor) {
  for (const StepRule& rule : kStepRules) {
    EXPECT_EQ(RuleOfStep(rule.purpose), &rule) << rule.purpose;
    EXPECT_EQ(rule.kind.empty(), rule.resolution == Resolution::kRepeat) << rule.purpose;
  }
  EXPECT_EQ(RuleOfStep("charge_the_card_again"), nullptr);
}

TEST(JudgeReplayTest, OnlyAStoredAnswerOrARefusalOfTheRequestEndsIt) {
  EXPECT_EQ(JudgeReplay({}), ReplayAnswer::kNothing);
  EXPECT_EQ(JudgeReplay({.http_status = 500}), ReplayAnswer::kNothing);
  EXPECT_EQ(JudgeReplay({.http_status = 409, .error_type = "idempotency_error"}), ReplayAnswer::kNothing);
  EXPECT_EQ(JudgeReplay({.http_status = 500, .replayed = true}), ReplayAnswer::kEnded);
  EXPECT_EQ(JudgeReplay({.http_status = 400, .refused = true}), ReplayAnswer::kEnded);
}

TEST(StepAgeTest, FollowsTheWindowAndTrustsNoClockThatWasSetBack) {
  const absl::Time frozen = absl::FromUnixSeconds(1790000000);
  const absl::Time deadline = frozen + absl::Hours(23);
  EXPECT_EQ(AgeOf(frozen, deadline, frozen), StepAge::kReplayable);
  EXPECT_EQ(AgeOf(frozen, deadline, frozen - kFreezingSlack), StepAge::kReplayable);
  EXPECT_EQ(AgeOf(frozen, deadline, frozen - kFreezingSlack - absl::Seconds(1)), StepAge::kPastDeadline);
  EXPECT_EQ(AgeOf(frozen, deadline, deadline - absl::Seconds(1)), StepAge::kReplayable);
  EXPECT_EQ(AgeOf(frozen, deadline, deadline), StepAge::kPastDeadline);
  EXPECT_EQ(AgeOf(frozen, deadline, deadline + kPastAllDoubtAfter), StepAge::kPastAllDoubt);
}

TEST(HoldTest, LastsUntilBothTheSessionAndTheReplayAreOverAndTheGraceToo) {
  const absl::Time now = absl::FromUnixSeconds(1790000000);
  const absl::Duration grace = absl::Seconds(90);
  EXPECT_EQ(HoldUntil(now + absl::Hours(24), now + absl::Hours(23), grace), now + absl::Hours(24) + grace);
  EXPECT_EQ(HoldUntil(now + absl::Hours(1), now + absl::Hours(23), grace), now + absl::Hours(23) + grace);
}

TEST(ProvenanceTest, OnlyMinorVersionsOfOurClientMayDiffer) {
  const provider::Provenance frozen{"stripe", "2026-10-28.endive", "acct_1", "billmesh-stripe", "1.4.2"};
  EXPECT_TRUE(ProvenanceAllowsReplay(frozen, frozen));
  auto with = [&](auto change) {
    provider::Provenance present = frozen;
    change(present);
    return ProvenanceAllowsReplay(frozen, present);
  };
  EXPECT_TRUE(with([](auto& p) { p.client_version = "1.5.0"; }));
  EXPECT_TRUE(with([](auto& p) { p.client_version = "1"; }));
  EXPECT_FALSE(with([](auto& p) { p.client_version = "2.0.0"; }));
  EXPECT_FALSE(with([](auto& p) { p.client_version = "10.0.0"; }));
  EXPECT_FALSE(with([](auto& p) { p.client_version = ""; }));
  EXPECT_FALSE(with([](auto& p) { p.client_name = "other"; }));
  EXPECT_FALSE(with([](auto& p) { p.api_version = "2026-03-25.dahlia"; }));
  EXPECT_FALSE(with([](auto& p) { p.account_id = "acct_2"; }));
  EXPECT_FALSE(with([](auto& p) { p.provider = "other"; }));
  EXPECT_TRUE(SameAccount(frozen, frozen));
  provider::Provenance other = frozen;
  other.account_id = "acct_2";
  EXPECT_FALSE(SameAccount(frozen, other));
}

}  // namespace
}  // namespace billmesh::checkout
