#include "services/entitlements/entitlement_rules.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::entitlements {
namespace {

namespace pb = billing::entitlements::v1;
using catalog::BooleanEntitlement;
using catalog::EntitlementValue;
using catalog::QuotaEntitlement;
using catalog::StringListEntitlement;
using ::testing::ElementsAre;

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);
const absl::Time kEnd = kStart + absl::Hours(24 * 30);
constexpr absl::Duration kGrace = absl::Hours(72);
constexpr absl::Duration kTick = absl::Microseconds(1);

catalog::Price MakePrice(const std::string& id, const std::string& component, const std::string& usage) {
  catalog::Price price;
  price.provider = "stripe";
  price.component = component;
  price.usage_type = usage;
  price.provider_price_id = id;
  return price;
}

catalog::Plan MakePlan(const std::string& code, const std::string& kind, std::vector<catalog::Price> prices,
                       std::map<std::string, EntitlementValue> entitlements) {
  catalog::Plan plan;
  plan.code = code;
  plan.kind = kind;
  plan.applies_to = "any";
  plan.prices = std::move(prices);
  plan.entitlements = std::move(entitlements);
  return plan;
}

QuotaEntitlement Quota(int64_t limit, const std::string& interval = "month") { return {limit, interval, true}; }

catalog::Catalog TestCatalog() {
  std::vector<catalog::Plan> plans;
  plans.push_back(
      MakePlan("free", "base", {},
               {{"projects", Quota(3)}, {"sso", BooleanEntitlement{false}}, {"community", BooleanEntitlement{true}}}));
  plans.back().is_default = true;
  plans.push_back(MakePlan("pro", "base",
                           {MakePrice("pro_base", "base", "licensed"), MakePrice("pro_meter", "metered", "metered")},
                           {{"projects", Quota(100)},
                            {"sso", BooleanEntitlement{true}},
                            {"regions", StringListEntitlement{{"eu"}}},
                            {"api", Quota(1000, "day")}}));
  plans.push_back(
      MakePlan("starter", "base", {MakePrice("starter_base", "base", "licensed")}, {{"projects", Quota(10)}}));
  plans.push_back(MakePlan("more", "add_on", {MakePrice("more_addon", "add_on", "licensed")},
                           {{"projects", Quota(50)},
                            {"regions", StringListEntitlement{{"eu", "us"}}},
                            {"api", Quota(7, "month")},  // another interval: makes no sum
                            {"sso", Quota(1)}}));        // another type
  plans.push_back(
      MakePlan("support", "add_on",
               {MakePrice("support_addon", "add_on", "licensed"), MakePrice("support_meter", "metered", "metered")},
               {{"priority", BooleanEntitlement{true}}, {"tickets", Quota(5)}}));
  return catalog::Catalog(4, std::move(plans));
}

ItemInput Item(const std::string& price, std::optional<int64_t> quantity = 1, std::optional<absl::Time> start = kStart,
               std::optional<absl::Time> end = kEnd) {
  return ItemInput{"si_" + price, price, quantity, start, end};
}

EntityInputs Entity(EntitlementStatus status, std::vector<ItemInput> items = {Item("pro_base")}) {
  EntityInputs inputs;
  inputs.kind = "workspace";
  SubscriptionInput subscription;
  subscription.provider = "stripe";
  subscription.status = status;
  subscription.is_current = true;
  subscription.items = std::move(items);
  inputs.subscription = std::move(subscription);
  return inputs;
}

// What a test says of one segment: "from status plan", times relative to the period.
std::string TimeLabel(absl::Time t) {
  if (t == absl::InfinitePast()) return "-";
  const std::pair<absl::Time, const char*> known[] = {
      {kStart, "start"}, {kStart + kGrace, "start+grace"}, {kEnd, "end"}, {kEnd + kGrace, "end+grace"}};
  for (const auto& [time, name] : known) {
    if (t == time) return name;
  }
  return absl::FormatTime(absl::RFC3339_full, t, absl::UTCTimeZone());
}

