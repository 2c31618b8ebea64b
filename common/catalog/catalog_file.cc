#include "common/catalog/catalog_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_members.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

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
  RETURN_IF_ERROR(ReadCurrency(members, options, price.currency));
  RETURN_IF_ERROR(
      members.Integer("unit_amount_minor", Need::kRequired, 0, kMaxUnitAmountMinor, price.unit_amount_minor));
  RETURN_IF_ERROR(ReadProviderIds(members, options, price.provider_product_id, price.provider_price_id));
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
    out.prices.push_back(PlaceOf(node));
  }
  return absl::OkStatus();
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
    ASSIGN_OR_RETURN(const YamlMembers members, YamlMembers::Read(value, keys.Path(key), {}));
    ASSIGN_OR_RETURN(EntitlementValue entitlement, ReadEntitlement(members, {}));
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
  RETURN_IF_ERROR(ReadCode(members, "code", plan.code));
  members.set_where(absl::StrCat("plans[", plan.code, "]"));
  RETURN_IF_ERROR(ReadCode(members, "family", plan.family_code));
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

// What the file means as a whole: no code, no (family, version) and no price twice, one default, one currency.
class Together {
 public:
  absl::Status Add(const FilePlan& file_plan) {
    const Plan& plan = file_plan.plan;
    const std::string where = absl::StrCat("plans[", plan.code, "]");
    RETURN_IF_ERROR(Once(plan_codes_, plan.code, file_plan.line, absl::StrCat(where, ".code"), "duplicate code"));
    RETURN_IF_ERROR(Once(versions_, absl::StrCat(plan.family_code, "/", plan.version), file_plan.line,
                         absl::StrCat(where, ".version"), "duplicate version of its family"));
    if (plan.is_default && plan.active) {
      RETURN_IF_ERROR(Once(defaults_, "", file_plan.line, absl::StrCat(where, ".default"), "a second default plan"));
    }
    for (size_t n = 0; n < plan.prices.size(); ++n) {
      const Price& price = plan.prices[n];
      RETURN_IF_ERROR(AddPrice(price.provider_price_id, price.currency, file_plan.prices[n].line,
                               absl::StrCat(where, ".prices[", n, "]")));
    }
    return absl::OkStatus();
  }
  absl::Status Add(const FileItem& file_item) {
    const OneOffItem& item = file_item.item;
    const int line = file_item.price.line;
    const std::string where = absl::StrCat("items[", item.code, "]");
    RETURN_IF_ERROR(Once(item_codes_, item.code, line, absl::StrCat(where, ".code"), "duplicate code"));
    return AddPrice(item.provider_price_id, item.currency, line, where);
  }

 private:
  using Seen = std::map<std::string, int>;  // → the first one's line
  static absl::Status Once(Seen& seen, const std::string& key, int line, const std::string& where,
                           std::string_view what) {
    const auto [other, first] = seen.emplace(key, line);
    if (first) return absl::OkStatus();
    return InvalidAt(line, where, absl::StrCat(AbslView(what), "; the other is on line ", other->second));
  }
  absl::Status AddPrice(const std::string& price_id, const std::string& currency, int line, const std::string& where) {
    if (!price_id.empty()) RETURN_IF_ERROR(Once(prices_, price_id, line, where, "a provider price used twice"));
    if (currency_.empty()) currency_ = currency;
    if (currency == currency_) return absl::OkStatus();
    return InvalidAt(line, where, absl::StrCat("a second currency, ", currency, ", beside ", currency_));
  }
  Seen plan_codes_, item_codes_, versions_, prices_, defaults_;
  std::string currency_;
};

// The members of a list, of which there may be so many.
absl::StatusOr<std::vector<YAML::Node>> ReadList(const YamlMembers& members, const std::string& name, size_t min,
                                                 size_t max) {
  const YAML::Node* list = members.Find(name);
  if (list == nullptr && min == 0) return std::vector<YAML::Node>();
  if (list == nullptr || !list->IsSequence() || list->size() < min || list->size() > max) {
    return InvalidAt(members.LineOfMember(name), name, absl::StrCat("must be a list of ", min, " to ", max));
  }
  return std::vector<YAML::Node>(list->begin(), list->end());
}

absl::StatusOr<File> ReadFile(const YAML::Node& root, const FileOptions& options) {
  ASSIGN_OR_RETURN(const YamlMembers members, YamlMembers::Read(root, "", {"schema", "plans", "items"}));
  std::string schema;
  RETURN_IF_ERROR(members.Choice("schema", Need::kRequired, {kFileSchema}, schema));
  ASSIGN_OR_RETURN(const std::vector<YAML::Node> plans, ReadList(members, "plans", 1, kMaxPlans));
  ASSIGN_OR_RETURN(const std::vector<YAML::Node> items, ReadList(members, "items", 0, kMaxItems));
  File file;
  Together together;
  for (size_t n = 0; n < plans.size(); ++n) {
    ASSIGN_OR_RETURN(FilePlan plan, ReadPlan(plans[n], n, options));
    file.plans.push_back(std::move(plan));
  }
  for (size_t n = 0; n < items.size(); ++n) {
    ASSIGN_OR_RETURN(FileItem item, ReadItem(items[n], n, options));
    file.items.push_back(std::move(item));
  }
  for (const FilePlan& plan : file.plans) RETURN_IF_ERROR(together.Add(plan));
  for (const FileItem& item : file.items) RETURN_IF_ERROR(together.Add(item));
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
