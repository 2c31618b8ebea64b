// CatalogService on real PostgreSQL, with a provider that answers from a shelf: all of a file is applied, or nothing.
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/provider/payment_provider.h"
#include "common/status/status.h"
#include "common/stripe/client_prices.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/checkout/catalog_service.h"

namespace billmesh::checkout {
namespace {

using provider::CallResult;
using provider::Outcome;

// Sells every price that it is asked for by its name: price_<amount>, of prod_<amount>.
class Shelf : public provider::PaymentProvider {
 public:
  explicit Shelf(testing::TestDatabase& database) : database_(database) {}
  bool away = false;
  std::string missing;
  int asked = 0;

  CallResult Retrieve(std::string_view, std::string_view id, const provider::CallOptions&) override {
    ++asked;
    // IDM-15: nothing is open while the provider is asked.
    EXPECT_EQ(database_.Value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                              "AND usename = 'billmesh_checkout' AND xact_start IS NOT NULL"),
              "0");
    if (away) return {.outcome = Outcome::kUnknown, .http_status = 503};
    if (id == missing) return {.outcome = Outcome::kRejected, .http_status = 404, .not_found = true};
    const std::string amount(id.substr(sizeof("price_") - 1));
    const nlohmann::json price = {
        {"id", std::string(id)},
        {"active", true},
        {"currency", "eur"},
        {"product", "prod_" + amount},
        {"unit_amount", std::stoll(amount)},
        {"recurring", {{"interval", "month"}, {"interval_count", 1}, {"usage_type", "licensed"}}}};
    return {.outcome = Outcome::kSuccess, .http_status = 200, .object_json = price.dump()};
  }
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::InternalError("unused"); }
  CallResult Create(const provider::FrozenCreate&, const provider::CallOptions&) override { return {}; }
  CallResult List(std::string_view, const provider::ListQuery&, const provider::CallOptions&) override { return {}; }
  CallResult ExpireCheckoutSession(std::string_view, std::string_view, const provider::CallOptions&) override {
    return {};
  }

 private:
  testing::TestDatabase& database_;
};

std::string Price(int amount, const std::string& component = "base") {
  return absl::StrCat("{component: ", component, ", interval: month, currency: eur, unit_amount_minor: ", amount,
                      ", provider_product_id: prod_", amount, ", provider_price_id: price_", amount, "}");
}

std::string Plan(const std::string& code, const std::string& more) {
  return absl::StrCat("  - {code: ", code, ", family: f-", code, ", version: 1, name: ", code, ", ", more, "}\n");
}

std::string File(const std::vector<std::string>& plans) {
  std::string out = "schema: billmesh.catalog.v1\nplans:\n";
  for (const std::string& plan : plans) out += plan;
  return out;
}

const std::string kFree = Plan("free",
                               "pricing_model: flat, default: true, entitlements: {projects: {schema: "
                               "entitlement.quota.v1, limit: 3, interval: lifetime, enforcement: hard}}");
const std::string kPro =
    Plan("pro", absl::StrCat("pricing_model: flat, trial_days: 7, prices: [", Price(2900),
                             "], entitlements: {sso: {schema: entitlement.boolean.v1, enabled: true}}"));

class CatalogServiceTest : public ::testing::Test {
 protected:
  CatalogServiceTest() {
    operator_.certificate_name = "spiffe://billmesh/operator/ada";
    operator_.kind = auth::CallerKind::kOperator;
  }
  absl::StatusOr<ApplyReport> Apply(const std::string& yaml, bool dry_run = false) {
    return service_.Apply(operator_, yaml, dry_run, database_.clock().Monotonic() + absl::Minutes(1));
  }
  // "create free,create pro"
  static std::string Summary(const absl::StatusOr<ApplyReport>& report) {
    if (!report.ok()) return report.status().ToString();
    std::string out;
    for (const ReportedChange& change : report->changes) {
      absl::StrAppend(&out, out.empty() ? "" : ",", AbslView(ActionName(change.action)), " ", change.plan_code);
    }
    return out;
  }
  std::string Revision() { return database_.Value("SELECT revision FROM billing.catalog_state"); }
  // Everything that an apply may write.
  std::string Footprint() {
    return database_.Value(R"sql(
      SELECT concat_ws('/', (SELECT count(*) FROM billing.plans), (SELECT count(*) FROM billing.plan_prices),
                       (SELECT count(*) FROM billing.plan_entitlements), (SELECT revision FROM billing.catalog_state),
                       (SELECT count(*) FROM billing.audit_log))
    )sql");
  }