std::vector<std::string> Describe(const Computed& computed) {
  std::vector<std::string> out;
  for (const Segment& segment : computed.segments) {
    out.push_back(absl::StrCat(TimeLabel(segment.from), " ", StatusName(segment.status), " ", segment.plan_code));
  }
  return out;
}

Computed Answer(const EntityInputs& inputs) { return Compute(inputs, TestCatalog(), RuleSettings{kGrace}); }

TEST(EntitlementRules, WithoutASubscriptionTheDefaultPlanHoldsForever) {
  EntityInputs inputs;
  inputs.kind = "workspace";
  const Computed computed = Answer(inputs);
  EXPECT_THAT(Describe(computed), ElementsAre("- free free"));
  EXPECT_EQ(computed.segments[0].entitlements.at("projects").source, kSourceDefaultPlan);
  EXPECT_EQ(computed.segments[0].until, absl::InfiniteFuture());
  EXPECT_FALSE(computed.current_period_end.has_value());
}

TEST(EntitlementRules, EveryStatusHasItsSegments) {
  const struct {
    EntitlementStatus status;
    bool cancel_at_period_end;
    std::vector<std::string> segments;
  } cases[] = {
      {pb::ENTITLEMENT_STATUS_ACTIVE, false, {"- active pro", "end grace pro", "end+grace free free"}},
      {pb::ENTITLEMENT_STATUS_TRIALING, false, {"- trialing pro", "end grace pro", "end+grace free free"}},
      {pb::ENTITLEMENT_STATUS_PAST_DUE, false, {"- past_due pro", "start grace pro", "start+grace past_due free"}},
      {pb::ENTITLEMENT_STATUS_ACTIVE, true, {"- active pro", "end canceled free"}},
      {pb::ENTITLEMENT_STATUS_TRIALING, true, {"- trialing pro", "end canceled free"}},
      {pb::ENTITLEMENT_STATUS_PAST_DUE, true, {"- past_due pro", "start past_due free", "end canceled free"}},
      {pb::ENTITLEMENT_STATUS_PAUSED, false, {"- paused free"}},
      {pb::ENTITLEMENT_STATUS_UNPAID, false, {"- unpaid free"}},
      {pb::ENTITLEMENT_STATUS_CANCELED, false, {"- canceled free"}},
      {pb::ENTITLEMENT_STATUS_INCOMPLETE, false, {"- incomplete free"}},
      {pb::ENTITLEMENT_STATUS_INCOMPLETE_EXPIRED, false, {"- incomplete_expired free"}},
      {pb::ENTITLEMENT_STATUS_UNPAID, true, {"- unpaid free"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(absl::StrCat(StatusName(c.status), c.cancel_at_period_end ? " canceling" : ""));
    EntityInputs inputs = Entity(c.status);
    inputs.subscription->cancel_at_period_end = c.cancel_at_period_end;
    EXPECT_EQ(Describe(Answer(inputs)), c.segments);
  }
}

TEST(EntitlementRules, ABoundaryBelongsToWhatFollowsIt) {
  const Computed computed = Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE));
  const auto at = [&](absl::Time t) { return computed.segments[SegmentIndexAt(computed.segments, t)]; };
  EXPECT_EQ(at(kEnd - kTick).status, pb::ENTITLEMENT_STATUS_ACTIVE);
  EXPECT_EQ(at(kEnd).status, pb::ENTITLEMENT_STATUS_GRACE);
  EXPECT_EQ(at(kEnd + kGrace - kTick).plan_code, "pro");
  EXPECT_EQ(at(kEnd + kGrace).plan_code, "free");
  EXPECT_EQ(at(absl::InfinitePast()).plan_code, "pro");
}

