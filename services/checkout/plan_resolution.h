// What a checkout of a plan sells: exactly one base price in the deployment's currency, times seats,
// and the plan's metered prices (CAT-3); or why it can't be sold. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/catalog/plan.h"
#include "common/provider/object_format.h"
#include "services/checkout/operation.h"

namespace billmesh::checkout {

struct ResolvedPlan {
  std::string code;
  int64_t version = 0;
  std::vector<provider::LineItem> items;
  int64_t trial_days = 0;
  bool automatic_tax = false;
  bool allow_promotion_codes = false;
};

struct PlanQuestion {
  std::string_view plan_code;
  std::string_view provider;
  std::string_view currency;  // BILLING_CURRENCY, lower case
  std::string_view entity_kind;
  int64_t seats = 0;  // 0: the plan's minimum
  // The operation was admitted when the plan was still sold: its withdrawal since doesn't count.
  bool admitted = false;
};

// `plan` is null where the code names none. Refusals: checkout_plan_not_found (also for add-ons, plans
// that aren't sold any more, free plans, and those for another kind of entity), invalid_argument (seats
// out of the plan's bounds), and checkout_configuration_invalid, which is our own fault and alerts.
std::variant<ResolvedPlan, Refusal> ResolvePlan(const catalog::Plan* plan, const PlanQuestion& question);

}  // namespace billmesh::checkout