  testing::TestDatabase database_;
  Shelf shelf_{database_};
  stripe::StripePriceFormat format_;
  auth::Caller operator_;
  CatalogService service_{{.pool = database_.Pool("checkout"),
                           .ids = database_.ids(),
                           .clock = database_.clock(),
                           .provider = shelf_,
                           .prices = format_,
                           .env = "test",
                           .currency = "eur"}};
};

TEST_F(CatalogServiceTest, AppliesAWholeFileAndReadsItBack) {
  const auto report = Apply(File({kFree, kPro}));
  EXPECT_EQ(Summary(report), "create free,create pro");
  EXPECT_TRUE(report->applied);
  EXPECT_EQ(Footprint(), "2/1/2/2/1");
  const auto catalog = service_.Load();
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  const catalog::Plan* pro = catalog->FindPlan("pro");
  ASSERT_NE(pro, nullptr);
  EXPECT_EQ(pro->trial_days, 7);
  EXPECT_EQ(catalog::CorePrice(*pro, "stripe")->unit_amount_minor, 2900);
  EXPECT_EQ(pro->entitlements.at("sso"), catalog::EntitlementValue(catalog::BooleanEntitlement{true}));
  EXPECT_EQ(catalog->DefaultPlan("workspace")->code, "free");
  EXPECT_EQ(database_.Value("SELECT actor || ' ' || (detail->>'revision') || ' ' || (detail->'create')::text "
                            "FROM billing.audit_log WHERE action = 'BILLING_CATALOG_APPLIED'"),
            R"(service:spiffe://billmesh/operator/ada 2 ["free", "pro"])");
}

TEST_F(CatalogServiceTest, ApplyingAgainWritesNothing) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  const std::string before = Footprint();
  const auto again = Apply(File({kPro, kFree}));
  EXPECT_EQ(Summary(again), "unchanged pro,unchanged free");
  EXPECT_FALSE(again->applied);
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogServiceTest, ADryRunTellsTheSameAndWritesNothing) {
  const std::string before = Footprint();
  const auto plan = Apply(File({kFree, kPro}), /*dry_run=*/true);
  EXPECT_EQ(Summary(plan), "create free,create pro");
  EXPECT_FALSE(plan->applied);
  EXPECT_EQ(shelf_.asked, 1);
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogServiceTest, RefusalsApplyNothing) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  const std::string before = Footprint();
  const std::string fresh = Plan("fresh", "pricing_model: flat");
  struct Case {
    std::string what, yaml, line;
    Reason reason;
  };
  const std::vector<Case> cases = {
      {"a published version changed in place",
       File({fresh, kFree,
             Plan("pro", absl::StrCat("pricing_model: flat, trial_days: 7, prices: [", Price(3900), "]"))}),
       "5", Reason::FAILURE_REASON_ALREADY_EXISTS},
      {"two sellable base prices",
       File({fresh, Plan("two", absl::StrCat("pricing_model: flat, prices: [", Price(100), ", ", Price(200), "]"))}),
       "4", Reason::FAILURE_REASON_CATALOG_INVALID},
      {"a foreign currency",
       File({fresh, Plan("usd",
                         "pricing_model: flat, prices: [{component: base, interval: month, currency: usd, "
                         "unit_amount_minor: 1, provider_product_id: p, provider_price_id: q}]")}),
       "4", Reason::FAILURE_REASON_CATALOG_INVALID},
      {"an unknown schema version",
       File({fresh,
             Plan("new", "pricing_model: flat, entitlements: {sso: {schema: entitlement.boolean.v9, enabled: true}}")}),
       "4", Reason::FAILURE_REASON_CATALOG_INVALID},
      {"an invalid payload",
       File({fresh,
             Plan("new", "pricing_model: flat, entitlements: {sso: {schema: entitlement.boolean.v1, enabled: 1}}")}),
       "4", Reason::FAILURE_REASON_CATALOG_INVALID},
      {"a second default beside the stored one", File({fresh, Plan("other", "pricing_model: flat, default: true")}),
       "4", Reason::FAILURE_REASON_CATALOG_INVALID},
      {"a price that another stored plan has",
       File({fresh, Plan("thief", absl::StrCat("pricing_model: flat, prices: [", Price(2900), "]"))}), "4",
       Reason::FAILURE_REASON_CATALOG_INVALID},
  };
  for (const Case& c : cases) {
    const auto refused = Apply(c.yaml);
    EXPECT_EQ(ReasonOf(refused.status()), c.reason) << c.what << ": " << refused.status();
    EXPECT_EQ(MetadataOf(refused.status())["line"], c.line) << c.what << ": " << refused.status();
    EXPECT_EQ(Footprint(), before) << c.what;
  }
}

