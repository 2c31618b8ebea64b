#include "services/checkout/plan_store.h"

#include <utility>

#include "common/status/status.h"

namespace billmesh::checkout {

absl::StatusOr<std::optional<catalog::Plan>> FindPlan(db::Tx& tx, std::string_view code) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT p.id, p.code, p.family_code, p.version, p.name, p.kind, p.applies_to, p.pricing_model, p.trial_days,
           p.automatic_tax, p.allow_promotion_codes, p.seats_min, p.seats_max, p.is_default, p.active,
           r.id, r.provider, r.component, r.usage_type, r.interval, r.interval_count, r.currency,
           r.unit_amount_minor, r.provider_product_id, r.provider_price_id, r.active
    FROM billing.plans p
    LEFT JOIN billing.plan_prices r ON r.plan_id = p.id
    WHERE p.code = $1
    ORDER BY r.id
  )sql",
                                                  {code}));
  if (rows.empty()) return std::optional<catalog::Plan>();
  catalog::Plan plan;
  const db::Row first = rows[0];
  plan.id = first.Text(0);
  plan.code = first.Text(1);
  plan.family_code = first.Text(2);
  plan.version = first.Int(3);
  plan.name = first.Text(4);
  plan.kind = first.Text(5);
  plan.applies_to = first.Text(6);
  plan.pricing_model = first.Text(7);
  plan.trial_days = first.Int(8);
  plan.automatic_tax = first.Bool(9);
  plan.allow_promotion_codes = first.Bool(10);
  plan.seats_min = first.Int(11);
  plan.seats_max = first.Int(12);
  plan.is_default = first.Bool(13);
  plan.active = first.Bool(14);
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    if (row.IsNull(15)) continue;  // a plan without prices
    catalog::Price price;
    price.id = row.Text(15);
    price.provider = row.Text(16);
    price.component = row.Text(17);
    price.usage_type = row.Text(18);
    price.interval = row.Text(19);
    price.interval_count = row.Int(20);
    price.currency = row.Text(21);
    price.unit_amount_minor = row.Int(22);
    price.provider_product_id = row.Text(23);
    price.provider_price_id = row.Text(24);
    price.active = row.Bool(25);
    plan.prices.push_back(std::move(price));
  }
  return std::optional<catalog::Plan>(std::move(plan));
}

}  // namespace billmesh::checkout
