// What is bought once: credits, a setup fee (CAT-4), and what its payment grants (ENT-9). Pure; thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/catalog/entitlement_schema.h"

namespace billmesh::catalog {

// Ten years; what lasts longer is granted for good.
inline constexpr int64_t kMaxGrantSeconds = 315'360'000;

struct ItemGrant {
  EntitlementValue value;
  // From the payment on, 1 to kMaxGrantSeconds; none: for good.
  std::optional<int64_t> duration_seconds;
  bool operator==(const ItemGrant&) const = default;
};

struct OneOffItem {
  std::string id;
  std::string code;  // what clients name
  std::string name;
  std::string applies_to;  // any, or an entity kind
  std::string provider;
  std::string provider_product_id;
  std::string provider_price_id;  // of a one-time price
  std::string currency;           // ISO 4217, lower case
  int64_t unit_amount_minor = 0;  // above 0
  // False: no longer sold; what was bought stays granted.
  bool active = true;
  std::string content_sha256;
  std::map<std::string, ItemGrant> grants;  // by entitlement key; valid ones only
  // Keys whose stored payload breaks its schema: never granted, and the item isn't for sale (CAT-5).
  std::vector<std::string> invalid_grants;
};

// Adds a grant as it is stored, or names its key in invalid_grants.
void AddStoredGrant(const std::string& key, std::string_view schema_version, std::string_view payload_json,
                    std::optional<int64_t> duration_seconds, OneOffItem& item);

}  // namespace billmesh::catalog
