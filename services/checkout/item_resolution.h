// What a payment link sells: an item of the catalog, or an amount of the caller's own, in the deployment's currency
// (PRT-2, CAT-3); or why it can't be sold. Pure.
#pragma once

#include <string_view>
#include <variant>

#include "common/catalog/item.h"
#include "common/provider/object_format.h"
#include "services/checkout/operation.h"
#include "services/checkout/payment_link_request.h"

namespace billmesh::checkout {

struct ItemQuestion {
  std::string_view provider;
  std::string_view currency;  // BILLING_CURRENCY, lower case
  std::string_view entity_kind;
  // The operation was admitted when the item was still sold: its withdrawal since doesn't count.
  bool admitted = false;
};

// `item` is null where the order's code names none, and not looked at for an amount of the caller's own. Refusals:
// checkout_plan_not_found (also for items that aren't sold any more, and those for another kind of entity),
// invalid_argument (the total is more than the provider takes), and checkout_configuration_invalid (why), which alerts.
std::variant<provider::OneOffLine, Refusal> ResolveItem(const PaymentLinkOrder& order, const catalog::OneOffItem* item,
                                                        const ItemQuestion& question);

}  // namespace billmesh::checkout
