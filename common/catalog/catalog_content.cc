#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_file.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

// The canonical form's own version: a later form must not make published versions look changed.
constexpr char kContentForm[] = "plan.v1";
constexpr char kItemContentForm[] = "item.v1";

std::string PriceName(const nlohmann::json& prices, const Price& price) {
  std::string name = price.component;
  for (int n = 2; prices.contains(name); ++n) name = absl::StrCat(price.component, ".", n);
  return name;
}

nlohmann::json ContentOf(const Plan& plan) {
  std::vector<const Price*> sorted;
  for (const Price& price : plan.prices) sorted.push_back(&price);
  std::sort(sorted.begin(), sorted.end(), [](const Price* a, const Price* b) {
    return std::tie(a->component, a->provider, a->provider_price_id) <
           std::tie(b->component, b->provider, b->provider_price_id);
  });
  nlohmann::json prices = nlohmann::json::object();
  for (const Price* price : sorted) {
    prices[PriceName(prices, *price)] = {
        {"provider", price->provider},
        {"usage_type", price->usage_type},
        {"interval", price->interval},
        {"interval_count", price->interval_count},
        {"currency", price->currency},
        {"unit_amount_minor", price->unit_amount_minor},
        {"provider_product_id", price->provider_product_id},
        {"provider_price_id", price->provider_price_id},
    };
  }
  nlohmann::json entitlements = nlohmann::json::object();
  for (const auto& [key, value] : plan.entitlements) {
    entitlements[key] = {{"schema", std::string(SchemaVersionOf(value))},
                         {"payload", nlohmann::json::parse(CanonicalPayload(value))}};
  }
  return {
      {"form", kContentForm},
      {"code", plan.code},
      {"family", plan.family_code},
      {"version", plan.version},
      {"kind", plan.kind},
      {"applies_to", plan.applies_to},
      {"pricing_model", plan.pricing_model},
      {"trial_days", plan.trial_days},
      {"automatic_tax", plan.automatic_tax},
      {"allow_promotion_codes", plan.allow_promotion_codes},
      {"seats_min", plan.seats_min},
      {"seats_max", plan.seats_max},
      {"prices", std::move(prices)},
      {"entitlements", std::move(entitlements)},
  };
}

nlohmann::json ContentOf(const OneOffItem& item) {
  nlohmann::json grants = nlohmann::json::object();
  for (const auto& [key, grant] : item.grants) {
    nlohmann::json& to = grants[key];
    to = {{"schema", std::string(SchemaVersionOf(grant.value))},
          {"payload", nlohmann::json::parse(CanonicalPayload(grant.value))}};
    if (grant.duration_seconds.has_value()) to["duration_seconds"] = *grant.duration_seconds;
  }
  return {
      {"form", kItemContentForm},
      {"code", item.code},
      {"applies_to", item.applies_to},
      {"provider", item.provider},
      {"currency", item.currency},
      {"unit_amount_minor", item.unit_amount_minor},
      {"provider_product_id", item.provider_product_id},
      {"provider_price_id", item.provider_price_id},
      {"grants", std::move(grants)},
  };
}

// Appends the paths where two documents differ.
void Compare(const std::string& path, const nlohmann::json& stored, const nlohmann::json& declared, std::string& out) {
  if (stored == declared) return;
  if (stored.is_object() && declared.is_object()) {
    nlohmann::json keys = stored;
    keys.update(declared);
    for (const auto& item : keys.items()) {
      const std::string member = path.empty() ? item.key() : absl::StrCat(path, ".", item.key());
      Compare(member, stored.value(item.key(), nlohmann::json()), declared.value(item.key(), nlohmann::json()), out);
    }
    return;
  }
  const auto text = [](const nlohmann::json& value) { return value.is_null() ? std::string("nothing") : value.dump(); };
  absl::StrAppend(&out, out.empty() ? "" : "; ", path, ": ", text(stored), " → ", text(declared));
}

}  // namespace

std::string ContentSha256(const Plan& plan) {
  // Integers and valid UTF-8 only: the canonical form always exists.
  return crypto::Sha256Hex(json::Canonical(ContentOf(plan)).value());
}

std::string DescribeContentChange(const Plan& stored, const Plan& declared) {
  std::string out;
  Compare("", ContentOf(stored), ContentOf(declared), out);
  return out;
}

std::string ContentSha256(const OneOffItem& item) {
  return crypto::Sha256Hex(json::Canonical(ContentOf(item)).value());
}

std::string DescribeContentChange(const OneOffItem& stored, const OneOffItem& declared) {
  std::string out;
  Compare("", ContentOf(stored), ContentOf(declared), out);
  return out;
}

}  // namespace billmesh::catalog
