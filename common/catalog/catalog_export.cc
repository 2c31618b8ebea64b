#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_file.h"
#include "common/status/strings.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

// A JSON string is a YAML one in double quotes: whatever the text, it stays a text.
std::string Quoted(const std::string& text) { return nlohmann::json(text).dump(); }

// "- name: value" begins an element of a list, "  name: value" goes on with it.
class Element {
 public:
  Element(std::string& out, int indent) : out_(out), indent_(static_cast<size_t>(indent), ' ') {}
  void Add(std::string_view name, const std::string& value) {
    absl::StrAppend(&out_, indent_, first_ ? "- " : "  ", AbslView(name), ":", value.empty() ? "" : " ", value, "\n");
    first_ = false;
  }
  void Add(std::string_view name, int64_t value) { Add(name, std::to_string(value)); }
  void AddIf(bool condition, std::string_view name, const std::string& value) {
    if (condition) Add(name, value);
  }

 private:
  std::string& out_;
  const std::string indent_;
  bool first_ = true;
};

void WritePrice(const Price& price, std::string& out) {
  Element element(out, 6);
  element.Add("component", price.component);
  element.Add("usage_type", price.usage_type);
  element.Add("interval", price.interval);
  element.Add("interval_count", price.interval_count);
  element.Add("currency", price.currency);
  element.Add("unit_amount_minor", price.unit_amount_minor);
  element.Add("provider_product_id", Quoted(price.provider_product_id));
  element.Add("provider_price_id", Quoted(price.provider_price_id));
}

// "      sso: {schema: …, enabled: true}"
void WriteValue(const std::string& key, const EntitlementValue& value, const std::optional<int64_t>& duration_seconds,
                std::string& out) {
  absl::StrAppend(&out, "      ", key, ": {schema: ", AbslView(SchemaVersionOf(value)));
  const nlohmann::json payload = nlohmann::json::parse(CanonicalPayload(value));
  for (const auto& member : payload.items()) absl::StrAppend(&out, ", ", member.key(), ": ", member.value().dump());
  if (duration_seconds.has_value()) absl::StrAppend(&out, ", duration_seconds: ", *duration_seconds);
  absl::StrAppend(&out, "}\n");
}

void WritePlan(const Plan& plan, std::string& out) {
  Element element(out, 2);
  element.Add("code", Quoted(plan.code));
  element.Add("family", Quoted(plan.family_code));
  element.Add("version", plan.version);
  element.Add("name", Quoted(plan.name));
  element.Add("kind", plan.kind);
  element.Add("applies_to", plan.applies_to);
  element.Add("pricing_model", plan.pricing_model);
  element.AddIf(plan.trial_days != 0, "trial_days", std::to_string(plan.trial_days));
  element.AddIf(plan.automatic_tax, "automatic_tax", "true");
  element.AddIf(plan.allow_promotion_codes, "allow_promotion_codes", "true");
  element.AddIf(plan.seats_min != 1 || plan.seats_max != 1, "seats",
                absl::StrCat("{min: ", plan.seats_min, ", max: ", plan.seats_max, "}"));
  element.AddIf(plan.is_default, "default", "true");
  element.AddIf(!plan.active, "active", "false");
  element.AddIf(!plan.prices.empty(), "prices", "");
  for (const Price& price : plan.prices) WritePrice(price, out);
  element.AddIf(!plan.entitlements.empty(), "entitlements", "");
  for (const auto& [key, value] : plan.entitlements) WriteValue(key, value, std::nullopt, out);
}

void WriteItem(const OneOffItem& item, std::string& out) {
  Element element(out, 2);
  element.Add("code", Quoted(item.code));
  element.Add("name", Quoted(item.name));
  element.Add("applies_to", item.applies_to);
  element.AddIf(!item.active, "active", "false");
  element.Add("currency", item.currency);
  element.Add("unit_amount_minor", item.unit_amount_minor);
  element.Add("provider_product_id", Quoted(item.provider_product_id));
  element.Add("provider_price_id", Quoted(item.provider_price_id));
  element.AddIf(!item.grants.empty(), "grants", "");
  for (const auto& [key, grant] : item.grants) WriteValue(key, grant.value, grant.duration_seconds, out);
}

}  // namespace

std::string WriteFile(const Catalog& catalog) {
  std::string out = absl::StrCat("schema: ", kFileSchema, "\nplans:", catalog.plans().empty() ? " []\n" : "\n");
  for (const Plan& plan : catalog.plans()) WritePlan(plan, out);
  if (!catalog.items().empty()) absl::StrAppend(&out, "items:\n");
  for (const OneOffItem& item : catalog.items()) WriteItem(item, out);
  return out;
}

}  // namespace billmesh::catalog
