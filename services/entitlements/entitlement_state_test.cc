#include "services/entitlements/entitlement_state.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/entitlements/entity_key.h"

namespace billmesh::entitlements {
namespace {

namespace pb = billing::entitlements::v1;
using catalog::BooleanEntitlement;
using catalog::QuotaEntitlement;
using catalog::StringListEntitlement;
using ::testing::ElementsAre;

const absl::Time kBoundary = absl::FromUnixSeconds(1'800'000'000);
constexpr char kId[] = "0190b7c8-1111-7abc-8def-0123456789ab";

Computed TwoSegments() {
  Computed computed;
  computed.segments.resize(2);
  Segment& paid = computed.segments[0];
  paid.until = kBoundary;
  paid.status = pb::ENTITLEMENT_STATUS_ACTIVE;
  paid.plan_code = "pro";
  paid.entitlements = {{"api", {QuotaEntitlement{5, "day", false}, kSourcePlan}},
                       {"community", {BooleanEntitlement{true}, kSourceDefaultPlan}},
                       {"off", {BooleanEntitlement{false}, kSourcePlan}},
                       {"regions", {StringListEntitlement{{"eu", "us"}}, kSourceAddOn}}};
  Segment& free = computed.segments[1];
  free.from = kBoundary;
  free.plan_code = "free";
  free.entitlements = {{"community", {BooleanEntitlement{true}, kSourceDefaultPlan}}};
  computed.current_period_end = kBoundary;
  return computed;
}

std::shared_ptr<const State> TestState(AnswerSetInterner& interner) {
  return MakeState(*EntityKey::Parse(kId), 7, 3, absl::FromUnixSeconds(1'700'000'000), TwoSegments(), interner);
}

TEST(EntityKey, RoundTripsUuidsAndRefusesEverythingElse) {
  ASSERT_TRUE(EntityKey::Parse(kId).has_value());
  EXPECT_EQ(EntityKey::Parse(kId)->ToString(), kId);
  EXPECT_EQ(EntityKey::Parse("0190B7C8-1111-7ABC-8DEF-0123456789AB"), EntityKey::Parse(kId));
  for (const char* bad : {"", "x", "0190b7c8-1111-7abc-8def-0123456789a", "0190b7c8-1111-7abc-8def-0123456789abc",
                          "0190b7c811117abc8def0123456789ab----", "g190b7c8-1111-7abc-8def-0123456789ab",
                          "0190b7c8-1111-7abc-8def_0123456789ab", "{190b7c8-1111-7abc-8def-0123456789a}"}) {
    EXPECT_FALSE(EntityKey::Parse(bad).has_value()) << bad;
  }
}

TEST(EntitlementState, ChecksAnswerFromTheSegmentOfTheInstant) {
  AnswerSetInterner interner;
  const auto state = TestState(interner);
  pb::CheckResponse before;
  FillCheck(*state, "api", kBoundary - absl::Microseconds(1), false, before);
  EXPECT_TRUE(before.granted());
  EXPECT_EQ(before.value().quota().limit(), 5);
  EXPECT_EQ(before.source(), "plan");
  EXPECT_EQ(before.plan_code(), "pro");
  EXPECT_EQ(before.status(), pb::ENTITLEMENT_STATUS_ACTIVE);
  EXPECT_EQ(before.revision(), 7);
  EXPECT_FALSE(before.stale());
  pb::CheckResponse after;
  FillCheck(*state, "api", kBoundary, true, after);
  EXPECT_FALSE(after.granted());
  EXPECT_FALSE(after.has_value());
  EXPECT_EQ(after.source(), "");
  EXPECT_EQ(after.plan_code(), "free");
  EXPECT_EQ(after.status(), pb::ENTITLEMENT_STATUS_FREE);
  EXPECT_TRUE(after.stale());
}

TEST(EntitlementState, ADisabledKeyIsNotGrantedAndStillHasItsValue) {
  AnswerSetInterner interner;
  pb::CheckResponse response;
  FillCheck(*TestState(interner), "off", kBoundary - absl::Seconds(1), false, response);
  EXPECT_FALSE(response.granted());
  EXPECT_TRUE(response.value().has_boolean());
}

TEST(EntitlementState, TheWholeStateHasEveryKeyWithItsSource) {
  AnswerSetInterner interner;
  pb::GetEntitlementsResponse response;
  FillEntitlements(*TestState(interner), kBoundary - absl::Seconds(1), true, response);
  EXPECT_EQ(response.entity_id(), kId);
  EXPECT_EQ(response.plan_code(), "pro");
  EXPECT_EQ(response.status(), pb::ENTITLEMENT_STATUS_ACTIVE);
  EXPECT_EQ(response.current_period_end().seconds(), 1'800'000'000);
  EXPECT_EQ(response.updated_at().seconds(), 1'700'000'000);
  EXPECT_EQ(response.revision(), 7);
  EXPECT_TRUE(response.stale());
  ASSERT_EQ(response.entitlements_size(), 4);
  EXPECT_EQ(response.entitlements().at("regions").source(), "add_on");
  EXPECT_THAT(response.entitlements().at("regions").value().string_list().values(), ElementsAre("eu", "us"));
}

TEST(EntitlementState, LimitationsSayWhenTheyChangeByThemselves) {
  AnswerSetInterner interner;
  pb::GetLimitationsResponse response;
  FillLimitations(*TestState(interner), kBoundary - absl::Seconds(1), false, response);
  ASSERT_EQ(response.limitations_size(), 4);
  const pb::Limitation& api = response.limitations(0);
  EXPECT_EQ(api.key(), "api");
  EXPECT_EQ(api.type(), "quota");
  EXPECT_EQ(api.limit(), 5);
  EXPECT_EQ(api.interval(), "day");
  EXPECT_EQ(api.enforcement(), billing::types::v1::QUOTA_ENFORCEMENT_SOFT);
  EXPECT_EQ(api.next_change_at().seconds(), 1'800'000'000);
  // The same before and after: it doesn't change.
  EXPECT_EQ(response.limitations(1).key(), "community");
  EXPECT_FALSE(response.limitations(1).has_next_change_at());
  EXPECT_EQ(response.limitations(3).type(), "string_list");
  EXPECT_THAT(response.limitations(3).values(), ElementsAre("eu", "us"));
  EXPECT_EQ(response.computed_at().seconds(), 1'700'000'000);
}

TEST(AnswerSetInterner, SharesEqualAnswersAndForgetsUnusedOnes) {
  AnswerSetInterner interner;
  const auto one = TestState(interner);
  const auto other = TestState(interner);
  EXPECT_EQ(one->segments[0].answers, other->segments[0].answers);
  EXPECT_NE(one->segments[0].answers, one->segments[1].answers);
  for (int i = 0; i < 5000; ++i) {
    interner.Intern("plan", {{"key" + std::to_string(i), {BooleanEntitlement{true}, kSourcePlan}}});
  }
  EXPECT_LT(interner.size(), 1000u);
  EXPECT_EQ(TestState(interner)->segments[0].answers, one->segments[0].answers);
}

}  // namespace
}  // namespace billmesh::entitlements
