#include "deploy/billctl/catalog_provision.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_file.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"

namespace billmesh::billctl {
namespace {

using catalog::FileItem;
using catalog::FilePlan;
using catalog::Price;
using provider::CallResult;
using provider::PriceSnapshot;

// A price that the file declares, of a plan or of an item.
struct Wanted {
  std::string code;
  std::string component;
  std::string where;
  const catalog::FilePrice& place;
  provider::PriceSpec spec;
};

Wanted WantedOf(const FilePlan& plan, size_t index, const std::string& product_id) {
  const Price& price = plan.plan.prices[index];
  return {plan.plan.code,
          price.component,
          absl::StrCat("plans[", plan.plan.code, "].prices[", index, "]"),
          plan.prices[index],
          {.lookup_key = LookupKey(plan.plan.code, price.component),
           .nickname = absl::StrCat(plan.plan.name, " ", price.component, " v", plan.plan.version),
           .currency = price.currency,
           .unit_amount_minor = price.unit_amount_minor,
           .interval = price.interval,
           .interval_count = price.interval_count,
           .product_id = product_id,
           .product_name = plan.plan.name,
           .metadata = {{"billmesh_plan_code", plan.plan.code},
                        {"billmesh_plan_version", std::to_string(plan.plan.version)}}}};
}

Wanted WantedOf(const FileItem& file_item) {
  const catalog::OneOffItem& item = file_item.item;
  return {item.code,
          kItemComponent,
          absl::StrCat("items[", item.code, "]"),
          file_item.price,
          {.lookup_key = LookupKey(item.code, kItemComponent),
           .nickname = item.name,
           .currency = item.currency,
           .unit_amount_minor = item.unit_amount_minor,
           .interval = "",
           .product_id = "",
           .product_name = item.name,
           .metadata = {{"billmesh_item_code", item.code}}}};
}

absl::Status Refuse(const Wanted& wanted, const std::string& what) {
  const int line = wanted.place.line;
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID, absl::StrCat("line ", line, ": ", wanted.where, ": ", what),
              {{"line", std::to_string(line)}, {"where", wanted.where}});
}

absl::Status ProviderFault(std::string_view what, const CallResult& result) {
  return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE,
              absl::StrCat(AbslView(what), ": ",
                           result.outcome == provider::Outcome::kRejected ? "refused" : "no certain answer", " (HTTP ",
                           result.http_status, result.error_code.empty() ? "" : ", ", result.error_code, ")",
                           result.error_message.empty() ? "" : ": ", result.error_message));
}

// Equal parameters have one key within an hour, so that a run that is repeated after a lost answer makes nothing twice.
// Not for longer: the provider replays a stored 500 under its key for a day, while the lookup key lets no second price
// be made anyway.
std::string IdempotencyKey(const std::string& params, Clock& clock) {
  return absl::StrCat("billmesh-catalog-", crypto::Sha256Hex(params).substr(0, 32), "-",
                      absl::ToUnixSeconds(clock.Now()) / 3600);
}

absl::StatusOr<std::optional<PriceSnapshot>> LookUp(const ProvisionDeps& deps, const std::string& lookup_key) {
  provider::ListQuery query;
  query.filters[provider::kLookupKeyFilter] = lookup_key;
  query.limit = 10;
  const CallResult result = deps.provider.List(provider::kPriceKind, query, {.timeout = deps.timeout});
  if (result.outcome != provider::Outcome::kSuccess) {
    return ProviderFault(absl::StrCat("looking up price ", lookup_key), result);
  }
  ASSIGN_OR_RETURN(const std::vector<PriceSnapshot> prices, deps.format.ReadPriceList(result.object_json));
  const auto found =
      std::find_if(prices.begin(), prices.end(), [&](const PriceSnapshot& p) { return p.lookup_key == lookup_key; });
  return found == prices.end() ? std::nullopt : std::optional(*found);
}