TEST(EntitlementRules, ACancellationAtAFixedTimeEndsEverythingThere) {
  EntityInputs within = Entity(pb::ENTITLEMENT_STATUS_ACTIVE);
  within.subscription->cancel_at = kStart + kGrace;
  EXPECT_THAT(Describe(Answer(within)), ElementsAre("- active pro", "start+grace canceled free"));

  EntityInputs at_end = Entity(pb::ENTITLEMENT_STATUS_ACTIVE);
  at_end.subscription->cancel_at = kEnd;
  EXPECT_THAT(Describe(Answer(at_end)), ElementsAre("- active pro", "end canceled free"));

  // A renewal is due before it: it has its grace, but never beyond the cancellation.
  EntityInputs later = Entity(pb::ENTITLEMENT_STATUS_ACTIVE);
  later.subscription->cancel_at = kEnd + kGrace;
  EXPECT_THAT(Describe(Answer(later)), ElementsAre("- active pro", "end grace pro", "end+grace canceled free"));
}

TEST(EntitlementRules, WithoutGraceThereIsNoGraceSegment) {
  const Computed computed =
      Compute(Entity(pb::ENTITLEMENT_STATUS_ACTIVE), TestCatalog(), RuleSettings{absl::ZeroDuration()});
  EXPECT_THAT(Describe(computed), ElementsAre("- active pro", "end free free"));
}

TEST(EntitlementRules, UnknownPeriodsGrantWhileActiveAndNotWhilePastDue) {
  const auto item = Item("pro_base", 1, std::nullopt, std::nullopt);
  EXPECT_THAT(Describe(Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {item}))), ElementsAre("- active pro"));
  EXPECT_THAT(Describe(Answer(Entity(pb::ENTITLEMENT_STATUS_PAST_DUE, {item}))), ElementsAre("- past_due free"));
  EXPECT_THAT(Describe(Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {}))), ElementsAre("- active free"));
}

TEST(EntitlementRules, OneThatEndedLendsItsStatusAndADuplicateNothing) {
  EntityInputs ended = Entity(pb::ENTITLEMENT_STATUS_CANCELED);
  ended.subscription->is_current = false;
  EXPECT_THAT(Describe(Answer(ended)), ElementsAre("- canceled free"));
  EXPECT_FALSE(Answer(ended).current_period_end.has_value());
  EntityInputs duplicate = Entity(pb::ENTITLEMENT_STATUS_ACTIVE);
  duplicate.subscription->is_current = false;
  EXPECT_THAT(Describe(Answer(duplicate)), ElementsAre("- free free"));
}

TEST(EntitlementRules, AddOnsComeOnTopOfTheBasePlan) {
  const Computed computed =
      Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("support_addon"), Item("more_addon", 3), Item("pro_base")}));
  const auto& grants = computed.segments[0].entitlements;
  EXPECT_EQ(computed.segments[0].plan_code, "pro");
  EXPECT_EQ(grants.at("projects"), (Granted{Quota(100 + 3 * 50), kSourceAddOn}));
  EXPECT_EQ(grants.at("regions"), (Granted{StringListEntitlement{{"eu", "us"}}, kSourceAddOn}));
  EXPECT_EQ(grants.at("priority"), (Granted{BooleanEntitlement{true}, kSourceAddOn}));
  EXPECT_EQ(grants.at("tickets"), (Granted{Quota(5), kSourceAddOn}));
  // What doesn't fit together leaves the base plan's value.
  EXPECT_EQ(grants.at("api"), (Granted{Quota(1000, "day"), kSourcePlan}));
  EXPECT_EQ(grants.at("sso"), (Granted{BooleanEntitlement{true}, kSourcePlan}));
  // The default plan comes last: only what nobody else names.
  EXPECT_EQ(grants.at("community"), (Granted{BooleanEntitlement{true}, kSourceDefaultPlan}));
}

TEST(EntitlementRules, AnAddOnAloneAddsToTheDefaultPlan) {
  const Computed computed = Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("more_addon", 2)}));
  EXPECT_EQ(computed.segments[0].plan_code, "free");
  EXPECT_EQ(computed.segments[0].status, pb::ENTITLEMENT_STATUS_ACTIVE);
  EXPECT_EQ(computed.segments[0].entitlements.at("projects"), (Granted{Quota(103), kSourceAddOn}));
}

