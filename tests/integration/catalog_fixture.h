// CatalogService on real PostgreSQL, with a provider that answers from a shelf.
#pragma once

#include <set>
#include <string>
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

// Sells every price that it is asked for by its name: price_<amount>, of prod_<amount>.
class Shelf : public provider::PaymentProvider {
 public:
  explicit Shelf(testing::TestDatabase& database) : database_(database) {}
  bool away = false;
  std::string missing;
  // Ids of one-time and of metered prices; the others are licensed and recurring.
  std::set<std::string> once, metered;
  // Merged into every price that is asked for.
  nlohmann::json other = nlohmann::json::object();
  int asked = 0;

  provider::CallResult Retrieve(std::string_view, std::string_view id, const provider::CallOptions&) override {
    ++asked;
    // IDM-15: nothing is open while the provider is asked.
    EXPECT_EQ(database_.Value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                              "AND usename = 'billmesh_checkout' AND xact_start IS NOT NULL"),
              "0");
    if (away) return {.outcome = provider::Outcome::kUnknown, .http_status = 503};
    if (id == missing) return {.outcome = provider::Outcome::kRejected, .http_status = 404, .not_found = true};
    const std::string amount(id.substr(sizeof("price_") - 1));
    nlohmann::json price = {{"id", std::string(id)},
                            {"active", true},
                            {"currency", "eur"},
                            {"product", "prod_" + amount},
                            {"unit_amount", std::stoll(amount)},
                            {"recurring", {{"interval", "month"}, {"interval_count", 1}, {"usage_type", "licensed"}}}};
    if (once.count(std::string(id)) != 0) price["recurring"] = nullptr;
    if (metered.count(std::string(id)) != 0) price["recurring"]["usage_type"] = "metered";
    price.update(other);
    return {.outcome = provider::Outcome::kSuccess, .http_status = 200, .object_json = price.dump()};
  }
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::InternalError("unused"); }
  provider::CallResult Send(const provider::FrozenCall&, const provider::CallOptions&) override { return {}; }
  provider::CallResult List(std::string_view, const provider::ListQuery&, const provider::CallOptions&) override {
    return {};
  }
  provider::CallResult ExpireCheckoutSession(std::string_view, std::string_view,
                                             const provider::CallOptions&) override {
    return {};
  }

 private:
  testing::TestDatabase& database_;
};

inline std::string Price(int amount, const std::string& component = "base") {
  return absl::StrCat("{component: ", component, ", interval: month, currency: eur, unit_amount_minor: ", amount,
                      ", provider_product_id: prod_", amount, ", provider_price_id: price_", amount, "}");
}

inline std::string Plan(const std::string& code, const std::string& more) {
  return absl::StrCat("  - {code: ", code, ", family: f-", code, ", version: 1, name: ", code, ", ", more, "}\n");
}

inline std::string File(const std::vector<std::string>& plans) {
  std::string out = "schema: billmesh.catalog.v1\nplans:\n";
  for (const std::string& plan : plans) out += plan;
  return out;
}

// An item of this amount: price_<amount>, of prod_<amount>.
inline std::string Item(const std::string& code, int amount, const std::string& more = "") {
  return absl::StrCat("  - {code: ", code, ", name: ", code, ", currency: eur, unit_amount_minor: ", amount,
                      ", provider_product_id: prod_", amount, ", provider_price_id: price_", amount,
                      more.empty() ? "" : ", ", more, "}\n");
}

inline std::string FileWithItems(const std::vector<std::string>& plans, const std::vector<std::string>& items) {
  std::string out = File(plans) + "items:\n";
  for (const std::string& item : items) out += item;
  return out;
}

inline const std::string kFree = Plan("free",
                                      "pricing_model: flat, default: true, entitlements: {projects: {schema: "
                                      "entitlement.quota.v1, limit: 3, interval: lifetime, enforcement: hard}}");
inline const std::string kPro =
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
      absl::StrAppend(&out, out.empty() ? "" : ",", AbslView(ActionName(change.action)), " ", change.plan_code,
                      change.item_code);
    }
    return out;
  }
  std::string Revision() { return database_.Value("SELECT revision FROM billing.catalog_state"); }
  // Everything that an apply may write.
  std::string Footprint() {
    return database_.Value(R"sql(
      SELECT concat_ws('/', (SELECT count(*) FROM billing.plans), (SELECT count(*) FROM billing.plan_prices),
                       (SELECT count(*) FROM billing.plan_entitlements), (SELECT count(*) FROM billing.catalog_items),
                       (SELECT count(*) FROM billing.catalog_item_grants), (SELECT revision FROM billing.catalog_state),
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

}  // namespace billmesh::checkout