absl::StatusOr<PriceSnapshot> Create(const ProvisionDeps& deps, const provider::PriceSpec& spec) {
  ASSIGN_OR_RETURN(const provider::EncodedParams params, deps.format.EncodePrice(spec));
  const CallResult result = deps.provider.Send({.purpose = provider::kCreatePrice,
                                                .idempotency_key = IdempotencyKey(params.json, deps.clock),
                                                .params_json = params.json},
                                               {.timeout = deps.timeout});
  if (result.outcome != provider::Outcome::kSuccess) {
    return ProviderFault(absl::StrCat("making price ", spec.lookup_key), result);
  }
  return deps.format.ReadPrice(result.object_json);
}

// A price under our lookup key that isn't what is declared: made by an older file, or by hand.
absl::Status CheckFound(const Wanted& wanted, const PriceSnapshot& found) {
  const provider::PriceSpec& spec = wanted.spec;
  const auto other = [&](const std::string& what) {
    return Refuse(
        wanted, absl::StrCat("the provider's price ", found.id, " has our lookup key ", found.lookup_key, " but ", what,
                             "; publish a new ", wanted.component == kItemComponent ? "item" : "plan version",
                             ", or give the ids of another price"));
  };
  if (!found.active) return other("is archived");
  if (spec.interval.empty() && found.recurring) return other("isn't a one-time price");
  if (!spec.interval.empty() && (!found.recurring || found.usage_type != catalog::kUsageLicensed)) {
    return other("isn't licensed and recurring");
  }
  if (found.currency != spec.currency) return other(absl::StrCat("is in ", found.currency));
  if (found.unit_amount_minor != spec.unit_amount_minor) {
    return other(found.unit_amount_minor.has_value() ? absl::StrCat("costs ", *found.unit_amount_minor)
                                                     : "has no single amount");
  }
  if (!spec.interval.empty() && (found.interval != spec.interval || found.interval_count != spec.interval_count)) {
    return other(absl::StrCat("is paid every ", found.interval_count, " ", found.interval));
  }
  return absl::OkStatus();
}

absl::StatusOr<ProvisionedPrice> ProvisionPrice(const ProvisionDeps& deps, const Wanted& wanted) {
  ASSIGN_OR_RETURN(std::optional<PriceSnapshot> snapshot, LookUp(deps, wanted.spec.lookup_key));
  const bool created = !snapshot.has_value();
  if (created) {
    ASSIGN_OR_RETURN(snapshot, Create(deps, wanted.spec));
  }
  RETURN_IF_ERROR(CheckFound(wanted, *snapshot));
  return ProvisionedPrice{wanted.code, wanted.component, snapshot->product_id, snapshot->id, created};
}

// A place in the text and what is written there.
struct Insertion {
  size_t offset;
  std::string text;
};

Insertion IdsAt(const catalog::FilePrice& place, const ProvisionedPrice& ids) {
  if (place.flow) {
    // Right behind the '{'.
    return {place.offset + 1,
            absl::StrCat("provider_product_id: ", ids.product_id, ", provider_price_id: ", ids.price_id, ", ")};
  }
  const std::string indent(static_cast<size_t>(place.column), ' ');
  return {place.offset, absl::StrCat("provider_product_id: ", ids.product_id, "\n", indent,
                                     "provider_price_id: ", ids.price_id, "\n", indent)};
}

// Takes the ids out again that were written into `price`, if they are the next ones of the list; false if not.
bool TakeOut(const std::vector<ProvisionedPrice>& prices, size_t& next, std::string& product_id,
             std::string& price_id) {
  const bool same = next < prices.size() && price_id == prices[next].price_id && product_id == prices[next].product_id;
  ++next;
  product_id.clear();
  price_id.clear();
  return same;
}

