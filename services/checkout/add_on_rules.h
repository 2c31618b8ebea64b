// What setting an add-on sells, which items of the subscription it changes (PRT-4), and whether a subscription has a
// frozen change (PRT-3). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "common/catalog/plan.h"
#include "common/provider/object_format.h"
#include "services/checkout/current_subscription.h"
#include "services/checkout/operation.h"
#include "services/checkout/subscription_change_request.h"

namespace billmesh::checkout {

struct AddOnQuestion {
  std::string_view plan_code;
  std::string provider;
  std::string_view currency;  // BILLING_CURRENCY, lower case
  std::string_view entity_kind;
  int64_t quantity = 0;
};

// An add-on that this entity may have so many of.
struct ResolvedAddOn {
  std::string code;
  int64_t version = 0;
  std::string price_id;  // of a new item; empty where it is removed
};

// `plan` is null where the code names none. Refusals: checkout_plan_not_found (no add-on, not sold any more, or for
// another kind of entity), and checkout_configuration_invalid (why) unless exactly one active licensed price in the
// deployment's currency is there, which is our own fault and alerts. What is removed needn't be on sale, nor be for
// this kind of entity any more.
std::variant<ResolvedAddOn, Refusal> ResolveAddOn(const catalog::Plan* plan, const AddOnQuestion& question);

// The items that the plan has in the subscription: as projected, or as our own last change left them, where that is
// later (between a change and its event the projection is behind). `last` is that change's, where there was one.
// nullopt: both are of one second and differ, and nobody can tell which of them is the later.
std::optional<AddOnItems> ItemsOfAddOn(const catalog::Plan& plan, std::string_view provider,
                                       const CurrentSubscription& subscription, const std::optional<AddOnItems>& last);

// What makes the items so many of the add-on: none where there is nothing to do.
std::vector<provider::SubscriptionItemChange> AddOnChanges(const std::vector<std::string>& item_ids,
                                                           std::string_view price_id, int64_t quantity);

// What a subscription has of an add-on.
struct AddOnNow {
  int64_t quantity = 0;
  std::vector<std::string> item_ids;
};
// As the provider shows it, whoever put it there; nothing in a subscription that has ended. nullopt: the object doesn't
// show all of its items.
std::optional<AddOnNow> ReadAddOn(const catalog::Plan& plan, std::string_view provider,
                                  const provider::Subscription& subscription);

// Whether the subscription has ended: canceled, or never begun.
bool IsOver(const provider::Subscription& subscription);
// Whether it goes on now and will end on a date, whatever its period.
bool EndsOnDate(const provider::Subscription& subscription);

// Whether the subscription, as it is now, has the change. One that has ended is as good as cancelled for its period's
// end, and can't be resumed. A call that changes nothing has always been taken. UNAVAILABLE where the object doesn't
// show enough of itself.
absl::StatusOr<bool> HasChange(const provider::SubscriptionUpdateSpec& change,
                               const provider::Subscription& subscription);

}  // namespace billmesh::checkout
