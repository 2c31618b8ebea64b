#include "services/checkout/catalog_store.h"

#include <string>
#include <vector>

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

using db::Param;

absl::Status InsertPrices(db::Tx& tx, IdGenerator& ids, const std::string& plan_id, const catalog::Plan& plan) {
  std::vector<std::string> price_ids, providers, components, usage_types, intervals, currencies, products, prices;
  std::vector<int64_t> counts, amounts;
  for (const catalog::Price& price : plan.prices) {
    price_ids.push_back(ids.NewId());
    providers.push_back(price.provider);
    components.push_back(price.component);
    usage_types.push_back(price.usage_type);
    intervals.push_back(price.interval);
    counts.push_back(price.interval_count);
    currencies.push_back(price.currency);
    amounts.push_back(price.unit_amount_minor);
    products.push_back(price.provider_product_id);
    prices.push_back(price.provider_price_id);
  }
  return tx
      .Exec(R"sql(
    INSERT INTO billing.plan_prices (id, plan_id, provider, component, usage_type, interval, interval_count, currency,
                                     unit_amount_minor, provider_product_id, provider_price_id)
    SELECT p.id, $1, p.provider, p.component, p.usage_type, p.interval, p.interval_count, p.currency,
           p.unit_amount_minor, p.provider_product_id, p.provider_price_id
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[],
                $10::text[], $11::text[])
      AS p (id, provider, component, usage_type, interval, interval_count, currency, unit_amount_minor,
            provider_product_id, provider_price_id)
  )sql",
            {plan_id, Param::UuidArray(price_ids), Param::TextArray(providers), Param::TextArray(components),
             Param::TextArray(usage_types), Param::TextArray(intervals), Param::IntArray(counts),
             Param::TextArray(currencies), Param::IntArray(amounts), Param::TextArray(products),
             Param::TextArray(prices)})
      .status();
}

absl::Status InsertEntitlements(db::Tx& tx, const std::string& plan_id, const catalog::Plan& plan) {
  std::vector<std::string> keys, schemas, payloads;
  for (const auto& [key, value] : plan.entitlements) {
    keys.push_back(key);
    schemas.emplace_back(catalog::SchemaVersionOf(value));
    payloads.push_back(catalog::CanonicalPayload(value));
  }
  return tx
      .Exec(R"sql(
    INSERT INTO billing.plan_entitlements (plan_id, key, schema_version, payload)
    SELECT $1, e.key, e.schema_version, e.payload::jsonb
    FROM unnest($2::text[], $3::text[], $4::text[]) AS e (key, schema_version, payload)
  )sql",
            {plan_id, Param::TextArray(keys), Param::TextArray(schemas), Param::TextArray(payloads)})
      .status();
}

absl::Status InsertGrants(db::Tx& tx, const std::string& item_id, const catalog::OneOffItem& item) {
  std::vector<std::string> keys, schemas, payloads;
  std::vector<int64_t> durations;  // 0: for good
  for (const auto& [key, grant] : item.grants) {
    keys.push_back(key);
    schemas.emplace_back(catalog::SchemaVersionOf(grant.value));
    payloads.push_back(catalog::CanonicalPayload(grant.value));
    durations.push_back(grant.duration_seconds.value_or(0));
  }
  return tx
      .Exec(R"sql(
    INSERT INTO billing.catalog_item_grants (item_id, key, schema_version, payload, duration_seconds)
    SELECT $1, g.key, g.schema_version, g.payload::jsonb, nullif(g.duration_seconds, 0)
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS g (key, schema_version, payload, duration_seconds)
  )sql",
            {item_id, Param::TextArray(keys), Param::TextArray(schemas), Param::TextArray(payloads),
             Param::IntArray(durations)})
      .status();
}

}  // namespace

absl::Status LockCatalog(db::Tx& tx) {
  return tx
      .Exec(R"sql(
    SELECT s.revision FROM billing.catalog_state s FOR NO KEY UPDATE
  )sql")
      .status();
}

absl::Status InsertPlan(db::Tx& tx, IdGenerator& ids, const catalog::Plan& plan) {
  const std::string plan_id = ids.NewId();
  RETURN_IF_ERROR(tx.Exec(R"sql(
    INSERT INTO billing.plans (id, code, family_code, version, name, kind, applies_to, pricing_model, trial_days,
                               automatic_tax, allow_promotion_codes, seats_min, seats_max, is_default, active,
                               content_sha256)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
  )sql",
                          {plan_id, plan.code, plan.family_code, plan.version, plan.name, plan.kind, plan.applies_to,
                           plan.pricing_model, plan.trial_days, plan.automatic_tax, plan.allow_promotion_codes,
                           plan.seats_min, plan.seats_max, plan.is_default, plan.active, plan.content_sha256})
                      .status());
  if (!plan.prices.empty()) RETURN_IF_ERROR(InsertPrices(tx, ids, plan_id, plan));
  if (!plan.entitlements.empty()) RETURN_IF_ERROR(InsertEntitlements(tx, plan_id, plan));
  return absl::OkStatus();
}

absl::Status UpdatePlan(db::Tx& tx, std::string_view plan_id, std::string_view name, bool active, bool is_default) {
  return tx
      .Exec(R"sql(
    UPDATE billing.plans p
    SET name = $2, active = $3, is_default = $4, updated_at = billing.now()
    WHERE p.id = $1
  )sql",
            {plan_id, name, active, is_default})
      .status();
}

absl::Status InsertItem(db::Tx& tx, IdGenerator& ids, const catalog::OneOffItem& item) {
  const std::string item_id = ids.NewId();
  RETURN_IF_ERROR(
      tx.Exec(R"sql(
    INSERT INTO billing.catalog_items (id, code, name, applies_to, provider, provider_product_id, provider_price_id,
                                       currency, unit_amount_minor, active, content_sha256)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  )sql",
              {item_id, item.code, item.name, item.applies_to, item.provider, item.provider_product_id,
               item.provider_price_id, item.currency, item.unit_amount_minor, item.active, item.content_sha256})
          .status());
  return item.grants.empty() ? absl::OkStatus() : InsertGrants(tx, item_id, item);
}

absl::Status UpdateItem(db::Tx& tx, std::string_view item_id, std::string_view name, bool active) {
  return tx
      .Exec(R"sql(
    UPDATE billing.catalog_items i
    SET name = $2, active = $3, updated_at = billing.now()
    WHERE i.id = $1
  )sql",
            {item_id, name, active})
      .status();
}

absl::StatusOr<int64_t> BumpCatalogRevision(db::Tx& tx) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    UPDATE billing.catalog_state s SET revision = s.revision + 1, updated_at = billing.now()
    RETURNING s.revision
  )sql"));
  return result[0].Int(0);
}

}  // namespace billmesh::checkout