bool SamePlan(catalog::Plan plan, const catalog::Plan& before, const std::vector<ProvisionedPrice>& prices,
              size_t& next) {
  if (plan.prices.size() != before.prices.size()) return false;
  for (size_t n = 0; n < plan.prices.size(); ++n) {
    Price& price = plan.prices[n];
    if (!before.prices[n].provider_price_id.empty()) continue;
    if (!TakeOut(prices, next, price.provider_product_id, price.provider_price_id)) return false;
  }
  return catalog::ContentSha256(plan) == before.content_sha256;
}

bool SameItem(catalog::OneOffItem item, const catalog::OneOffItem& before, const std::vector<ProvisionedPrice>& prices,
              size_t& next) {
  if (before.provider_price_id.empty() && !TakeOut(prices, next, item.provider_product_id, item.provider_price_id)) {
    return false;
  }
  return catalog::ContentSha256(item) == before.content_sha256;
}

// Reads the text that was made: it must be the same catalog, and have the ids where they belong.
absl::Status CheckText(const std::string& yaml, const std::string& currency, const catalog::File& before,
                       const std::vector<ProvisionedPrice>& prices) {
  ASSIGN_OR_RETURN(const catalog::File after, catalog::ParseFile(yaml, {.currency = currency}));
  size_t next = 0;
  bool same = after.plans.size() == before.plans.size() && after.items.size() == before.items.size();
  for (size_t p = 0; same && p < after.plans.size(); ++p) {
    same = SamePlan(after.plans[p].plan, before.plans[p].plan, prices, next);
  }
  for (size_t n = 0; same && n < after.items.size(); ++n) {
    same = SameItem(after.items[n].item, before.items[n].item, prices, next);
  }
  if (same && next == prices.size()) return absl::OkStatus();
  return absl::InternalError(
      "the ids could not be written into this file's form of YAML; write prices as plain mappings");
}

}  // namespace

std::string LookupKey(std::string_view code, std::string_view component) {
  return absl::StrCat(AbslView(code), ".", AbslView(component));
}

absl::StatusOr<Provisioned> Provision(std::string_view yaml, const std::string& currency, const ProvisionDeps& deps) {
  ASSIGN_OR_RETURN(const catalog::File file, catalog::ParseFile(yaml, {.provider = deps.format.provider(),
                                                                       .currency = currency,
                                                                       .require_provider_ids = false}));
  Provisioned out;
  std::vector<Insertion> insertions;
  for (const FilePlan& plan : file.plans) {
    std::string product_id;  // one product a plan
    for (size_t n = 0; n < plan.plan.prices.size(); ++n) {
      const Price& price = plan.plan.prices[n];
      if (!price.provider_price_id.empty()) {
        product_id = price.provider_product_id;
        continue;
      }
      const Wanted wanted = WantedOf(plan, n, product_id);
      if (price.usage_type != catalog::kUsageLicensed) {
        return Refuse(wanted, "a metered price needs a meter: make both at the provider, and give the price's ids");
      }
      ASSIGN_OR_RETURN(ProvisionedPrice provisioned, ProvisionPrice(deps, wanted));
      product_id = provisioned.product_id;
      insertions.push_back(IdsAt(plan.prices[n], provisioned));
      out.prices.push_back(std::move(provisioned));
    }
  }
  for (const FileItem& item : file.items) {
    if (!item.item.provider_price_id.empty()) continue;
    ASSIGN_OR_RETURN(ProvisionedPrice provisioned, ProvisionPrice(deps, WantedOf(item)));
    insertions.push_back(IdsAt(item.price, provisioned));
    out.prices.push_back(std::move(provisioned));
  }
  out.yaml = std::string(yaml);
  // From the end, so that earlier places stay where they are.
  std::sort(insertions.begin(), insertions.end(), [](const auto& a, const auto& b) { return a.offset > b.offset; });
  for (const Insertion& insertion : insertions) {
    if (insertion.offset > out.yaml.size()) return absl::InternalError("a price lies outside the text");
    out.yaml.insert(insertion.offset, insertion.text);
  }
  RETURN_IF_ERROR(CheckText(out.yaml, currency, file, out.prices));
  return out;
}

}  // namespace billmesh::billctl
