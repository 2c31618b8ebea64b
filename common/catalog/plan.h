// The catalog as read from the database (CAT-1, CAT-2): plans, prices, and what plans grant. Immutable once built;
// thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/catalog/entitlement_schema.h"
#include "common/catalog/item.h"

namespace billmesh::catalog {

inline constexpr char kKindBase[] = "base";
inline constexpr char kKindAddOn[] = "add_on";
inline constexpr char kAppliesToAny[] = "any";
inline constexpr char kComponentBase[] = "base";
inline constexpr char kUsageLicensed[] = "licensed";
inline constexpr char kUsageMetered[] = "metered";

struct Price {
  std::string id;
  std::string provider;
  std::string component;   // base, seat, metered, add_on
  std::string usage_type;  // licensed, metered
  std::string interval;    // day, week, month, year
  int64_t interval_count = 1;
  std::string currency;  // ISO 4217, lower case
  int64_t unit_amount_minor = 0;
  std::string provider_product_id;
  std::string provider_price_id;
  bool active = true;
};

struct Plan {
  std::string id;
  std::string code;
  std::string family_code;
  int64_t version = 1;
  std::string name;
  std::string kind;           // base, add_on
  std::string applies_to;     // any, or an entity kind
  std::string pricing_model;  // flat, per_seat, usage, hybrid
  int64_t trial_days = 0;
  bool automatic_tax = false;
  bool allow_promotion_codes = false;
  int64_t seats_min = 1;
  int64_t seats_max = 1;
  bool is_default = false;
  bool active = true;
  std::string content_sha256;
  std::vector<Price> prices;
  std::map<std::string, EntitlementValue> entitlements;  // valid ones only
  // Keys whose stored payload breaks its schema: never granted, and the plan isn't listed (CAT-5).
  std::vector<std::string> invalid_entitlements;
};

// The one active licensed base price of a plan at a provider; null if it has none (a free plan). The database admits no
// second.
const Price* CorePrice(const Plan& plan, std::string_view provider);

// A price and its plan, both owned by the Catalog.
struct PriceRef {
  const Plan* plan;
  const Price* price;
};

class Catalog {
 public:
  Catalog() = default;
  // Takes plans with their prices. Where two plans claim a code or a price (the database admits neither) the first
  // wins.
  Catalog(int64_t revision, std::vector<Plan> plans, std::vector<OneOffItem> items = {});
  // Pointers into the plans are handed out: move-only.
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;
  Catalog(Catalog&&) = default;
  Catalog& operator=(Catalog&&) = default;

  // Rises with each applied change.
  int64_t revision() const { return revision_; }
  // Ordered by code, inactive ones included: old subscribers keep theirs.
  const std::vector<Plan>& plans() const { return plans_; }
  // What is bought once: as the plans.
  const std::vector<OneOffItem>& items() const { return items_; }
  // Null where there is none.
  const OneOffItem* FindItem(std::string_view code) const;
  const Plan* FindPlan(std::string_view code) const;
  std::optional<PriceRef> FindPrice(std::string_view provider, std::string_view provider_price_id) const;
  // The active default plan if there is one and it applies to this kind of entity; else null.
  const Plan* DefaultPlan(std::string_view entity_kind) const;

 private:
  int64_t revision_ = 0;
  std::vector<Plan> plans_;
  std::vector<OneOffItem> items_;
  std::map<std::string, size_t, std::less<>> by_code_;
  // provider → price id → (plan, price) by index.
  std::map<std::string, std::map<std::string, std::pair<size_t, size_t>, std::less<>>, std::less<>> by_price_;
  std::optional<size_t> default_;
};

}  // namespace billmesh::catalog
