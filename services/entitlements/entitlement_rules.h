// What an entity may do, as a pure function of its projections, the catalog, overrides and a grace period (ENT-2 to
// ENT-4). The answer is a list of segments of time, so that boundaries take effect at their instant with no event
// needed and time itself is no input.
//
// Rules:
// - Only the current subscription grants. Active, trialing and past_due grant per item: up to its paid-through (the
// period's end; its
//   start when past_due), then for the grace, then no longer. Other statuses grant nothing.
// - Once cancellation is scheduled there is no grace; nothing is granted beyond cancel_at. A cancel_at behind the
// period's end leaves
//   the renewals before it their grace.
// - The base plan is the held plan of kind base; without one, the default plan stands in. Add-ons come on top: booleans
// or, quotas add
//   (times the item's quantity), lists unite. Where types or intervals differ the earlier value stands.
// - Keys that neither names fall back to the default plan (the last in the precedence of ENT-4).
// - Status: the subscription's while paid, `grace` while only the grace grants, `canceled` from the scheduled instant
// on, `past_due` once
//   a past_due one has outlived its grace, else `free`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "billing/entitlements/v1/entitlements.pb.h"
#include "common/catalog/plan.h"

namespace billmesh::entitlements {

using EntitlementStatus = billing::entitlements::v1::EntitlementStatus;

// "past_due" ↔ ENTITLEMENT_STATUS_PAST_DUE. UNSPECIFIED for a name that isn't one.
std::string StatusName(EntitlementStatus status);
EntitlementStatus StatusFromName(std::string_view name);

struct ItemInput {
  std::string provider_item_id;
  std::string provider_price_id;
  std::optional<int64_t> quantity;  // none for metered prices
  std::optional<absl::Time> period_start;
  std::optional<absl::Time> period_end;
};

struct SubscriptionInput {
  std::string provider;
  EntitlementStatus status = billing::entitlements::v1::ENTITLEMENT_STATUS_UNSPECIFIED;
  // Whether it's the canonical live one. Otherwise it is the last one that ended, and lends only its status.
  bool is_current = false;
  bool cancel_at_period_end = false;
  std::optional<absl::Time> cancel_at;
  std::vector<ItemInput> items;
};

// Comps and single overrides of ENT-4. None exist in this schema version.
struct Overrides {};

struct EntityInputs {
  std::string entity_id;
  std::string kind;
  int64_t revision = 0;
  std::optional<SubscriptionInput> subscription;
  Overrides overrides;
};

struct RuleSettings {
  absl::Duration grace;  // >= 0
};

// Where a value comes from: one of these names, as clients see them.
inline constexpr char kSourcePlan[] = "plan";
inline constexpr char kSourceAddOn[] = "add_on";
inline constexpr char kSourceDefaultPlan[] = "default_plan";

struct Granted {
  catalog::EntitlementValue value;
  std::string source;
  bool operator==(const Granted&) const = default;
};

// Holds in [from, until).
struct Segment {
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  EntitlementStatus status = billing::entitlements::v1::ENTITLEMENT_STATUS_FREE;
  std::string plan_code;  // empty when the catalog has no default plan
  std::map<std::string, Granted> entitlements;
};

struct Computed {
  // In order, without gaps, from InfinitePast to InfiniteFuture; neighbours differ.
  std::vector<Segment> segments;
  // Of the base plan's items, where a subscription is current.
  std::optional<absl::Time> current_period_end;
  bool comped = false;
  // Prices of the current subscription that no plan knows: they grant nothing, and somebody should be told.
  std::vector<std::string> unmapped_prices;
};

Computed Compute(const EntityInputs& inputs, const catalog::Catalog& catalog, const RuleSettings& settings);

// The index of the segment that holds at t. T has members from and until; the list is as in Computed.
template <typename T>
size_t SegmentIndexAt(const std::vector<T>& segments, absl::Time t) {
  size_t i = 0;
  while (i + 1 < segments.size() && t >= segments[i].until) ++i;
  return i;
}

// Canonical JSON as stored: [{from, until, status, plan_code, entitlements: {key: {schema, payload, source}}}]; null
// for no bound.
std::string CanonicalSegments(const std::vector<Segment>& segments);
// Canonical JSON of everything that is content (segments, comped, current_period_end): equal answers have equal bytes.
std::string CanonicalContent(std::string_view canonical_segments, bool comped,
                             const std::optional<absl::Time>& current_period_end);

}  // namespace billmesh::entitlements
