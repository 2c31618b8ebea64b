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

using catalog::FilePlan;
using catalog::Price;
using provider::CallResult;
using provider::PriceSnapshot;

absl::Status Refuse(const FilePlan& plan, size_t index, const std::string& what) {
  const int line = plan.prices[index].line;
  const std::string where = absl::StrCat("plans[", plan.plan.code, "].prices[", index, "]");
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID, absl::StrCat("line ", line, ": ", where, ": ", what),
              {{"line", std::to_string(line)}, {"where", where}});
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

absl::StatusOr<PriceSnapshot> Create(const ProvisionDeps& deps, const FilePlan& plan, const Price& price,
                                     const std::string& product_id) {
  const std::string lookup_key = LookupKey(plan.plan.code, price.component);
  provider::PriceSpec spec;
  spec.lookup_key = lookup_key;
  spec.nickname = absl::StrCat(plan.plan.name, " ", price.component, " v", plan.plan.version);
  spec.currency = price.currency;
  spec.unit_amount_minor = price.unit_amount_minor;
  spec.interval = price.interval;
  spec.interval_count = price.interval_count;
  spec.product_id = product_id;
  spec.product_name = plan.plan.name;
  spec.metadata = {{"billmesh_plan_code", plan.plan.code},
                   {"billmesh_plan_version", std::to_string(plan.plan.version)}};
  ASSIGN_OR_RETURN(const provider::EncodedParams params, deps.format.EncodePrice(spec));
  const CallResult result = deps.provider.Create({.purpose = provider::kCreatePrice,
                                                  .idempotency_key = IdempotencyKey(params.json, deps.clock),
                                                  .params_json = params.json},
                                                 {.timeout = deps.timeout});
  if (result.outcome != provider::Outcome::kSuccess) {
    return ProviderFault(absl::StrCat("making price ", lookup_key), result);
  }
  return deps.format.ReadPrice(result.object_json);
}

// A price under our lookup key that isn't what is declared: made by an older file, or by hand.
absl::Status CheckFound(const FilePlan& plan, size_t index, const PriceSnapshot& found) {
  const Price& price = plan.plan.prices[index];
  const auto other = [&](const std::string& what) {
    return Refuse(plan, index,
                  absl::StrCat("the provider's price ", found.id, " has our lookup key ", found.lookup_key, " but ",
                               what, "; publish a new plan version, or give the ids of another price"));
  };
  if (!found.active) return other("is archived");
  if (!found.recurring || found.usage_type != price.usage_type) return other("isn't licensed and recurring");
  if (found.currency != price.currency) return other(absl::StrCat("is in ", found.currency));
  if (found.unit_amount_minor != price.unit_amount_minor) {
    return other(found.unit_amount_minor.has_value() ? absl::StrCat("costs ", *found.unit_amount_minor)
                                                     : "has no single amount");
  }
  if (found.interval != price.interval || found.interval_count != price.interval_count) {
    return other(absl::StrCat("is paid every ", found.interval_count, " ", found.interval));
  }
  return absl::OkStatus();
}

absl::StatusOr<ProvisionedPrice> ProvisionPrice(const ProvisionDeps& deps, const FilePlan& plan, size_t index,
                                                const std::string& product_id) {
  const Price& price = plan.plan.prices[index];
  if (price.usage_type != catalog::kUsageLicensed) {
    return Refuse(plan, index, "a metered price needs a meter: make both at the provider, and give the price's ids");
  }
  ASSIGN_OR_RETURN(std::optional<PriceSnapshot> snapshot, LookUp(deps, LookupKey(plan.plan.code, price.component)));
  const bool created = !snapshot.has_value();
  if (created) {
    ASSIGN_OR_RETURN(snapshot, Create(deps, plan, price, product_id));
  }
  RETURN_IF_ERROR(CheckFound(plan, index, *snapshot));
  return ProvisionedPrice{plan.plan.code, price.component, snapshot->product_id, snapshot->id, created};
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

// Reads the text that was made: it must be the same catalog, and have the ids where they belong.
absl::Status CheckText(const std::string& yaml, const std::string& currency, const catalog::File& before,
                       const std::vector<ProvisionedPrice>& prices) {
  ASSIGN_OR_RETURN(catalog::File after, catalog::ParseFile(yaml, {.currency = currency}));
  size_t next = 0;
  bool same = after.plans.size() == before.plans.size();
  for (size_t p = 0; same && p < after.plans.size(); ++p) {
    catalog::Plan& plan = after.plans[p].plan;
    const catalog::Plan& old = before.plans[p].plan;
    same = plan.prices.size() == old.prices.size();
    for (size_t n = 0; same && n < plan.prices.size(); ++n) {
      if (!old.prices[n].provider_price_id.empty()) continue;
      same = next < prices.size() && plan.prices[n].provider_price_id == prices[next].price_id &&
             plan.prices[n].provider_product_id == prices[next].product_id;
      ++next;
      plan.prices[n].provider_price_id.clear();
      plan.prices[n].provider_product_id.clear();
    }
    same = same && catalog::ContentSha256(plan) == old.content_sha256;
  }
  if (same && next == prices.size()) return absl::OkStatus();
  return absl::InternalError(
      "the ids could not be written into this file's form of YAML; write prices as plain mappings");
}

}  // namespace

std::string LookupKey(std::string_view plan_code, std::string_view component) {
  return absl::StrCat(AbslView(plan_code), ".", AbslView(component));
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
      ASSIGN_OR_RETURN(ProvisionedPrice provisioned, ProvisionPrice(deps, plan, n, product_id));
      product_id = provisioned.product_id;
      insertions.push_back(IdsAt(plan.prices[n], provisioned));
      out.prices.push_back(std::move(provisioned));
    }
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
