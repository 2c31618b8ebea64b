#include "services/checkout/item_resolution.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/catalog/plan.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

constexpr char kOtherCurrency[] = "the amount is in another currency than BILLING_CURRENCY";

Refusal NotFound(const PaymentLinkOrder& order) {
  return {Reason::FAILURE_REASON_CHECKOUT_PLAN_NOT_FOUND,
          absl::StrCat("no item \"", order.item_code, "\" is on sale here"),
          {{"item_code", order.item_code}}};
}

Refusal Misconfigured(const PaymentLinkOrder& order, std::string_view why) {
  return {Reason::FAILURE_REASON_CHECKOUT_CONFIGURATION_INVALID,
          "the item can't be sold as configured",
          {{"item_code", order.item_code}, {"why", std::string(why)}}};
}

}  // namespace

std::variant<provider::OneOffLine, Refusal> ResolveItem(const PaymentLinkOrder& order, const catalog::OneOffItem* item,
                                                        const ItemQuestion& question) {
  provider::OneOffLine line;
  line.quantity = std::max<int64_t>(order.quantity, 1);
  if (order.ad_hoc.has_value()) {
    // The caller's own word, and the caller's own fault.
    if (order.ad_hoc->currency != question.currency) {
      return Refusal{Reason::FAILURE_REASON_INVALID_ARGUMENT, kOtherCurrency, {{"field", "ad_hoc.currency"}}};
    }
    line.name = order.ad_hoc->name;
    line.currency = order.ad_hoc->currency;
    line.unit_amount_minor = order.ad_hoc->unit_amount_minor;
    return line;
  }
  if (item == nullptr || !(item->active || question.admitted) ||
      !(item->applies_to == catalog::kAppliesToAny || item->applies_to == question.entity_kind)) {
    return NotFound(order);
  }
  if (!item->invalid_grants.empty()) return Misconfigured(order, "what the item grants breaks its schema");
  if (item->provider != question.provider) return Misconfigured(order, "the item is another provider's");
  if (item->currency != question.currency) return Misconfigured(order, kOtherCurrency);
  if (item->unit_amount_minor > kMaxAdHocAmount / line.quantity) {
    return Refusal{Reason::FAILURE_REASON_INVALID_ARGUMENT,
                   absl::StrCat("quantity times the price must be at most ", kMaxAdHocAmount),
                   {{"field", "quantity"}}};
  }
  line.price_id = item->provider_price_id;
  return line;
}

}  // namespace billmesh::checkout
