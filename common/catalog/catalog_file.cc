#include "common/catalog/catalog_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/catalog/yaml_members.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

constexpr size_t kMaxCodeBytes = 64;
constexpr size_t kMaxNameBytes = 100;
constexpr size_t kMaxProviderIdBytes = 255;
constexpr int64_t kMaxVersion = 1'000'000;
constexpr int64_t kMaxTrialDays = 730;
constexpr int64_t kMaxIntervalCount = 36;

// Which components a base plan of each pricing model may have, and whether it takes more than one seat.
struct ModelRule {
  std::string_view model;
  bool seat;
  bool metered;
};
constexpr std::array<ModelRule, 4> kModels = {{
    {"flat", false, false},
    {"per_seat", true, false},
    {"usage", false, true},
    {"hybrid", true, true},
}};

const ModelRule& RuleOfModel(std::string_view model) {
  return *std::find_if(kModels.begin(), kModels.end(), [&](const ModelRule& rule) { return rule.model == model; });
}

absl::Status CheckCode(const YamlMembers& members, std::string_view name, const std::string& code) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto allowed = [&](char c) { return alnum(c) || c == '.' || c == '_' || c == '-'; };
  if (alnum(code.front()) && std::all_of(code.begin(), code.end(), allowed)) return absl::OkStatus();
  return InvalidAt(members.LineOfMember(name), members.Path(name),
                   "must be of a-z, 0-9, '.', '_', '-', beginning with a letter or a digit");
}

absl::Status CheckProviderId(const YamlMembers& members, std::string_view name, const std::string& id) {
  if (std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f; })) return absl::OkStatus();
  return InvalidAt(members.LineOfMember(name), members.Path(name), "must be printable ASCII without blanks");
}