TEST_F(CatalogServiceTest, PricesAreVerifiedAtTheProviderFirst) {
  const std::string before = Footprint();
  shelf_.missing = "price_2900";
  const auto missing = Apply(File({kFree, kPro}));
  EXPECT_EQ(ReasonOf(missing.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(missing.status())["line"], "4");
  shelf_.missing.clear();
  shelf_.away = true;
  EXPECT_EQ(ReasonOf(Apply(File({kFree, kPro})).status()), Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE);
  // The shelf's amount follows the id: here they differ.
  shelf_.away = false;
  const auto dearer =
      Apply(File({Plan("pro",
                       "pricing_model: flat, prices: [{component: base, interval: month, currency: eur, "
                       "unit_amount_minor: 1, provider_product_id: prod_2900, provider_price_id: "
                       "price_2900}]")}));
  EXPECT_EQ(ReasonOf(dearer.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogServiceTest, PlansStopAndStartBeingSold) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  const std::string retired =
      Plan("pro", absl::StrCat("active: false, pricing_model: flat, trial_days: 7, prices: [", Price(2900),
                               "], entitlements: {sso: {schema: entitlement.boolean.v1, enabled: true}}"));
  EXPECT_EQ(Summary(Apply(File({retired}))), "deactivate pro,unchanged free");
  EXPECT_EQ(database_.Value("SELECT active FROM billing.plans WHERE code = 'pro'"), "f");
  EXPECT_EQ(Summary(Apply(File({kPro}))), "activate pro,unchanged free");
  EXPECT_EQ(database_.Value("SELECT active FROM billing.plans WHERE code = 'pro'"), "t");
  EXPECT_EQ(Revision(), "4");
}

TEST_F(CatalogServiceTest, TheDefaultMovesInOneApply) {
  ASSERT_TRUE(Apply(File({kFree})).ok());
  std::string old = kFree;
  old.replace(old.find("default: true"), sizeof("default: true") - 1, "default: false");
  const auto moved = Apply(File({Plan("starter", "pricing_model: flat, default: true"), old}));
  EXPECT_EQ(Summary(moved), "create starter,update free");
  EXPECT_EQ(database_.Value("SELECT string_agg(code, ',') FROM billing.plans WHERE is_default AND active"), "starter");
}

TEST_F(CatalogServiceTest, WritersTakeTurnsAndOneApplies) {
  constexpr int kWriters = 6;
  std::vector<absl::StatusOr<ApplyReport>> reports(kWriters, absl::InternalError("did not run"));
  std::vector<std::thread> writers;
  for (int n = 0; n < kWriters; ++n) {
    writers.emplace_back([&, n] {
      reports[n] = service_.Apply(operator_, File({kFree}), false, database_.clock().Monotonic() + absl::Minutes(1));
    });
  }
  for (std::thread& writer : writers) writer.join();
  int applied = 0;
  for (const auto& report : reports) {
    ASSERT_TRUE(report.ok()) << report.status();
    applied += report->applied ? 1 : 0;
  }
  EXPECT_EQ(applied, 1);
  EXPECT_EQ(Footprint(), "1/0/1/2/1");
}

TEST_F(CatalogServiceTest, AStoredPayloadThatBreaksItsSchemaIsNeverShown) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  database_.Admin("UPDATE billing.plan_entitlements SET payload = '{\"enabled\": \"yes\"}' WHERE key = 'sso'");
  const auto catalog = service_.Load();
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->FindPlan("pro")->invalid_entitlements, std::vector<std::string>{"sso"});
  EXPECT_TRUE(catalog->FindPlan("free")->invalid_entitlements.empty());
}

TEST_F(CatalogServiceTest, NoRoleMayRewriteWhatIsPublished) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  const absl::Status denied = database_.Pool("checkout").Run(db::Scope::System("test"), [](db::Tx& tx) {
    return tx.Exec("UPDATE billing.plan_entitlements SET payload = '{}'").status();
  });
  EXPECT_FALSE(denied.ok());
}

}  // namespace
}  // namespace billmesh::checkout