TEST(EntitlementRules, ItemsOfDifferentPeriodsEndEachAtItsOwn) {
  const absl::Time longer = kEnd + absl::Hours(24 * 30);
  const Computed computed =
      Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("pro_base"), Item("more_addon", 1, kStart, longer)}));
  const Segment& after_base = computed.segments[SegmentIndexAt(computed.segments, kEnd + kGrace)];
  EXPECT_EQ(after_base.plan_code, "free");
  EXPECT_EQ(after_base.entitlements.at("projects"), (Granted{Quota(53), kSourceAddOn}));
  const Segment& after_all = computed.segments[SegmentIndexAt(computed.segments, longer + kGrace)];
  EXPECT_EQ(after_all.entitlements.at("projects"), (Granted{Quota(3), kSourceDefaultPlan}));
  EXPECT_EQ(computed.current_period_end, kEnd);
}

TEST(EntitlementRules, QuantitiesCountForAddOnsOnly) {
  // Zero of an add-on is none; a metered price has no quantity and counts once; a base plan isn't multiplied by its
  // seats.
  const Computed zero = Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("pro_base", 9), Item("more_addon", 0)}));
  EXPECT_EQ(zero.segments[0].entitlements.at("projects"), (Granted{Quota(100), kSourcePlan}));
  const Computed metered =
      Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("pro_base"), Item("support_meter", std::nullopt)}));
  EXPECT_EQ(metered.segments[0].entitlements.at("tickets").value, EntitlementValue(Quota(5)));
  const Computed both =
      Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE,
                    {Item("pro_base"), Item("support_meter", std::nullopt), Item("support_addon", 4)}));
  EXPECT_EQ(both.segments[0].entitlements.at("tickets").value, EntitlementValue(Quota(20)));
  const Computed huge =
      Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("pro_base"), Item("more_addon", 9'000'000'000'000'000'000)}));
  EXPECT_EQ(huge.segments[0].entitlements.at("projects").value, EntitlementValue(Quota(catalog::kMaxQuotaLimit)));
}

TEST(EntitlementRules, PricesWithoutAPlanGrantNothingAndAreNamed) {
  const Computed computed = Answer(Entity(pb::ENTITLEMENT_STATUS_ACTIVE, {Item("other"), Item("legacy")}));
  EXPECT_THAT(computed.unmapped_prices, ElementsAre("legacy", "other"));
  EXPECT_EQ(computed.segments[0].status, pb::ENTITLEMENT_STATUS_ACTIVE);
  EXPECT_EQ(computed.segments[0].plan_code, "free");
}

TEST(EntitlementRules, WithoutADefaultPlanNothingIsLeft) {
  const Computed computed = Compute(Entity(pb::ENTITLEMENT_STATUS_UNPAID), catalog::Catalog(), RuleSettings{kGrace});
  EXPECT_THAT(Describe(computed), ElementsAre("- unpaid "));
  EXPECT_TRUE(computed.segments[0].entitlements.empty());
}

TEST(EntitlementRules, EveryStatusHasAName) {
  std::set<std::string> names;
  for (int i = 1; i <= pb::EntitlementStatus_MAX; ++i) {
    const auto status = static_cast<EntitlementStatus>(i);
    const std::string name = StatusName(status);
    EXPECT_FALSE(name.empty()) << i;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(StatusFromName(name), status);
  }
  EXPECT_EQ(StatusFromName("ended"), pb::ENTITLEMENT_STATUS_UNSPECIFIED);
}

