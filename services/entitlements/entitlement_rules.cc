#include "services/entitlements/entitlement_rules.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/strings.h"
#include "nlohmann/json.hpp"

namespace billmesh::entitlements {
namespace {

namespace pb = billing::entitlements::v1;
using Json = nlohmann::json;

constexpr std::array<std::pair<EntitlementStatus, const char*>, 11> kStatusNames = {{
    {pb::ENTITLEMENT_STATUS_FREE, "free"},
    {pb::ENTITLEMENT_STATUS_TRIALING, "trialing"},
    {pb::ENTITLEMENT_STATUS_ACTIVE, "active"},
    {pb::ENTITLEMENT_STATUS_PAST_DUE, "past_due"},
    {pb::ENTITLEMENT_STATUS_GRACE, "grace"},
    {pb::ENTITLEMENT_STATUS_PAUSED, "paused"},
    {pb::ENTITLEMENT_STATUS_UNPAID, "unpaid"},
    {pb::ENTITLEMENT_STATUS_CANCELED, "canceled"},
    {pb::ENTITLEMENT_STATUS_INCOMPLETE, "incomplete"},
    {pb::ENTITLEMENT_STATUS_INCOMPLETE_EXPIRED, "incomplete_expired"},
    {pb::ENTITLEMENT_STATUS_COMPED, "comped"},
}};

bool IsGranting(EntitlementStatus status) {
  return status == pb::ENTITLEMENT_STATUS_ACTIVE || status == pb::ENTITLEMENT_STATUS_TRIALING ||
         status == pb::ENTITLEMENT_STATUS_PAST_DUE;
}

// How long something is paid, and how long it is granted.
struct Window {
  absl::Time paid_until = absl::InfinitePast();
  absl::Time granted_until = absl::InfinitePast();
  void Extend(const Window& other) {
    paid_until = std::max(paid_until, other.paid_until);
    granted_until = std::max(granted_until, other.granted_until);
  }
};

// ENT-3 for one item. An unknown period's end lets the status alone decide; an unknown start proves no payment.
Window WindowOf(const ItemInput& item, const SubscriptionInput& subscription, absl::Duration grace) {
  const absl::Time cancel_at = subscription.cancel_at.value_or(absl::InfiniteFuture());
  const absl::Time period_end = item.period_end.value_or(absl::InfiniteFuture());
  const bool past_due = subscription.status == pb::ENTITLEMENT_STATUS_PAST_DUE;
  const absl::Time paid_through = past_due ? item.period_start.value_or(absl::InfinitePast()) : period_end;
  Window window;
  window.paid_until = std::min(paid_through, cancel_at);
  const bool ends_with_period = subscription.cancel_at_period_end || cancel_at <= period_end;
  const bool scheduled = subscription.cancel_at_period_end || subscription.cancel_at.has_value();
  const absl::Duration allowed = scheduled && ends_with_period ? absl::ZeroDuration() : grace;
  window.granted_until = std::min(paid_through + allowed, cancel_at);
  return window;
}

// An item whose price a plan of the catalog has.
struct HeldItem {
  const catalog::Plan* plan = nullptr;
  bool is_core = false;             // its price is the plan's base price
  std::optional<int64_t> quantity;  // none for metered prices
  Window window;
};

bool IsBase(const catalog::Plan& plan) { return plan.kind == catalog::kKindBase; }

std::vector<HeldItem> HeldItems(const SubscriptionInput& subscription, const catalog::Catalog& catalog,
                                absl::Duration grace, std::vector<std::string>& unmapped) {
  std::vector<HeldItem> held;
  for (const ItemInput& item : subscription.items) {
    const std::optional<catalog::PriceRef> ref = catalog.FindPrice(subscription.provider, item.provider_price_id);
    if (!ref.has_value()) {
      unmapped.push_back(item.provider_price_id);
      continue;
    }
    held.push_back(HeldItem{ref->plan, ref->price->component == catalog::kComponentBase, item.quantity,
                            WindowOf(item, subscription, grace)});
  }
  std::sort(unmapped.begin(), unmapped.end());
  return held;
}

// A plan as held at an instant.
struct HeldPlan {
  const catalog::Plan* plan = nullptr;
  bool has_core = false;
  bool metered_only = true;
  int64_t quantity = 0;  // of its licensed items; 1 for one that is only metered
};

// Base plans first; among several of them the one whose base price is held; then by code, so that the order of items
// means nothing.
bool ComesBefore(const HeldPlan& a, const HeldPlan& b) {
  return std::make_tuple(!IsBase(*a.plan), !a.has_core, std::string_view(a.plan->code)) <
         std::make_tuple(!IsBase(*b.plan), !b.has_core, std::string_view(b.plan->code));
}

std::vector<HeldPlan> PlansAt(const std::vector<HeldItem>& items, absl::Time t) {
  std::map<std::string_view, HeldPlan> by_code;
  for (const HeldItem& item : items) {
    if (t >= item.window.granted_until) continue;
    HeldPlan& held = by_code[item.plan->code];
    held.plan = item.plan;
    held.has_core |= item.is_core;
    if (!item.quantity.has_value()) continue;
    held.metered_only = false;
    held.quantity = std::min(held.quantity + std::clamp<int64_t>(*item.quantity, 0, catalog::kMaxQuotaLimit),
                             catalog::kMaxQuotaLimit);
  }
  std::vector<HeldPlan> plans;
  for (auto& [code, held] : by_code) {
    if (held.metered_only) held.quantity = 1;
    // Zero of an add-on is none of it. A base plan for zero seats is still the plan.
    if (held.quantity > 0 || IsBase(*held.plan)) plans.push_back(held);
  }
  std::sort(plans.begin(), plans.end(), ComesBefore);
  return plans;
}

// a + b × factor for values that are not negative, at most kMaxQuotaLimit.
int64_t AddTimes(int64_t a, int64_t b, int64_t factor) {
  int64_t product = 0;
  int64_t sum = 0;
  if (__builtin_mul_overflow(b, factor, &product) || __builtin_add_overflow(a, product, &sum)) {
    return catalog::kMaxQuotaLimit;
  }
  return std::min(sum, catalog::kMaxQuotaLimit);
}

// Lays a plan's value over what is there already: booleans or, quotas add, lists unite. The source names who raised it
// last.
void Merge(std::map<std::string, Granted>& into, const std::string& key, const catalog::EntitlementValue& value,
           int64_t factor, const char* source) {
  const auto [it, is_new] = into.try_emplace(key, Granted{value, source});
  Granted& present = it->second;
  if (is_new) {
    if (auto* quota = std::get_if<catalog::QuotaEntitlement>(&present.value))
      quota->limit = AddTimes(0, quota->limit, factor);
    return;
  }
  if (present.value.index() != value.index()) return;
  const catalog::EntitlementValue before = present.value;
  if (auto* boolean = std::get_if<catalog::BooleanEntitlement>(&present.value)) {
    boolean->enabled |= std::get<catalog::BooleanEntitlement>(value).enabled;
  } else if (auto* quota = std::get_if<catalog::QuotaEntitlement>(&present.value)) {
    const auto& more = std::get<catalog::QuotaEntitlement>(value);
    // Five a day and a hundred a month make no sum.
    if (quota->interval == more.interval) quota->limit = AddTimes(quota->limit, more.limit, factor);
  } else {
    auto& values = std::get<catalog::StringListEntitlement>(present.value).values;
    const auto& more = std::get<catalog::StringListEntitlement>(value).values;
    std::vector<std::string> united;
    std::set_union(values.begin(), values.end(), more.begin(), more.end(), std::back_inserter(united));
    values = std::move(united);
  }
  if (!(present.value == before)) present.source = source;
}

void MergePlan(std::map<std::string, Granted>& into, const catalog::Plan& plan, int64_t factor, const char* source) {
  for (const auto& [key, value] : plan.entitlements) Merge(into, key, value, factor, source);
}

// Plan and entitlements of a segment, from what is held in it (base plans first).
void FillGrants(const std::vector<HeldPlan>& held, const catalog::Plan* fallback, Segment& segment) {
  const bool has_base = !held.empty() && IsBase(*held.front().plan);
  if (has_base) {
    segment.plan_code = held.front().plan->code;
  } else if (fallback != nullptr) {
    segment.plan_code = fallback->code;
    MergePlan(segment.entitlements, *fallback, 1, kSourceDefaultPlan);
  }
  for (const HeldPlan& plan : held) {
    const bool base = IsBase(*plan.plan);
    MergePlan(segment.entitlements, *plan.plan, base ? 1 : plan.quantity, base ? kSourcePlan : kSourceAddOn);
  }
  if (fallback == nullptr) return;
  for (const auto& [key, value] : fallback->entitlements) {
    segment.entitlements.try_emplace(key, Granted{value, kSourceDefaultPlan});
  }
}

// The window that the status follows: the base plan's, or that of all items where no base plan is held.
Window AnchorOf(const SubscriptionInput& subscription, const std::vector<HeldItem>& items, absl::Duration grace) {
  Window anchor;
  bool has_base = false;
  for (const HeldItem& item : items) {
    if (!IsBase(*item.plan)) continue;
    has_base = true;
    anchor.Extend(item.window);
  }
  if (has_base) return anchor;
  if (subscription.items.empty()) return WindowOf(ItemInput{}, subscription, grace);
  for (const ItemInput& item : subscription.items) anchor.Extend(WindowOf(item, subscription, grace));
  return anchor;
}

// The latest period's end among the base plan's items, or among all where no base plan is held.
std::optional<absl::Time> PeriodEndOf(const SubscriptionInput& subscription, const catalog::Catalog& catalog) {
  std::optional<absl::Time> of_base;
  std::optional<absl::Time> of_any;
  for (const ItemInput& item : subscription.items) {
    if (!item.period_end.has_value()) continue;
    of_any = std::max(of_any.value_or(absl::InfinitePast()), *item.period_end);
    const std::optional<catalog::PriceRef> ref = catalog.FindPrice(subscription.provider, item.provider_price_id);
    if (ref.has_value() && ref->plan->kind == catalog::kKindBase) {
      of_base = std::max(of_base.value_or(absl::InfinitePast()), *item.period_end);
    }
  }
  return of_base.has_value() ? of_base : of_any;
}

EntitlementStatus StatusAt(EntitlementStatus provider_status, const Window& anchor, absl::Time cancellation,
                           absl::Time t) {
  if (t >= cancellation) return pb::ENTITLEMENT_STATUS_CANCELED;
  if (t < anchor.paid_until) return provider_status;
  if (t < anchor.granted_until) return pb::ENTITLEMENT_STATUS_GRACE;
  return provider_status == pb::ENTITLEMENT_STATUS_PAST_DUE ? provider_status : pb::ENTITLEMENT_STATUS_FREE;
}

bool SameAnswer(const Segment& a, const Segment& b) {
  return a.status == b.status && a.plan_code == b.plan_code && a.entitlements == b.entitlements;
}

void ComputeGranting(const SubscriptionInput& subscription, const catalog::Catalog& catalog,
                     const catalog::Plan* fallback, absl::Duration grace, Computed& out) {
  const std::vector<HeldItem> items = HeldItems(subscription, catalog, grace, out.unmapped_prices);
  const Window anchor = AnchorOf(subscription, items, grace);
  absl::Time cancellation = subscription.cancel_at.value_or(absl::InfiniteFuture());
  if (!subscription.cancel_at.has_value() && subscription.cancel_at_period_end) {
    cancellation = out.current_period_end.value_or(absl::InfiniteFuture());
  }
  std::set<absl::Time> starts = {absl::InfinitePast(), anchor.paid_until, anchor.granted_until, cancellation};
  for (const HeldItem& item : items) starts.insert(item.window.granted_until);
  starts.erase(absl::InfiniteFuture());
  for (const absl::Time start : starts) {
    Segment segment;
    segment.from = start;
    segment.status = StatusAt(subscription.status, anchor, cancellation, start);
    FillGrants(PlansAt(items, start), fallback, segment);
    if (!out.segments.empty()) {
      if (SameAnswer(out.segments.back(), segment)) continue;
      out.segments.back().until = start;
    }
    out.segments.push_back(std::move(segment));
  }
}

Json TimeJson(absl::Time t) {
  if (t == absl::InfinitePast() || t == absl::InfiniteFuture()) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", t, absl::UTCTimeZone());
}

}  // namespace

std::string StatusName(EntitlementStatus status) {
  for (const auto& [value, name] : kStatusNames) {
    if (value == status) return name;
  }
  return "";
}

EntitlementStatus StatusFromName(std::string_view name) {
  for (const auto& [value, text] : kStatusNames) {
    if (name == text) return value;
  }
  return pb::ENTITLEMENT_STATUS_UNSPECIFIED;
}

Computed Compute(const EntityInputs& inputs, const catalog::Catalog& catalog, const RuleSettings& settings) {
  Computed out;
  const catalog::Plan* fallback = catalog.DefaultPlan(inputs.kind);
  const bool current = inputs.subscription.has_value() && inputs.subscription->is_current;
  if (current) out.current_period_end = PeriodEndOf(*inputs.subscription, catalog);
  if (current && IsGranting(inputs.subscription->status)) {
    ComputeGranting(*inputs.subscription, catalog, fallback, settings.grace, out);
    return out;
  }
  Segment segment;
  // One that grants and isn't current is a duplicate: it says nothing about the entity.
  if (inputs.subscription.has_value() && !IsGranting(inputs.subscription->status)) {
    segment.status = inputs.subscription->status;
  }
  FillGrants({}, fallback, segment);
  out.segments.push_back(std::move(segment));
  return out;
}

std::string CanonicalSegments(const std::vector<Segment>& segments) {
  Json list = Json::array();
  for (const Segment& segment : segments) {
    Json grants = Json::object();
    for (const auto& [key, granted] : segment.entitlements) {
      grants[key] = {{"schema", std::string(catalog::SchemaVersionOf(granted.value))},
                     {"payload", Json::parse(catalog::CanonicalPayload(granted.value))},
                     {"source", granted.source}};
    }
    list.push_back({{"from", TimeJson(segment.from)},
                    {"until", TimeJson(segment.until)},
                    {"status", StatusName(segment.status)},
                    {"plan_code", segment.plan_code},
                    {"entitlements", std::move(grants)}});
  }
  return json::Canonical(list).value();
}

std::string CanonicalContent(std::string_view canonical_segments, bool comped,
                             const std::optional<absl::Time>& current_period_end) {
  const Json end = TimeJson(current_period_end.value_or(absl::InfiniteFuture()));
  return absl::StrCat("{\"comped\":", comped ? "true" : "false", ",\"current_period_end\":", end.dump(),
                      ",\"segments\":", AbslView(canonical_segments), "}");
}

}  // namespace billmesh::entitlements
