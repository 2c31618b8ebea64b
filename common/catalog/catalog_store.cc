#include "common/catalog/catalog_store.h"

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/status/status.h"
#include "common/telemetry/metrics.h"

namespace billmesh::catalog {
namespace {

// A catalog changes a few times a year: a second attempt is already rare.
constexpr int kMaxReadAttempts = 5;

absl::StatusOr<std::vector<Plan>> LoadPlans(db::Tx& tx, std::unordered_map<std::string, size_t>& index) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT id, code, family_code, version, name, kind, applies_to, pricing_model, trial_days, automatic_tax,
           allow_promotion_codes, seats_min, seats_max, is_default, active, content_sha256
    FROM billing.plans
    ORDER BY code
  )sql"));
  std::vector<Plan> plans;
  plans.reserve(rows.size());
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    Plan plan;
    plan.id = row.Text(0);
    plan.code = row.Text(1);
    plan.family_code = row.Text(2);
    plan.version = row.Int(3);
    plan.name = row.Text(4);
    plan.kind = row.Text(5);
    plan.applies_to = row.Text(6);
    plan.pricing_model = row.Text(7);
    plan.trial_days = row.Int(8);
    plan.automatic_tax = row.Bool(9);
    plan.allow_promotion_codes = row.Bool(10);
    plan.seats_min = row.Int(11);
    plan.seats_max = row.Int(12);
    plan.is_default = row.Bool(13);
    plan.active = row.Bool(14);
    plan.content_sha256 = row.Text(15);
    index.emplace(plan.id, plans.size());
    plans.push_back(std::move(plan));
  }
  return plans;
}

absl::Status LoadPrices(db::Tx& tx, const std::unordered_map<std::string, size_t>& index, std::vector<Plan>& plans) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT plan_id, id, provider, component, usage_type, interval, interval_count, currency, unit_amount_minor,
           provider_product_id, provider_price_id, active
    FROM billing.plan_prices
    ORDER BY plan_id, component, provider_price_id
  )sql"));
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    const auto plan = index.find(row.Text(0));
    // A plan committed between the two statements: the revision has moved, and the caller reads again.
    if (plan == index.end()) continue;
    plans[plan->second].prices.push_back(Price{.id = row.Text(1),
                                               .provider = row.Text(2),
                                               .component = row.Text(3),
                                               .usage_type = row.Text(4),
                                               .interval = row.Text(5),
                                               .interval_count = row.Int(6),
                                               .currency = row.Text(7),
                                               .unit_amount_minor = row.Int(8),
                                               .provider_product_id = row.Text(9),
                                               .provider_price_id = row.Text(10),
                                               .active = row.Bool(11)});
  }
  return absl::OkStatus();
}

absl::Status LoadEntitlements(db::Tx& tx, const std::unordered_map<std::string, size_t>& index,
                              std::vector<Plan>& plans) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT plan_id, key, schema_version, payload
    FROM billing.plan_entitlements
    ORDER BY plan_id, key
  )sql"));
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    const auto found = index.find(row.Text(0));
    if (found == index.end()) continue;
    Plan& plan = plans[found->second];
    const std::string key = row.Text(1);
    absl::StatusOr<EntitlementValue> value = ParseEntitlementJson(row.View(2), row.View(3));
    if (const absl::Status key_ok = ValidateEntitlementKey(key); !key_ok.ok()) value = key_ok;
    if (value.ok()) {
      plan.entitlements.emplace(key, *std::move(value));
    } else {
      plan.invalid_entitlements.push_back(key);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<OneOffItem>> LoadItems(db::Tx& tx) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT i.id, i.code, i.name, i.applies_to, i.provider, i.provider_product_id, i.provider_price_id, i.currency,
           i.unit_amount_minor, i.active, i.content_sha256, g.key, g.schema_version, g.payload, g.duration_seconds
    FROM billing.catalog_items i
    LEFT JOIN billing.catalog_item_grants g ON g.item_id = i.id
    ORDER BY i.code, g.key
  )sql"));
  std::vector<OneOffItem> items;
  for (int n = 0; n < rows.size(); ++n) {
    const db::Row row = rows[n];
    if (items.empty() || items.back().id != row.View(0)) {
      OneOffItem& item = items.emplace_back();
      item.id = row.Text(0);
      item.code = row.Text(1);
      item.name = row.Text(2);
      item.applies_to = row.Text(3);
      item.provider = row.Text(4);
      item.provider_product_id = row.Text(5);
      item.provider_price_id = row.Text(6);
      item.currency = row.Text(7);
      item.unit_amount_minor = row.Int(8);
      item.active = row.Bool(9);
      item.content_sha256 = row.Text(10);
    }
    if (row.IsNull(11)) continue;  // an item that grants nothing
    AddStoredGrant(row.Text(11), row.View(12), row.View(13), row.OptInt(14), items.back());
  }
  return items;
}

void ReportInvalid(const Catalog& catalog) {
  for (const Plan& plan : catalog.plans()) {
    for (const std::string& key : plan.invalid_entitlements) {
      telemetry::Guardrail("BILLING_INVALID_ENTITLEMENT_PAYLOAD",
                           {{"plan_code", plan.code}, {"plan_version", std::to_string(plan.version)}, {"key", key}});
    }
  }
  for (const OneOffItem& item : catalog.items()) {
    for (const std::string& key : item.invalid_grants) {
      telemetry::Guardrail("BILLING_INVALID_ENTITLEMENT_PAYLOAD", {{"item_code", item.code}, {"key", key}});
    }
  }
}

}  // namespace

absl::StatusOr<int64_t> ReadCatalogRevision(db::Tx& tx) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec("SELECT revision FROM billing.catalog_state"));
  // The migration inserts the row and no role may delete it.
  if (rows.empty()) return Fail(Reason::FAILURE_REASON_UNSPECIFIED, "billing.catalog_state has no row");
  return rows[0].Int(0);
}

absl::StatusOr<Catalog> LoadCatalog(db::Tx& tx) {
  ASSIGN_OR_RETURN(int64_t revision, ReadCatalogRevision(tx));
  for (int attempt = 0; attempt < kMaxReadAttempts; ++attempt) {
    // At READ COMMITTED each statement sees its own snapshot: what was read is one catalog only if no other was applied
    // meanwhile.
    std::unordered_map<std::string, size_t> index;
    ASSIGN_OR_RETURN(std::vector<Plan> plans, LoadPlans(tx, index));
    RETURN_IF_ERROR(LoadPrices(tx, index, plans));
    RETURN_IF_ERROR(LoadEntitlements(tx, index, plans));
    ASSIGN_OR_RETURN(std::vector<OneOffItem> items, LoadItems(tx));
    ASSIGN_OR_RETURN(const int64_t after, ReadCatalogRevision(tx));
    if (after == revision) {
      Catalog catalog(revision, std::move(plans), std::move(items));
      ReportInvalid(catalog);
      return catalog;
    }
    revision = after;
  }
  return Fail(Reason::FAILURE_REASON_TRANSACTION_CONFLICT, "the catalog kept changing while it was read");
}

}  // namespace billmesh::catalog
