// One-off items in the catalog (CAT-4), and the catalog written as a file again.
#include <string>
#include <vector>

#include "services/checkout/item_store.h"
#include "tests/integration/catalog_fixture.h"

namespace billmesh::checkout {
namespace {

class CatalogItemsTest : public CatalogServiceTest {
 protected:
  CatalogItemsTest() { shelf_.once = {"price_1500", "price_9900"}; }
  std::optional<catalog::OneOffItem> Find(const std::string& code) {
    auto item = db::RunInTransaction(database_.Pool("checkout"), db::Scope::System("test"),
                                     [&](db::Tx& tx) { return FindItem(tx, code); });
    EXPECT_TRUE(item.ok()) << item.status();
    return item.ok() ? *std::move(item) : std::nullopt;
  }
  // Plans and items with every member that a file has.
  static std::string Whole() {
    return FileWithItems(
        {kFree, kPro,
         Plan("team",
              "applies_to: workspace, pricing_model: hybrid, trial_days: 14, automatic_tax: true, "
              "allow_promotion_codes: true, seats: {min: 2, max: 50}, prices: [" +
                  Price(1200) + ", " + Price(300, "seat") +
                  "], entitlements: {regions: {schema: entitlement.string_list.v1, values: [\"true\", \"a: b\"]}}"),
         Plan("old", "active: false, pricing_model: flat, prices: [" + Price(700) + "]"),
         Plan("extra", "kind: add_on, pricing_model: flat, prices: [" + Price(500, "add_on") + "]")},
        {Item("credits", 1500, kGrants), Item("setup", 9900, "active: false, applies_to: user")});
  }
  static constexpr char kGrants[] =
      "grants: {calls: {schema: entitlement.quota.v1, limit: 1000, interval: day, enforcement: soft, "
      "duration_seconds: 2592000}, support: {schema: entitlement.boolean.v1, enabled: true}}";
};

TEST_F(CatalogItemsTest, AreAppliedWithThePlansAndReadBack) {
  const auto report = Apply(FileWithItems({kFree}, {Item("credits", 1500, kGrants)}));
  EXPECT_EQ(Summary(report), "create free,create credits");
  EXPECT_EQ(Footprint(), "1/0/1/1/2/2/1");
  EXPECT_EQ(database_.Value("SELECT detail->'items'->'create' FROM billing.audit_log"), R"(["credits"])");
  const auto item = Find("credits");
  ASSERT_TRUE(item.has_value());
  EXPECT_EQ(item->provider_price_id, "price_1500");
  EXPECT_EQ(item->currency, "eur");
  EXPECT_EQ(item->unit_amount_minor, 1500);
  EXPECT_EQ(item->applies_to, "any");
  EXPECT_TRUE(item->active);
  EXPECT_EQ(item->grants.at("calls"), (catalog::ItemGrant{catalog::QuotaEntitlement{1000, "day", false}, 2'592'000}));
  EXPECT_EQ(item->grants.at("support"), (catalog::ItemGrant{catalog::BooleanEntitlement{true}, std::nullopt}));
  EXPECT_FALSE(Find("other").has_value());
  const auto catalog = service_.Load();
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  ASSERT_NE(catalog->FindItem("credits"), nullptr);
  EXPECT_EQ(catalog->FindItem("credits")->grants, item->grants);
}

TEST_F(CatalogItemsTest, ApplyingAgainWritesNothingAndLeavingThemOutKeepsThem) {
  ASSERT_TRUE(Apply(FileWithItems({kFree}, {Item("credits", 1500, kGrants)})).ok());
  const std::string before = Footprint();
  EXPECT_EQ(Summary(Apply(FileWithItems({kFree}, {Item("credits", 1500, kGrants)}))),
            "unchanged free,unchanged credits");
  EXPECT_EQ(Summary(Apply(File({kFree}))), "unchanged free,unchanged credits");
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogItemsTest, StopAndStartBeingSold) {
  ASSERT_TRUE(Apply(FileWithItems({kFree}, {Item("credits", 1500)})).ok());
  EXPECT_EQ(Summary(Apply(FileWithItems({kFree}, {Item("credits", 1500, "active: false")}))),
            "unchanged free,deactivate credits");
  EXPECT_FALSE(Find("credits")->active);
  EXPECT_EQ(Summary(Apply(FileWithItems({kFree}, {Item("credits", 1500)}))), "unchanged free,activate credits");
  EXPECT_TRUE(Find("credits")->active);
}

TEST_F(CatalogItemsTest, AStoredGrantThatBreaksItsSchemaIsNeverGranted) {
  ASSERT_TRUE(Apply(FileWithItems({kFree}, {Item("credits", 1500, kGrants)})).ok());
  database_.Admin("UPDATE billing.catalog_item_grants SET payload = '{\"enabled\": 1}' WHERE key = 'support'");
  ::testing::internal::CaptureStderr();
  const auto catalog = service_.Load();
  const std::string said = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->FindItem("credits")->invalid_grants, std::vector<std::string>{"support"});
  EXPECT_EQ(catalog->FindItem("credits")->grants.count("support"), 0u);
  EXPECT_EQ(Find("credits")->invalid_grants, std::vector<std::string>{"support"});
  EXPECT_NE(said.find(R"("item_code":"credits")"), std::string::npos) << said;
}

TEST_F(CatalogItemsTest, AnExportedCatalogChangesNothingWhenItIsApplied) {
  const auto applied = Apply(Whole());
  ASSERT_TRUE(applied.ok()) << applied.status();
  const std::string before = Footprint();
  const auto yaml = service_.Export();
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  const auto again = Apply(*yaml);
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << *yaml;
  EXPECT_FALSE(again->applied);
  for (const ReportedChange& change : again->changes) {
    EXPECT_EQ(ActionName(change.action), "unchanged") << change.plan_code << change.item_code << ": " << change.detail;
    EXPECT_EQ(change.detail, "") << "the file lists everything";
  }
  EXPECT_EQ(again->changes.size(), 7u);
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogItemsTest, AnExportAppliedToAnEmptyDatabaseMakesTheSameCatalog) {
  ASSERT_TRUE(Apply(Whole()).ok());
  const auto yaml = service_.Export();
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  const auto before = service_.Load();
  ASSERT_TRUE(before.ok());
  database_.AdminScript(
      "DELETE FROM billing.catalog_item_grants; DELETE FROM billing.catalog_items; DELETE FROM "
      "billing.plan_entitlements; "
      "DELETE FROM billing.plan_prices; DELETE FROM billing.plans");
  ASSERT_TRUE(Apply(*yaml).ok());
  const auto after = service_.Load();
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(CatalogDigest(*after), CatalogDigest(*before));
  EXPECT_EQ(*service_.Export(), *yaml);
}

TEST_F(CatalogItemsTest, MeteredPricesAreVerifiedAndKept) {
  shelf_.metered = {"price_5"};
  const auto report =
      Apply(File({Plan("use", "pricing_model: usage, prices: [" + Price(100) + ", " + Price(5, "metered") + "]")}));
  EXPECT_EQ(Summary(report), "create use");
  const auto catalog = service_.Load();
  ASSERT_TRUE(catalog.ok());
  const catalog::Plan* plan = catalog->FindPlan("use");
  ASSERT_EQ(plan->prices.size(), 2u);
  // The core price is the base, whatever else the plan has.
  EXPECT_EQ(catalog::CorePrice(*plan, "stripe")->provider_price_id, "price_100");
  EXPECT_EQ(plan->prices[1].usage_type, "metered");
}

}  // namespace
}  // namespace billmesh::checkout