TEST(EntitlementRules, StoredFormIsCanonicalAndWithoutBoundsForTheEnds) {
  std::vector<Segment> segments(2);
  segments[0].until = segments[1].from = absl::FromUnixMicros(1'500'000);
  segments[0].status = pb::ENTITLEMENT_STATUS_ACTIVE;
  segments[0].plan_code = "pro";
  segments[0].entitlements["a"] = {BooleanEntitlement{true}, kSourcePlan};
  segments[1].plan_code = "free";
  EXPECT_EQ(
      CanonicalSegments(segments),
      R"([{"entitlements":{"a":{"payload":{"enabled":true},"schema":"entitlement.boolean.v1","source":"plan"}},)"
      R"("from":null,"plan_code":"pro","status":"active","until":"1970-01-01T00:00:01.500000Z"},)"
      R"({"entitlements":{},"from":"1970-01-01T00:00:01.500000Z","plan_code":"free","status":"free","until":null}])");
  EXPECT_EQ(CanonicalContent("[]", false, std::nullopt), R"({"comped":false,"current_period_end":null,"segments":[]})");
}

// The same rules said another way: for one instant, straight from the inputs.
struct Pointwise {
  EntitlementStatus status;
  std::string plan_code;
  std::map<std::string, EntitlementValue> values;
};

Pointwise Oracle(const EntityInputs& inputs, const catalog::Catalog& catalog, absl::Duration grace, absl::Time t) {
  const catalog::Plan& fallback = *catalog.FindPlan("free");
  Pointwise out{pb::ENTITLEMENT_STATUS_FREE, "free", {}};
  const SubscriptionInput& s = *inputs.subscription;
  const bool past_due = s.status == pb::ENTITLEMENT_STATUS_PAST_DUE;
  const bool grants =
      past_due || s.status == pb::ENTITLEMENT_STATUS_ACTIVE || s.status == pb::ENTITLEMENT_STATUS_TRIALING;
  std::map<std::string, int64_t> counts;  // by plan, of the items that grant now
  std::set<std::string> held;
  bool any_base = false;
  for (const ItemInput& item : s.items) {
    const auto ref = catalog.FindPrice("stripe", item.provider_price_id);
    any_base |= ref.has_value() && ref->plan->kind == "base";
  }
  bool paid_now = false, granted_now = false, pro_core = false;
  absl::Time last_end = absl::InfinitePast();
  for (const ItemInput& item : s.items) {
    const auto ref = catalog.FindPrice("stripe", item.provider_price_id);
    const bool is_anchor = !any_base || (ref.has_value() && ref->plan->kind == "base");
    const absl::Time through = past_due ? *item.period_start : *item.period_end;
    bool paid = t < through;
    bool granted = t < through + grace;
    if (s.cancel_at_period_end) granted = paid;
    if (s.cancel_at.has_value()) {
      if (*s.cancel_at <= *item.period_end) granted = paid;
      if (t >= *s.cancel_at) paid = granted = false;
    }
    if (is_anchor) {
      paid_now |= paid;
      granted_now |= granted;
      last_end = std::max(last_end, *item.period_end);
    }
    if (!granted || !ref.has_value()) continue;
    held.insert(ref->plan->code);
    pro_core |= item.provider_price_id == "pro_base";
    counts[ref->plan->code] += item.quantity.value_or(0);
    if (!item.quantity.has_value()) counts[ref->plan->code + " metered"] = 1;
  }
  if (!s.is_current || !grants) {
    out.status = grants ? pb::ENTITLEMENT_STATUS_FREE : s.status;
    out.values = fallback.entitlements;
    return out;
  }
  const absl::Time cancel = s.cancel_at.has_value()  ? *s.cancel_at
                            : s.cancel_at_period_end ? last_end
                                                     : absl::InfiniteFuture();
  out.status = t >= cancel   ? pb::ENTITLEMENT_STATUS_CANCELED
               : paid_now    ? s.status
               : granted_now ? pb::ENTITLEMENT_STATUS_GRACE
               : past_due    ? s.status
                             : pb::ENTITLEMENT_STATUS_FREE;
  const bool pro = held.count("pro") > 0, starter = held.count("starter") > 0;
  // "pro" may be held by its meter alone, and then "starter" is the plan's name.
  if (pro) out.plan_code = "pro";
  if (starter && !pro_core) out.plan_code = "starter";
  const auto projects_of = [&](const char* plan) {
    return std::get<QuotaEntitlement>(catalog.FindPlan(plan)->entitlements.at("projects")).limit;
  };
  // Only "projects" is followed through the sums; the other keys have their own tests.
  int64_t projects = 0;
  if (pro) projects += projects_of("pro");
  if (starter) projects += projects_of("starter");
  if (!pro && !starter) projects += projects_of("free");
  if (held.count("more") > 0) projects += projects_of("more") * counts["more"];
  out.values["projects"] = Quota(std::min(projects, catalog::kMaxQuotaLimit));
  return out;
}

