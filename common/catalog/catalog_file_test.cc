#include "common/catalog/catalog_file.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::catalog {
namespace {

constexpr char kGood[] = R"(schema: billmesh.catalog.v1
plans:
  - code: free-v1
    family: free
    version: 1
    name: Free
    pricing_model: flat
    default: true
    entitlements:
      projects: {schema: entitlement.quota.v1, limit: 3, interval: lifetime, enforcement: hard}
  - code: pro-v1
    family: pro
    version: 1
    name: Pro
    applies_to: workspace
    pricing_model: per_seat
    trial_days: 14
    seats: {min: 2, max: 50}
    prices:
      - component: base
        interval: month
        currency: usd
        unit_amount_minor: 2900
        provider_product_id: prod_1
        provider_price_id: price_1
    entitlements:
      sso: {schema: entitlement.boolean.v1, enabled: true}
      regions:
        schema: entitlement.string_list.v1
        values: [us, eu, "1"]
)";

FileOptions Usd() { return {.currency = "usd"}; }

std::string Replaced(const std::string& from, const std::string& to) {
  const std::string out = absl::StrReplaceAll(kGood, {{from, to}});
  EXPECT_NE(out, kGood) << "the edit changed nothing: " << from;
  return out;
}

TEST(CatalogFileTest, ReadsEveryMember) {
  const auto file = ParseFile(kGood, Usd());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->plans.size(), 2u);
  const Plan& free = file->plans[0].plan;
  EXPECT_TRUE(free.is_default);
  EXPECT_TRUE(free.active);
  EXPECT_EQ(free.kind, "base");
  EXPECT_EQ(free.applies_to, "any");
  EXPECT_EQ(free.seats_max, 1);
  EXPECT_EQ(free.entitlements.at("projects"), EntitlementValue(QuotaEntitlement{3, "lifetime", true}));
  const Plan& pro = file->plans[1].plan;
  EXPECT_EQ(pro.trial_days, 14);
  EXPECT_EQ(pro.seats_min, 2);
  ASSERT_EQ(pro.prices.size(), 1u);
  EXPECT_EQ(pro.prices[0].usage_type, "licensed");
  EXPECT_EQ(pro.prices[0].interval_count, 1);
  EXPECT_EQ(pro.prices[0].unit_amount_minor, 2900);
  EXPECT_EQ(pro.entitlements.at("regions"), EntitlementValue(StringListEntitlement{{"1", "eu", "us"}}));
  EXPECT_EQ(file->plans[1].line, 11);
  EXPECT_EQ(file->plans[1].prices[0].line, 20);
}

struct Refusal {
  std::string name;
  std::string from, to;
  std::string line;
  std::string message_part;
};

class CatalogFileRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(CatalogFileRefusalTest, NamesTheLine) {
  const Refusal& refusal = GetParam();
  const auto file = ParseFile(Replaced(refusal.from, refusal.to), Usd());
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(ReasonOf(file.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(file.status())["line"], refusal.line) << file.status();
  EXPECT_NE(MetadataOf(file.status())["where"], "");
  EXPECT_NE(std::string(file.status().message()).find(refusal.message_part), std::string::npos) << file.status();
}

constexpr char kPrice[] = "      - component: base\n        interval: month\n        currency: usd\n";

INSTANTIATE_TEST_SUITE_P(
    Table, CatalogFileRefusalTest,
    testing::Values(
        Refusal{"UnknownFileSchema", "billmesh.catalog.v1", "billmesh.catalog.v9", "1", "must be one of"},
        Refusal{"UnknownPlanMember", "    trial_days: 14", "    trial_dayz: 14", "17", "unknown member"},
        Refusal{"UnknownPriceMember", "        unit_amount_minor: 2900", "        unit_amount: 2900", "23",
                "unknown member"},
        Refusal{"UnknownTopMember", "plans:", "plan: 1\nplans:", "2", "unknown member"},
        Refusal{"MemberTwice", "    trial_days: 14", "    name: Pro again", "17", "given twice"},
        Refusal{"MissingMember", "    name: Pro\n", "", "11", "is required"},
        Refusal{"DuplicateCode", "code: pro-v1", "code: free-v1", "11", "duplicate code; the other is on line 3"},
        Refusal{"DuplicateFamilyVersion", "family: pro", "family: free", "11", "duplicate version"},
        Refusal{"BadCode", "code: pro-v1", "code: Pro V1", "11", "must be of a-z"},
        Refusal{"ForeignCurrency", "currency: usd", "currency: eur", "22", "billing currency"},
        Refusal{"UpperCaseCurrency", "currency: usd", "currency: USD", "22", "lower-case"},
        Refusal{"FractionalAmount", "2900", "29.00", "23", "must be an integer"},
        Refusal{"QuotedAmount", "2900", "\"2900\"", "23", "must be an integer"},
        Refusal{"NegativeAmount", "2900", "-1", "23", "must be an integer from 0"},
        Refusal{"HugeAmount", "2900", "99999999999999999999", "23", "must be an integer"},
        Refusal{"MeteredBase", "component: base\n", "component: base\n        usage_type: metered\n", "21",
                "is licensed"},
        Refusal{"SeatsOfFlatPlan", "pricing_model: per_seat", "pricing_model: flat", "18", "several seats"},
        Refusal{"SeatsReversed", "{min: 2, max: 50}", "{min: 3, max: 2}", "18", "below min"},
        Refusal{"MeteredPriceOfSeatPlan", "component: base", "component: metered", "20", "can't have a metered price"},
        Refusal{"AddOnPriceOfBasePlan", "component: base", "component: add_on", "20", "kind base"},
        Refusal{"SecondBasePrice", kPrice,
                absl::StrCat(kPrice,
                             "        unit_amount_minor: 1\n        provider_product_id: prod_2\n        "
                             "provider_price_id: price_2\n",
                             kPrice),
                "26", "a second sellable base price; the first is on line 20"},
        Refusal{"MissingProviderIds", "        provider_product_id: prod_1\n        provider_price_id: price_1\n", "",
                "20", "billctl catalog provision"},
        Refusal{"HalfOfTheProviderIds", "        provider_product_id: prod_1\n", "", "20", "together"},
        Refusal{"PaidDefault", "    trial_days: 14", "    default: true", "17", "without paying"},
        Refusal{"SecondDefault",
                "    applies_to: workspace\n    pricing_model: per_seat\n    trial_days: 14\n    seats: {min: 2, max: "
                "50}\n    prices:\n      - component: base\n        interval: month\n        currency: usd\n        "
                "unit_amount_minor: 2900\n        provider_product_id: prod_1\n        provider_price_id: price_1\n",
                "    pricing_model: flat\n    default: true\n", "11", "a second default plan"},
        Refusal{"UnknownEntitlementSchema", "entitlement.boolean.v1", "entitlement.boolean.v2", "27", "is not known"},
        Refusal{"UnknownEntitlementMember", "enabled: true", "enabled: true, extra: 1", "27", "not a member"},
        Refusal{"EntitlementOfWrongType", "enabled: true", "enabled: \"true\"", "27", "must be true or false"},
        Refusal{"EntitlementMemberOnItsOwnLine", "values: [us, eu, \"1\"]", "values: [us, us]", "30", "distinct"},
        Refusal{"BadEntitlementKey", "sso:", "SSO:", "27", "key"},
        Refusal{"NotYaml", "plans:\n", "plans: [\n", "3", "file"},
        Refusal{"TwoDocuments", "schema: billmesh.catalog.v1", "a: 1\n---\nschema: billmesh.catalog.v1", "1",
                "one YAML document"},
        Refusal{"NotUtf8", "name: Pro", "name: \xff\xfe", "1", "UTF-8"},
        Refusal{"ControlCharacter", "name: Pro", "name: \"a\\nb\"", "14", "control"},
        Refusal{"NullName", "name: Pro", "name:", "14", "must be a text"}),
    [](const auto& test) { return test.param.name; });

TEST(CatalogFileTest, RefusesASecondCurrencyWhereNoneIsGiven) {
  const std::string add_on = R"(  - code: extra-v1
    family: extra
    version: 1
    name: Extra
    kind: add_on
    pricing_model: flat
    prices:
      - {component: add_on, interval: month, currency: eur, unit_amount_minor: 500}
)";
  const auto file = ParseFile(absl::StrCat(kGood, add_on), {.require_provider_ids = false});
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(MetadataOf(file.status())["line"], "38") << file.status();
}

TEST(CatalogFileTest, LeavesOutProviderIdsOnlyWhereAllowed) {
  const std::string yaml = Replaced("        provider_product_id: prod_1\n        provider_price_id: price_1\n", "");
  EXPECT_FALSE(ParseFile(yaml, Usd()).ok());
  const auto file = ParseFile(yaml, {.currency = "usd", .require_provider_ids = false});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->plans[1].plan.prices[0].provider_price_id, "");
  EXPECT_EQ(yaml.substr(file->plans[1].prices[0].offset, 15), "component: base");
  EXPECT_FALSE(file->plans[1].prices[0].flow);
}

TEST(CatalogFileTest, DeepNestingIsAnErrorNotACrash) {
  const std::string deep = absl::StrCat("schema: ", std::string(100'000, '['));
  EXPECT_FALSE(ParseFile(deep, Usd()).ok());
}

TEST(CatalogContentTest, IgnoresWhatMayChangeAndPriceOrder) {
  const auto file = ParseFile(kGood, Usd());
  ASSERT_TRUE(file.ok());
  Plan plan = file->plans[1].plan;
  plan.prices.push_back(plan.prices[0]);
  plan.prices[1].component = "seat";
  const std::string before = ContentSha256(plan);
  std::swap(plan.prices[0], plan.prices[1]);
  plan.name = "Professional";
  plan.active = false;
  plan.is_default = true;
  plan.id = "x";
  EXPECT_EQ(ContentSha256(plan), before);
}

TEST(CatalogContentTest, NamesEachCommercialChange) {
  const auto file = ParseFile(kGood, Usd());
  ASSERT_TRUE(file.ok());
  const Plan& stored = file->plans[1].plan;
  EXPECT_EQ(DescribeContentChange(stored, stored), "");
  Plan declared = stored;
  declared.prices[0].unit_amount_minor = 3900;
  declared.entitlements.erase("sso");
  EXPECT_NE(ContentSha256(declared), stored.content_sha256);
  const std::string words = DescribeContentChange(stored, declared);
  EXPECT_NE(words.find("prices.base.unit_amount_minor: 2900 → 3900"), std::string::npos) << words;
  EXPECT_NE(words.find("entitlements.sso"), std::string::npos) << words;
}

}  // namespace
}  // namespace billmesh::catalog
