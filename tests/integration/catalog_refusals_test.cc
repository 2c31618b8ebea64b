// What `billctl catalog apply` refuses (CAT-1 … CAT-4): each with the file's line, and nothing applied.
#include <string>
#include <vector>

#include "common/telemetry/metrics.h"
#include "tests/integration/catalog_fixture.h"

namespace billmesh::checkout {
namespace {

class CatalogRefusalsTest : public CatalogServiceTest {
 protected:
  CatalogRefusalsTest() {
    const auto applied = Apply(File({kFree, kPro}));
    EXPECT_TRUE(applied.ok()) << applied.status();
    before_ = Footprint();
  }
  // Applies a file whose fault stands on `line`, behind a plan without fault, which isn't applied either.
  void ExpectRefused(const std::string& yaml, Reason reason, const std::string& line, const std::string& words) {
    for (const bool dry_run : {true, false}) {
      const absl::Status refused = Apply(yaml, dry_run).status();
      EXPECT_EQ(ReasonOf(refused), reason) << refused;
      EXPECT_EQ(MetadataOf(refused)["line"], line) << refused;
      EXPECT_NE(std::string(refused.message()).find(words), std::string::npos) << refused;
    }
    EXPECT_EQ(Footprint(), before_);
  }
  void ExpectInvalid(const std::string& yaml, const std::string& line, const std::string& words) {
    ExpectRefused(yaml, Reason::FAILURE_REASON_CATALOG_INVALID, line, words);
  }
  static std::string WithPrices(const std::string& prices) { return "pricing_model: flat, prices: [" + prices + "]"; }

