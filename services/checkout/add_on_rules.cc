#include "services/checkout/add_on_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

using provider::SubscriptionItem;
using provider::SubscriptionItemChange;

constexpr char kComponentAddOn[] = "add_on";

Refusal Misconfigured(const AddOnQuestion& question, std::string_view why) {
  return {Reason::FAILURE_REASON_CHECKOUT_CONFIGURATION_INVALID,
          "the add-on can't be sold as configured",
          {{"plan_code", std::string(question.plan_code)}, {"why", std::string(why)}}};
}

bool IsForThem(const catalog::Plan& plan, const AddOnQuestion& question) {
  if (plan.kind != catalog::kKindAddOn) return false;
  const bool applies = plan.applies_to == catalog::kAppliesToAny || plan.applies_to == question.entity_kind;
  return question.quantity == 0 || (plan.active && applies);
}

// A price that isn't sold any more is the plan's all the same.
bool IsOfPlan(const catalog::Plan& plan, std::string_view provider, std::string_view price_id) {
  return std::any_of(plan.prices.begin(), plan.prices.end(), [&](const catalog::Price& price) {
    return price.provider == provider && price.provider_price_id == price_id &&
           price.usage_type == catalog::kUsageLicensed;
  });
}

// The item that a change is about; null where the subscription doesn't show it.
const SubscriptionItem* FindItem(const provider::Subscription& subscription, const SubscriptionItemChange& change) {
  const auto it = std::find_if(subscription.items.begin(), subscription.items.end(), [&](const SubscriptionItem& item) {
    return change.item_id.empty() ? item.price_id == change.price_id : item.id == change.item_id;
  });
  return it == subscription.items.end() ? nullptr : &*it;
}

}  // namespace

std::variant<ResolvedAddOn, Refusal> ResolveAddOn(const catalog::Plan* plan, const AddOnQuestion& question) {
  if (plan == nullptr || !IsForThem(*plan, question)) {
    return Refusal{Reason::FAILURE_REASON_CHECKOUT_PLAN_NOT_FOUND,
                   absl::StrCat("no add-on \"", AbslView(question.plan_code), "\" is on sale here"),
                   {{"plan_code", std::string(question.plan_code)}}};
  }
  ResolvedAddOn resolved{plan->code, plan->version, ""};
  if (question.quantity == 0) return resolved;
  const catalog::Price* only = nullptr;
  for (const catalog::Price& price : plan->prices) {
    if (!price.active || price.provider != question.provider || price.component != kComponentAddOn ||
        price.usage_type != catalog::kUsageLicensed) {
      continue;
    }
    if (only != nullptr) return Misconfigured(question, "several active add-on prices");
    only = &price;
  }
  if (only == nullptr) return Misconfigured(question, "no active licensed add-on price");
  if (only->currency != question.currency) {
    return Misconfigured(question, "a price is in another currency than BILLING_CURRENCY");
  }
  resolved.price_id = only->provider_price_id;
  return resolved;
}

std::optional<AddOnItems> ItemsOfAddOn(const catalog::Plan& plan, std::string_view provider,
                                       const CurrentSubscription& subscription, const std::optional<AddOnItems>& last) {
  AddOnItems projected{subscription.id, {}, subscription.provider_updated_at};
  for (const CurrentItem& item : subscription.items) {
    if (IsOfPlan(plan, provider, item.price_id)) projected.item_ids.push_back(item.item_id);
  }
  if (!last.has_value() || last->subscription_id != subscription.id || last->as_of < projected.as_of) return projected;
  if (last->as_of > projected.as_of) return last;
  if (!std::is_permutation(last->item_ids.begin(), last->item_ids.end(), projected.item_ids.begin(),
                           projected.item_ids.end())) {
    return std::nullopt;
  }
  return projected;
}

std::vector<SubscriptionItemChange> AddOnChanges(const std::vector<std::string>& item_ids, std::string_view price_id,
                                                 int64_t quantity) {
  std::vector<SubscriptionItemChange> changes;
  if (item_ids.empty()) {
    if (quantity > 0) changes.push_back({.price_id = std::string(price_id), .quantity = quantity});
    return changes;
  }
  // Several items of one add-on come from other hands: the first gets the quantity, the others go.
  for (const std::string& id : item_ids) changes.push_back({.item_id = id});
  changes.front().quantity = quantity;
  return changes;
}

std::optional<AddOnNow> ReadAddOn(const catalog::Plan& plan, std::string_view provider,
                                  const provider::Subscription& subscription) {
  AddOnNow now;
  if (IsOver(subscription)) return now;
  if (!subscription.items_complete) return std::nullopt;
  for (const SubscriptionItem& item : subscription.items) {
    if (!IsOfPlan(plan, provider, item.price_id)) continue;
    now.quantity += item.quantity.value_or(0);
    now.item_ids.push_back(item.id);
  }
  return now;
}

bool IsOver(const provider::Subscription& subscription) {
  return subscription.status == "canceled" || subscription.status == "incomplete_expired";
}

bool EndsOnDate(const provider::Subscription& subscription) {
  return subscription.cancel_at.has_value() && !subscription.cancel_at_period_end && !IsOver(subscription);
}

absl::StatusOr<bool> HasChange(const provider::SubscriptionUpdateSpec& change,
                               const provider::Subscription& subscription) {
  if (change.cancel_at_period_end.has_value()) {
    const bool has = *change.cancel_at_period_end ? subscription.cancel_at_period_end || IsOver(subscription)
                                                  : !subscription.cancel_at_period_end && !IsOver(subscription);
    if (!has) return false;
  }
  if (change.clear_cancel_at && (subscription.cancel_at.has_value() || IsOver(subscription))) return false;
  for (const SubscriptionItemChange& wanted : change.items) {
    const SubscriptionItem* const item = FindItem(subscription, wanted);
    if (item == nullptr && !subscription.items_complete) {
      return absl::UnavailableError("the subscription doesn't show all of its items");
    }
    const int64_t quantity = item == nullptr ? 0 : item->quantity.value_or(0);
    if (quantity != wanted.quantity) return false;
  }
  return true;
}

}  // namespace billmesh::checkout