absl::Status CheckCurrency(const YamlMembers& members, const std::string& currency, const std::string& expected) {
  const bool letters = currency.size() == 3 &&
                       std::all_of(currency.begin(), currency.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  const int line = members.LineOfMember("currency");
  if (!letters) return InvalidAt(line, members.Path("currency"), "must be three lower-case letters");
  if (!expected.empty() && currency != expected) {
    return InvalidAt(line, members.Path("currency"),
                     absl::StrCat(currency, " isn't this deployment's billing currency, ", expected));
  }
  return absl::OkStatus();
}

absl::StatusOr<Price> ReadPrice(const YAML::Node& node, const std::string& where, const FileOptions& options) {
  ASSIGN_OR_RETURN(const YamlMembers members,
                   YamlMembers::Read(node, where,
                                     {"component", "usage_type", "interval", "interval_count", "currency",
                                      "unit_amount_minor", "provider_product_id", "provider_price_id"}));
  Price price;
  price.provider = options.provider;
  RETURN_IF_ERROR(members.Choice("component", Need::kRequired, {"base", "seat", "metered", "add_on"}, price.component));
  price.usage_type = price.component == "metered" ? kUsageMetered : kUsageLicensed;
  const std::string implied = price.usage_type;
  RETURN_IF_ERROR(members.Choice("usage_type", Need::kOptional, {kUsageLicensed, kUsageMetered}, price.usage_type));
  if (price.component != "add_on" && price.usage_type != implied) {
    return InvalidAt(members.LineOfMember("usage_type"), members.Path("usage_type"),
                     absl::StrCat("a ", price.component, " price is ", implied));
  }
  RETURN_IF_ERROR(members.Choice("interval", Need::kRequired, {"day", "week", "month", "year"}, price.interval));
  RETURN_IF_ERROR(members.Integer("interval_count", Need::kOptional, 1, kMaxIntervalCount, price.interval_count));
  RETURN_IF_ERROR(members.Text("currency", Need::kRequired, 3, price.currency));
  RETURN_IF_ERROR(CheckCurrency(members, price.currency, options.currency));
  RETURN_IF_ERROR(
      members.Integer("unit_amount_minor", Need::kRequired, 0, kMaxUnitAmountMinor, price.unit_amount_minor));
  RETURN_IF_ERROR(members.Text("provider_product_id", Need::kOptional, kMaxProviderIdBytes, price.provider_product_id));
  RETURN_IF_ERROR(members.Text("provider_price_id", Need::kOptional, kMaxProviderIdBytes, price.provider_price_id));
  RETURN_IF_ERROR(CheckProviderId(members, "provider_product_id", price.provider_product_id));
  RETURN_IF_ERROR(CheckProviderId(members, "provider_price_id", price.provider_price_id));
  if (price.provider_product_id.empty() != price.provider_price_id.empty()) {
    return InvalidAt(members.line(), where, "needs provider_product_id and provider_price_id together");
  }
  if (options.require_provider_ids && price.provider_price_id.empty()) {
    return InvalidAt(members.line(), members.Path("provider_price_id"),
                     "is required; `billctl catalog provision` fills it in");
  }
  return price;
}

absl::Status ReadPrices(const YamlMembers& plan, const FileOptions& options, FilePlan& out) {
  const YAML::Node* list = plan.Find("prices");
  if (list == nullptr) return absl::OkStatus();
  if (!list->IsSequence() || list->size() > kMaxPricesPerPlan) {
    return InvalidAt(plan.LineOfMember("prices"), plan.Path("prices"),
                     absl::StrCat("must be a list of at most ", kMaxPricesPerPlan));
  }
  for (size_t n = 0; n < list->size(); ++n) {
    const YAML::Node node = (*list)[n];
    ASSIGN_OR_RETURN(Price price, ReadPrice(node, absl::StrCat(plan.Path("prices"), "[", n, "]"), options));
    out.plan.prices.push_back(std::move(price));
    out.prices.push_back({LineOf(node), static_cast<size_t>(node.Mark().pos), node.Mark().column,
                          node.Style() == YAML::EmitterStyle::Flow});
  }
  return absl::OkStatus();
}

absl::StatusOr<EntitlementValue> ReadEntitlement(const YAML::Node& node, const std::string& where) {
  ASSIGN_OR_RETURN(const YamlMembers members, YamlMembers::Read(node, where, {}));
  std::string schema;
  RETURN_IF_ERROR(members.Text("schema", Need::kRequired, kMaxCodeBytes, schema));
  nlohmann::json payload = nlohmann::json::object();
  for (const auto& [name, value] : members.all()) {
    if (name == "schema") continue;
    ASSIGN_OR_RETURN(payload[name], ScalarsToJson(value, members.Path(name)));
  }
  absl::StatusOr<EntitlementValue> value = ParseEntitlement(schema, payload);
  if (!value.ok()) {
    const Metadata metadata = MetadataOf(value.status());
    const auto member = metadata.find("where");
    const int line = member == metadata.end() ? members.line() : members.LineOfMember(member->second);
    return InvalidAt(line, where, absl::StrCat(schema, ": ", std::string(value.status().message())));
  }
  return value;
}

absl::Status ReadEntitlements(const YamlMembers& plan, FilePlan& out) {
  const YAML::Node* node = plan.Find("entitlements");
  if (node == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const YamlMembers keys, YamlMembers::Read(*node, plan.Path("entitlements"), {}));
  if (keys.all().size() > kMaxEntitlementsPerPlan) {
    return InvalidAt(keys.line(), keys.where(), absl::StrCat("has more than ", kMaxEntitlementsPerPlan, " keys"));
  }
  for (const auto& [key, value] : keys.all()) {
    if (const absl::Status valid = ValidateEntitlementKey(key); !valid.ok()) {
      return InvalidAt(keys.LineOfMember(key), keys.Path(key), std::string(valid.message()));
    }
    ASSIGN_OR_RETURN(EntitlementValue entitlement, ReadEntitlement(value, keys.Path(key)));
    out.plan.entitlements.emplace(key, std::move(entitlement));
  }
  return absl::OkStatus();
}

absl::Status ReadSeats(const YamlMembers& plan, Plan& out) {
  const YAML::Node* node = plan.Find("seats");
  if (node == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const YamlMembers seats, YamlMembers::Read(*node, plan.Path("seats"), {"min", "max"}));
  RETURN_IF_ERROR(seats.Integer("min", Need::kRequired, 1, kMaxSeats, out.seats_min));
  RETURN_IF_ERROR(seats.Integer("max", Need::kRequired, 1, kMaxSeats, out.seats_max));
  if (out.seats_max < out.seats_min) return InvalidAt(seats.line(), seats.where(), "max is below min");
  if (out.seats_max > 1 && !RuleOfModel(out.pricing_model).seat) {
    return InvalidAt(seats.line(), seats.where(), "only per_seat and hybrid plans have several seats");
  }
  return absl::OkStatus();
}

// What the plan's members mean together.
absl::Status CheckPlan(const YamlMembers& members, const FilePlan& file_plan) {
  const Plan& plan = file_plan.plan;
  std::map<std::string, int> lines;  // component → line of its licensed price
  for (size_t n = 0; n < plan.prices.size(); ++n) {
    const Price& price = plan.prices[n];
    const int line = file_plan.prices[n].line;
    const std::string where = absl::StrCat(members.Path("prices"), "[", n, "]");
    if ((price.component == kKindAddOn) != (plan.kind == kKindAddOn)) {
      return InvalidAt(line, where,
                       absl::StrCat("a plan of kind ", plan.kind, " can't have a ", price.component, " price"));
    }
    const ModelRule& rule = RuleOfModel(plan.pricing_model);
    if ((price.component == "seat" && !rule.seat) || (price.component == "metered" && !rule.metered)) {
      return InvalidAt(line, where,
                       absl::StrCat("a ", plan.pricing_model, " plan can't have a ", price.component, " price"));
    }
    if (price.usage_type != kUsageLicensed) continue;
    const auto [other, first] = lines.emplace(price.component, line);
    if (!first) {
      return InvalidAt(
          line, where,
          absl::StrCat("a second sellable ", price.component, " price; the first is on line ", other->second));
    }
  }
  if (plan.is_default && (plan.kind != kKindBase || !plan.prices.empty())) {
    return InvalidAt(members.LineOfMember("default"), members.Path("default"),
                     "the default plan is had without paying: it must be a base plan without prices");
  }
  return absl::OkStatus();
}

absl::StatusOr<FilePlan> ReadPlan(const YAML::Node& node, size_t index, const FileOptions& options) {
  ASSIGN_OR_RETURN(YamlMembers members,
                   YamlMembers::Read(node, absl::StrCat("plans[", index, "]"),
                                     {"code", "family", "version", "name", "kind", "applies_to", "pricing_model",
                                      "trial_days", "automatic_tax", "allow_promotion_codes", "seats", "default",
                                      "active", "prices", "entitlements"}));
  FilePlan out;
  out.line = members.line();
  Plan& plan = out.plan;
  plan.kind = kKindBase;
  plan.applies_to = kAppliesToAny;
  RETURN_IF_ERROR(members.Text("code", Need::kRequired, kMaxCodeBytes, plan.code));
  RETURN_IF_ERROR(CheckCode(members, "code", plan.code));
  members.set_where(absl::StrCat("plans[", plan.code, "]"));
  RETURN_IF_ERROR(members.Text("family", Need::kRequired, kMaxCodeBytes, plan.family_code));
  RETURN_IF_ERROR(CheckCode(members, "family", plan.family_code));
  RETURN_IF_ERROR(members.Integer("version", Need::kRequired, 1, kMaxVersion, plan.version));
  RETURN_IF_ERROR(members.Text("name", Need::kRequired, kMaxNameBytes, plan.name));
  RETURN_IF_ERROR(members.Choice("kind", Need::kOptional, {kKindBase, kKindAddOn}, plan.kind));
  RETURN_IF_ERROR(members.Choice("applies_to", Need::kOptional,
                                 {kAppliesToAny, "workspace", "user", "organization", "external"}, plan.applies_to));
  RETURN_IF_ERROR(
      members.Choice("pricing_model", Need::kRequired, {"flat", "per_seat", "usage", "hybrid"}, plan.pricing_model));
  RETURN_IF_ERROR(members.Integer("trial_days", Need::kOptional, 0, kMaxTrialDays, plan.trial_days));
  RETURN_IF_ERROR(members.Bool("automatic_tax", plan.automatic_tax));
  RETURN_IF_ERROR(members.Bool("allow_promotion_codes", plan.allow_promotion_codes));
  RETURN_IF_ERROR(members.Bool("default", plan.is_default));
  RETURN_IF_ERROR(members.Bool("active", plan.active));
  RETURN_IF_ERROR(ReadSeats(members, plan));
  RETURN_IF_ERROR(ReadPrices(members, options, out));
  RETURN_IF_ERROR(ReadEntitlements(members, out));
  RETURN_IF_ERROR(CheckPlan(members, out));
  plan.content_sha256 = ContentSha256(plan);
  return out;
}

// What the plans mean together: no code, no (family, version) and no price twice, one default, one currency.
absl::Status CheckTogether(const File& file) {
  std::map<std::string, int> codes, versions, prices, defaults;
  std::string currency;
  const auto once = [](std::map<std::string, int>& seen, const std::string& key, int line, const std::string& where,
                       std::string_view what) {
    const auto [other, first] = seen.emplace(key, line);
    if (first) return absl::OkStatus();
    return InvalidAt(line, where, absl::StrCat(AbslView(what), "; the other is on line ", other->second));
  };
  for (const FilePlan& file_plan : file.plans) {
    const Plan& plan = file_plan.plan;
    const std::string where = absl::StrCat("plans[", plan.code, "]");
    RETURN_IF_ERROR(once(codes, plan.code, file_plan.line, absl::StrCat(where, ".code"), "duplicate code"));
    RETURN_IF_ERROR(once(versions, absl::StrCat(plan.family_code, "/", plan.version), file_plan.line,
                         absl::StrCat(where, ".version"), "duplicate version of its family"));
    if (plan.is_default && plan.active) {
      RETURN_IF_ERROR(once(defaults, "", file_plan.line, absl::StrCat(where, ".default"), "a second default plan"));
    }
    for (size_t n = 0; n < plan.prices.size(); ++n) {
      const Price& price = plan.prices[n];
      const std::string price_where = absl::StrCat(where, ".prices[", n, "]");
      const int line = file_plan.prices[n].line;
      if (!price.provider_price_id.empty()) {
        RETURN_IF_ERROR(once(prices, price.provider_price_id, line, price_where, "a provider price used twice"));
      }
      if (currency.empty()) currency = price.currency;
      if (price.currency != currency) {
        return InvalidAt(line, price_where, absl::StrCat("a second currency, ", price.currency, ", beside ", currency));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<File> ReadFile(const YAML::Node& root, const FileOptions& options) {
  ASSIGN_OR_RETURN(const YamlMembers members, YamlMembers::Read(root, "", {"schema", "plans"}));
  std::string schema;
  RETURN_IF_ERROR(members.Choice("schema", Need::kRequired, {kFileSchema}, schema));
  const YAML::Node* plans = members.Find("plans");
  if (plans == nullptr || !plans->IsSequence() || plans->size() == 0 || plans->size() > kMaxPlans) {
    return InvalidAt(members.LineOfMember("plans"), "plans", absl::StrCat("must be a list of 1 to ", kMaxPlans));
  }
  File file;
  for (size_t n = 0; n < plans->size(); ++n) {
    ASSIGN_OR_RETURN(FilePlan plan, ReadPlan((*plans)[n], n, options));
    file.plans.push_back(std::move(plan));
  }
  RETURN_IF_ERROR(CheckTogether(file));
  return file;
}

}  // namespace

absl::StatusOr<File> ParseFile(std::string_view yaml, const FileOptions& options) {
  if (yaml.size() > kMaxFileBytes) return InvalidAt(1, "file", absl::StrCat("is over ", kMaxFileBytes, " bytes"));
  if (!json::Canonical(nlohmann::json(std::string(yaml))).ok()) return InvalidAt(1, "file", "must be UTF-8");
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() != 1) return InvalidAt(1, "file", "must hold one YAML document");
    return ReadFile(documents.front(), options);
  } catch (const YAML::Exception& error) {
    return InvalidAt(error.mark.is_null() ? 1 : error.mark.line + 1, "file", error.msg);
  }
}

}  // namespace billmesh::catalog