  const std::string fresh_ = Plan("fresh", "pricing_model: flat");
  std::string before_;
};

TEST_F(CatalogRefusalsTest, APublishedVersionChangedInPlace) {
  ExpectRefused(File({fresh_, kFree, Plan("pro", "trial_days: 7, " + WithPrices(Price(3900)))}),
                Reason::FAILURE_REASON_ALREADY_EXISTS, "5", "publish a new version");
}

TEST_F(CatalogRefusalsTest, TwoSellableBasePricesForOnePlan) {
  ExpectInvalid(File({fresh_, Plan("two", WithPrices(Price(100) + ", " + Price(200)))}), "4",
                "a second sellable base price");
}

TEST_F(CatalogRefusalsTest, AForeignCurrency) {
  ExpectInvalid(File({fresh_, Plan("usd", WithPrices("{component: base, interval: month, currency: usd, "
                                                     "unit_amount_minor: 1, provider_product_id: p, "
                                                     "provider_price_id: q}"))}),
                "4", "billing currency");
}

TEST_F(CatalogRefusalsTest, AnUnknownSchemaVersion) {
  ExpectInvalid(
      File({fresh_,
            Plan("new", "pricing_model: flat, entitlements: {sso: {schema: entitlement.boolean.v9, enabled: true}}")}),
      "4", "entitlement.boolean.v9");
}

TEST_F(CatalogRefusalsTest, AnInvalidPayload) {
  ExpectInvalid(
      File({fresh_,
            Plan("new", "pricing_model: flat, entitlements: {sso: {schema: entitlement.boolean.v1, enabled: 1}}")}),
      "4", "must be true or false");
}

TEST_F(CatalogRefusalsTest, ASecondDefaultBesideTheStoredOne) {
  ExpectInvalid(File({fresh_, Plan("other", "pricing_model: flat, default: true")}), "4", "is the default");
}

TEST_F(CatalogRefusalsTest, APriceOfAnotherStoredPlan) {
  ExpectInvalid(File({fresh_, Plan("thief", WithPrices(Price(2900)))}), "4", "belongs to the stored plan pro");
}

TEST_F(CatalogRefusalsTest, APriceThatTheProviderDoesNotHave) {
  shelf_.missing = "price_100";
  ExpectInvalid(File({fresh_, Plan("gone", WithPrices(Price(100)))}), "4", "the provider has no price price_100");
}

TEST_F(CatalogRefusalsTest, AnArchivedPrice) {
  shelf_.other = {{"active", false}};
  ExpectInvalid(File({fresh_, Plan("old", WithPrices(Price(100)))}), "4", "is archived");
}

TEST_F(CatalogRefusalsTest, APriceOfAnotherAmount) {
  shelf_.other = {{"unit_amount", 101}};
  ExpectInvalid(File({fresh_, Plan("dear", WithPrices(Price(100)))}), "4", "the provider's amount is 101");
}

TEST_F(CatalogRefusalsTest, APriceOfAnotherCurrencyAtTheProvider) {
  shelf_.other = {{"currency", "usd"}};
  ExpectInvalid(File({fresh_, Plan("us", WithPrices(Price(100)))}), "4", "the provider's currency is usd");
}

TEST_F(CatalogRefusalsTest, APlansPriceThatIsNotRecurring) {
  shelf_.other = {{"recurring", nullptr}};
  ExpectInvalid(File({fresh_, Plan("once", WithPrices(Price(100)))}), "4", "isn't recurring");
}

TEST_F(CatalogRefusalsTest, AMeteredPriceThatIsLicensedAtTheProvider) {
  const std::string metered =
      Plan("use", "pricing_model: usage, prices: [" + Price(100) + ", " + Price(5, "metered") + "]");
  ExpectInvalid(File({fresh_, metered}), "4", "the provider's usage type is licensed");
}

TEST_F(CatalogRefusalsTest, AnItemsPriceThatIsRecurring) {
  ExpectInvalid(FileWithItems({fresh_}, {Item("credits", 1500)}), "5", "isn't a one-time price");
}

TEST_F(CatalogRefusalsTest, AnItemsPriceThatTheProviderDoesNotHave) {
  shelf_.missing = "price_1500";
  ExpectInvalid(FileWithItems({fresh_}, {Item("credits", 1500)}), "5", "the provider has no price price_1500");
}

TEST_F(CatalogRefusalsTest, APublishedItemChangedInPlace) {
  shelf_.other = {{"recurring", nullptr}};
  ASSERT_TRUE(Apply(FileWithItems({fresh_}, {Item("credits", 1500)})).ok());
  before_ = Footprint();
  ExpectRefused(FileWithItems({kFree}, {Item("new", 100), Item("credits", 1600)}),
                Reason::FAILURE_REASON_ALREADY_EXISTS, "6", "publish another code");
}

TEST_F(CatalogRefusalsTest, AProviderThatIsAwaySaysNothingAboutTheFile) {
  shelf_.away = true;
  EXPECT_EQ(ReasonOf(Apply(File({Plan("new", WithPrices(Price(100)))})).status()),
            Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE);
  EXPECT_EQ(Footprint(), before_);
}

// CAT-2: the key in the database, whatever the code believes.
TEST_F(CatalogRefusalsTest, ASecondActiveLicensedBasePriceIsRefusedByTheDatabase) {
  const auto insert = [&](const std::string& price_id, const char* component, const char* usage, bool active) {
    return database_.Pool("checkout").Run(db::Scope::System("test"), [&](db::Tx& tx) {
      return tx
          .Exec(R"sql(
        INSERT INTO billing.plan_prices (id, plan_id, provider, component, usage_type, interval, interval_count, currency,
                                         unit_amount_minor, provider_product_id, provider_price_id, active)
        SELECT gen_random_uuid(), p.id, 'stripe', $2, $3, 'month', 1, 'eur', 1, 'prod', $1, $4
        FROM billing.plans p WHERE p.code = 'pro'
      )sql",
                {price_id, component, usage, active})
          .status();
    });
  };
  const absl::Status second = insert("price_second", "base", "licensed", true);
  EXPECT_EQ(ReasonOf(second), Reason::FAILURE_REASON_CONSTRAINT_VIOLATION) << second;
  EXPECT_EQ(MetadataOf(second)["constraint"], "plan_prices_one_sellable_base_key");
  // The key is about nothing else.
  EXPECT_TRUE(insert("price_old", "base", "licensed", false).ok());
  EXPECT_TRUE(insert("price_use", "metered", "metered", true).ok());
}

TEST_F(CatalogRefusalsTest, NoRoleMayRewriteWhatIsPublished) {
  shelf_.other = {{"recurring", nullptr}};
  ASSERT_TRUE(Apply(FileWithItems({kFree}, {Item("credits", 1500)})).ok());
  for (const char* sql :
       {"UPDATE billing.plan_entitlements SET payload = '{}'", "UPDATE billing.plans SET trial_days = 9",
        "UPDATE billing.plans SET content_sha256 = ''", "UPDATE billing.plan_prices SET unit_amount_minor = 1",
        "DELETE FROM billing.plan_prices", "UPDATE billing.catalog_items SET unit_amount_minor = 1",
        "DELETE FROM billing.catalog_items", "UPDATE billing.catalog_item_grants SET duration_seconds = NULL"}) {
    EXPECT_FALSE(database_.Pool("checkout")
                     .Run(db::Scope::System("test"), [&](db::Tx& tx) { return tx.Exec(sql).status(); })
                     .ok())
        << sql;
  }
}

// CAT-5: the alert says which plan, and which version of it.
TEST_F(CatalogRefusalsTest, AStoredPayloadThatBreaksItsSchemaIsNeverShownAndRaisesTheAlert) {
  database_.Admin("UPDATE billing.plan_entitlements SET payload = '{\"enabled\": \"yes\"}' WHERE key = 'sso'");
  ::testing::internal::CaptureStderr();
  const auto catalog = service_.Load();
  const std::string said = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->FindPlan("pro")->invalid_entitlements, std::vector<std::string>{"sso"});
  EXPECT_TRUE(catalog->FindPlan("pro")->entitlements.empty());
  EXPECT_TRUE(catalog->FindPlan("free")->invalid_entitlements.empty());
  EXPECT_NE(said.find("BILLING_INVALID_ENTITLEMENT_PAYLOAD"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("plan_code":"pro")"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("plan_version":"1")"), std::string::npos) << said;
  EXPECT_NE(telemetry::RenderMetrics().find("billmesh_guardrail_total{code=\"BILLING_INVALID_ENTITLEMENT_PAYLOAD\"}"),
            std::string::npos);
  // What isn't what was published can't be written down as if it were.
  EXPECT_EQ(ReasonOf(service_.Export().status()), Reason::FAILURE_REASON_CATALOG_INVALID);
}

}  // namespace
}  // namespace billmesh::checkout