TEST(EntitlementRulesProperty, SegmentsSayAtEveryInstantWhatTheRulesSayThere) {
  const char* given = std::getenv("BILLMESH_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE(absl::StrCat("BILLMESH_TEST_SEED=", seed));
  std::mt19937_64 random(seed);
  const auto pick = [&](int n) { return static_cast<int>(random() % n); };
  const catalog::Catalog catalog = TestCatalog();
  const char* prices[] = {"pro_base", "pro_meter", "starter_base", "more_addon", "support_addon", "unknown"};
  const auto instant = [&] { return kStart + absl::Hours(24) * pick(12); };
  for (int round = 0; round < 3000; ++round) {
    std::vector<ItemInput> items;
    for (int i = pick(4); i >= 0; --i) {
      const absl::Time start = instant();
      const std::string price = prices[pick(6)];
      items.push_back(Item(price, price == "pro_meter" ? std::nullopt : std::optional<int64_t>(pick(4)), start,
                           start + absl::Hours(24) * (1 + pick(6))));
      items.back().provider_item_id = absl::StrCat("si_", i);
    }
    EntityInputs inputs = Entity(static_cast<EntitlementStatus>(2 + pick(9)), items);
    if (inputs.subscription->status == pb::ENTITLEMENT_STATUS_GRACE) continue;  // ours, never the provider's
    inputs.subscription->is_current = pick(8) != 0;
    inputs.subscription->cancel_at_period_end = pick(4) == 0;
    if (pick(4) == 0) inputs.subscription->cancel_at = instant();
    const absl::Duration grace = absl::Hours(24) * pick(4);
    const Computed computed = Compute(inputs, catalog, RuleSettings{grace});

    ASSERT_FALSE(computed.segments.empty());
    ASSERT_EQ(computed.segments.front().from, absl::InfinitePast());
    ASSERT_EQ(computed.segments.back().until, absl::InfiniteFuture());
    for (size_t i = 1; i < computed.segments.size(); ++i) {
      ASSERT_EQ(computed.segments[i - 1].until, computed.segments[i].from);
      ASSERT_LT(computed.segments[i].from, computed.segments[i].until);
    }
    // From scratch, with the items in another order: the same bytes.
    EntityInputs shuffled = inputs;
    std::shuffle(shuffled.subscription->items.begin(), shuffled.subscription->items.end(), random);
    ASSERT_EQ(CanonicalSegments(Compute(shuffled, catalog, RuleSettings{grace}).segments),
              CanonicalSegments(computed.segments));
    for (int day = -1; day < 30; ++day) {
      for (const absl::Duration off : {-kTick, absl::ZeroDuration()}) {
        const absl::Time t = kStart + absl::Hours(24) * day + off;
        const Segment& segment = computed.segments[SegmentIndexAt(computed.segments, t)];
        const Pointwise expected = Oracle(inputs, catalog, grace, t);
        ASSERT_EQ(StatusName(segment.status), StatusName(expected.status)) << "day " << day << " round " << round;
        ASSERT_EQ(segment.plan_code, expected.plan_code) << "day " << day << " round " << round;
        ASSERT_EQ(segment.entitlements.at("projects").value, expected.values.at("projects"))
            << "day " << day << " round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace billmesh::entitlements
