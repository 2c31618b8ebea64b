#include "common/catalog/plan.h"

#include <algorithm>
#include <utility>

namespace billmesh::catalog {

const Price* CorePrice(const Plan& plan, std::string_view provider) {
  for (const Price& price : plan.prices) {
    if (price.active && price.provider == provider && price.component == kComponentBase &&
        price.usage_type == kUsageLicensed) {
      return &price;
    }
  }
  return nullptr;
}

Catalog::Catalog(int64_t revision, std::vector<Plan> plans, std::vector<OneOffItem> items)
    : revision_(revision), plans_(std::move(plans)), items_(std::move(items)) {
  std::sort(plans_.begin(), plans_.end(), [](const Plan& a, const Plan& b) { return a.code < b.code; });
  std::sort(items_.begin(), items_.end(), [](const OneOffItem& a, const OneOffItem& b) { return a.code < b.code; });
  for (size_t p = 0; p < plans_.size(); ++p) {
    const Plan& plan = plans_[p];
    by_code_.emplace(plan.code, p);
    for (size_t i = 0; i < plan.prices.size(); ++i) {
      by_price_[plan.prices[i].provider].emplace(plan.prices[i].provider_price_id, std::make_pair(p, i));
    }
    if (plan.is_default && plan.active && !default_.has_value()) default_ = p;
  }
}

const Plan* Catalog::FindPlan(std::string_view code) const {
  const auto it = by_code_.find(code);
  return it == by_code_.end() ? nullptr : &plans_[it->second];
}

const OneOffItem* Catalog::FindItem(std::string_view code) const {
  const auto it = std::lower_bound(items_.begin(), items_.end(), code,
                                   [](const OneOffItem& item, std::string_view wanted) { return item.code < wanted; });
  return it != items_.end() && it->code == code ? &*it : nullptr;
}

std::optional<PriceRef> Catalog::FindPrice(std::string_view provider, std::string_view provider_price_id) const {
  const auto prices = by_price_.find(provider);
  if (prices == by_price_.end()) return std::nullopt;
  const auto it = prices->second.find(provider_price_id);
  if (it == prices->second.end()) return std::nullopt;
  const Plan& plan = plans_[it->second.first];
  return PriceRef{&plan, &plan.prices[it->second.second]};
}

const Plan* Catalog::DefaultPlan(std::string_view entity_kind) const {
  if (!default_.has_value()) return nullptr;
  const Plan& plan = plans_[*default_];
  return plan.applies_to == kAppliesToAny || plan.applies_to == entity_kind ? &plan : nullptr;
}

}  // namespace billmesh::catalog
