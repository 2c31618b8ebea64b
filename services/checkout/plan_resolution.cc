#include "services/checkout/plan_resolution.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

using catalog::Price;

constexpr char kComponentSeat[] = "seat";
constexpr char kComponentMetered[] = "metered";

Refusal NotFound(const PlanQuestion& question) {
  return {Reason::FAILURE_REASON_CHECKOUT_PLAN_NOT_FOUND,
          absl::StrCat("no plan \"", AbslView(question.plan_code), "\" is on sale here"),
          {{"plan_code", std::string(question.plan_code)}}};
}

Refusal Misconfigured(const PlanQuestion& question, std::string_view why) {
  return {Reason::FAILURE_REASON_CHECKOUT_CONFIGURATION_INVALID,
          "the plan can't be sold as configured",
          {{"plan_code", std::string(question.plan_code)}, {"why", std::string(why)}}};
}

std::vector<const Price*> PricesThatAre(bool active, const catalog::Plan& plan, std::string_view provider,
                                        std::string_view component, std::string_view usage_type) {
  std::vector<const Price*> found;
  for (const Price& price : plan.prices) {
    if (price.active == active && price.provider == provider && price.component == component &&
        price.usage_type == usage_type) {
      found.push_back(&price);
    }
  }
  return found;
}

// Those on sale; for an operation that was admitted before they were withdrawn, those withdrawn.
std::vector<const Price*> PricesOf(const catalog::Plan& plan, const PlanQuestion& question, std::string_view component,
                                   std::string_view usage_type) {
  auto found = PricesThatAre(true, plan, question.provider, component, usage_type);
  if (!found.empty() || !question.admitted) return found;
  return PricesThatAre(false, plan, question.provider, component, usage_type);
}

bool IsSoldHere(const catalog::Plan& plan, const PlanQuestion& question) {
  return plan.kind == catalog::kKindBase && (plan.active || question.admitted) &&
         (plan.applies_to == catalog::kAppliesToAny || plan.applies_to == question.entity_kind);
}

}  // namespace

std::variant<ResolvedPlan, Refusal> ResolvePlan(const catalog::Plan* plan, const PlanQuestion& question) {
  if (plan == nullptr || !IsSoldHere(*plan, question)) return NotFound(question);
  const auto bases = PricesOf(*plan, question, catalog::kComponentBase, catalog::kUsageLicensed);
  const auto seats = PricesOf(*plan, question, kComponentSeat, catalog::kUsageLicensed);
  const auto metered = PricesOf(*plan, question, kComponentMetered, catalog::kUsageMetered);
  // The plan that everybody has without buying it.
  if (plan->is_default && bases.empty()) return NotFound(question);
  if (bases.size() != 1) return Misconfigured(question, "not exactly one active base price");
  if (seats.size() > 1) return Misconfigured(question, "several active seat prices");

  const int64_t count = question.seats == 0 ? plan->seats_min : question.seats;
  if (count < plan->seats_min || count > plan->seats_max) {
    return Refusal{Reason::FAILURE_REASON_INVALID_ARGUMENT,
                   absl::StrCat("seats must be ", plan->seats_min, " to ", plan->seats_max),
                   {{"field", "seats"}}};
  }

  // Seats multiply the base, unless the plan prices them apart from it.
  std::vector<const Price*> sold = bases;
  sold.insert(sold.end(), seats.begin(), seats.end());
  sold.insert(sold.end(), metered.begin(), metered.end());
  ResolvedPlan resolved{plan->code,       plan->version,       {},
                        plan->trial_days, plan->automatic_tax, plan->allow_promotion_codes};
  for (const Price* price : sold) {
    if (price->currency != question.currency) {
      return Misconfigured(question, "a price is in another currency than BILLING_CURRENCY");
    }
    provider::LineItem item{price->provider_price_id, std::nullopt};
    if (price->usage_type == catalog::kUsageLicensed) {
      item.quantity = price == bases[0] && !seats.empty() ? 1 : count;
    }
    resolved.items.push_back(std::move(item));
  }
  return resolved;
}

}  // namespace billmesh::checkout
