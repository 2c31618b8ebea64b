// One-off items in the catalog file, and the catalog written as such a file.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/catalog/catalog_file.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::catalog {
namespace {

constexpr char kGood[] = R"(schema: billmesh.catalog.v1
plans:
  - {code: free-v1, family: free, version: 1, name: Free, pricing_model: flat, default: true}
  - code: pro-v1
    family: pro
    version: 3
    name: "Prö: \"the\" # big one"
    kind: base
    applies_to: workspace
    pricing_model: hybrid
    trial_days: 14
    automatic_tax: true
    allow_promotion_codes: true
    seats: {min: 2, max: 50}
    active: false
    prices:
      - {component: base, interval: month, currency: usd, unit_amount_minor: 2900, provider_product_id: prod_1,
         provider_price_id: price_1}
      - {component: metered, interval: month, interval_count: 3, currency: usd, unit_amount_minor: 0,
         provider_product_id: prod_1, provider_price_id: price_2}
    entitlements:
      regions: {schema: entitlement.string_list.v1, values: ["true", "1", "a: b", "ü\"\\"]}
      sso: {schema: entitlement.boolean.v1, enabled: false}
items:
  - code: credits-1000-v1
    name: 1,000 credits
    applies_to: workspace
    currency: usd
    unit_amount_minor: 1500
    provider_product_id: prod_2
    provider_price_id: price_3
    grants:
      credits: {schema: entitlement.quota.v1, limit: 1000, interval: month, enforcement: hard}
      support:
        schema: entitlement.boolean.v1
        enabled: true
        duration_seconds: 2592000
  - {code: setup-v1, name: Setup, active: false, currency: usd, unit_amount_minor: 9900, provider_product_id: prod_3,
     provider_price_id: price_4}
)";

FileOptions Usd() { return {.currency = "usd"}; }

TEST(CatalogItemsTest, ReadsEveryMember) {
  const auto file = ParseFile(kGood, Usd());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->items.size(), 2u);
  const OneOffItem& credits = file->items[0].item;
  EXPECT_EQ(credits.code, "credits-1000-v1");
  EXPECT_EQ(credits.name, "1,000 credits");
  EXPECT_EQ(credits.applies_to, "workspace");
  EXPECT_EQ(credits.provider, "stripe");
  EXPECT_EQ(credits.unit_amount_minor, 1500);
  EXPECT_EQ(credits.provider_price_id, "price_3");
  EXPECT_TRUE(credits.active);
  EXPECT_EQ(credits.grants.at("credits"), (ItemGrant{QuotaEntitlement{1000, "month", true}, std::nullopt}));
  EXPECT_EQ(credits.grants.at("support"), (ItemGrant{BooleanEntitlement{true}, 2'592'000}));
  EXPECT_EQ(file->items[0].price.line, 25);
  EXPECT_FALSE(file->items[1].item.active);
  EXPECT_EQ(file->items[1].item.applies_to, "any");
  EXPECT_TRUE(file->items[1].item.grants.empty());
}

struct Refusal {
  std::string name, from, to, line, message_part;
};

class CatalogItemsRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(CatalogItemsRefusalTest, NamesTheLine) {
  const Refusal& refusal = GetParam();
  const std::string yaml = absl::StrReplaceAll(kGood, {{refusal.from, refusal.to}});
  ASSERT_NE(yaml, kGood) << "the edit changed nothing";
  const auto file = ParseFile(yaml, Usd());
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(ReasonOf(file.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(file.status())["line"], refusal.line) << file.status();
  EXPECT_NE(MetadataOf(file.status())["where"], "");
  EXPECT_NE(std::string(file.status().message()).find(refusal.message_part), std::string::npos) << file.status();
}

INSTANTIATE_TEST_SUITE_P(
    Table, CatalogItemsRefusalTest,
    testing::Values(
        Refusal{"UnknownMember", "    name: 1,000 credits", "    nam: 1,000 credits", "26", "unknown member"},
        Refusal{"NoList", "items:\n", "items: {}\nitem:\n", "25", "unknown member"},
        Refusal{"MissingName", "    name: 1,000 credits\n", "", "25", "is required"},
        Refusal{"BadCode", "code: credits-1000-v1", "code: Credits", "25", "must be of a-z"},
        Refusal{"DuplicateCode", "code: setup-v1", "code: credits-1000-v1", "38",
                "duplicate code; the other is on line 25"},
        Refusal{"ForeignCurrency", "    currency: usd\n    unit", "    currency: eur\n    unit", "28",
                "billing currency"},
        Refusal{"FreeOfCharge", "1500", "0", "29", "must be an integer from 1"},
        Refusal{"WithAnInterval", "    unit_amount_minor: 1500", "    unit_amount_minor: 1500\n    interval: month",
                "30", "unknown member"},
        Refusal{"HalfOfTheProviderIds", "    provider_product_id: prod_2\n", "", "25", "together"},
        Refusal{"PriceOfAPlan", "price_3", "price_1", "25", "a provider price used twice; the other is on line 17"},
        Refusal{"UnknownSchema", "schema: entitlement.quota.v1, limit: 1000",
                "schema: entitlement.quota.v2, limit: 1000", "33", "is not known"},
        Refusal{"InvalidPayload", "limit: 1000", "limit: none", "33", "entitlement.quota.v1"},
        Refusal{"GrantsNothing", "limit: 1000", "limit: 0", "33", "grants nothing"},
        Refusal{"BadKey", "      credits:", "      CREDITS:", "33", "key"},
        Refusal{"NoDuration", "2592000", "0", "37", "from 1 to"},
        Refusal{"TooLongADuration", "2592000", "315360001", "37", "from 1 to"}),
    [](const auto& test) { return test.param.name; });

TEST(CatalogItemsTest, ContentIsWhatIsCommercial) {
  const auto file = ParseFile(kGood, Usd());
  ASSERT_TRUE(file.ok()) << file.status();
  const OneOffItem& stored = file->items[0].item;
  OneOffItem other = stored;
  other.name = "Credits";
  other.active = false;
  other.id = "x";
  EXPECT_EQ(ContentSha256(other), stored.content_sha256);
  EXPECT_EQ(DescribeContentChange(stored, other), "");
  other.grants["support"].duration_seconds.reset();
  EXPECT_NE(ContentSha256(other), stored.content_sha256);
  EXPECT_NE(DescribeContentChange(stored, other).find("grants.support.duration_seconds: 2592000 → nothing"),
            std::string::npos);
  other = stored;
  other.unit_amount_minor = 1;
  EXPECT_NE(ContentSha256(other), stored.content_sha256);
}

TEST(CatalogWriteFileTest, ReadingItGivesTheSameCatalog) {
  auto file = ParseFile(kGood, Usd());
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<Plan> plans;
  std::vector<OneOffItem> items;
  for (FilePlan& plan : file->plans) plans.push_back(plan.plan);
  for (FileItem& item : file->items) items.push_back(item.item);
  const Catalog catalog(1, plans, items);
  const std::string yaml = WriteFile(catalog);
  const auto again = ParseFile(yaml, Usd());
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << yaml;
  ASSERT_EQ(again->plans.size(), plans.size());
  ASSERT_EQ(again->items.size(), items.size());
  for (const FilePlan& plan : again->plans) {
    const Plan& before = *catalog.FindPlan(plan.plan.code);
    EXPECT_EQ(DescribeContentChange(before, plan.plan), "");
    EXPECT_EQ(plan.plan.content_sha256, before.content_sha256);
    EXPECT_EQ(plan.plan.name, before.name);
    EXPECT_EQ(plan.plan.active, before.active);
    EXPECT_EQ(plan.plan.is_default, before.is_default);
  }
  for (const FileItem& item : again->items) {
    const OneOffItem& before = *catalog.FindItem(item.item.code);
    EXPECT_EQ(item.item.content_sha256, before.content_sha256);
    EXPECT_EQ(item.item.name, before.name);
    EXPECT_EQ(item.item.active, before.active);
  }
}

}  // namespace
}  // namespace billmesh::catalog
