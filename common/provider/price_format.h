// How a provider writes prices down (PRV-1): what the catalog needs to verify its prices (CAT-4) and to make missing
// ones
// (`billctl catalog provision`). Pure: no I/O, no clock; the same spec always gives the same bytes. Thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/provider/object_format.h"

namespace billmesh::provider {

// A purpose of FrozenCall, a kind of Retrieve and List, and the filter that finds a price by our name for it.
inline constexpr char kCreatePrice[] = "create_price";
inline constexpr char kPriceKind[] = "price";
inline constexpr char kLookupKeyFilter[] = "lookup_key";

// A price to be made: a licensed recurring one, or one that is paid once.
struct PriceSpec {
  std::string lookup_key;  // ours, unique among the provider's active prices
  std::string nickname;
  std::string currency;
  int64_t unit_amount_minor = 0;
  std::string interval;        // day, week, month, year; empty: paid once
  int64_t interval_count = 1;  // of recurring prices
  std::string product_id;      // an existing product's; if empty, one is made with the price:
  std::string product_name;    // what the buyer sees
  ObjectMetadata metadata;     // of the price, and of the product if it is made
};

// A price as the provider has it.
struct PriceSnapshot {
  std::string id;
  std::string product_id;
  std::string lookup_key;  // empty if none
  bool active = false;
  bool recurring = false;  // or paid once
  std::string currency;
  std::optional<int64_t> unit_amount_minor;  // none where it isn't one whole amount a unit (tiers, fractions)
  std::string usage_type;                    // licensed or metered; these three are empty unless recurring
  std::string interval;
  int64_t interval_count = 0;
};

class PriceFormat {
 public:
  virtual ~PriceFormat() = default;
  // The provider's name, as stored in rows: "stripe".
  virtual std::string provider() const = 0;
  // INVALID_ARGUMENT for text that isn't UTF-8.
  virtual absl::StatusOr<EncodedParams> EncodePrice(const PriceSpec& spec) const = 0;
  // INVALID_ARGUMENT where a member that is needed is missing or of another type; unknown ones are ignored.
  virtual absl::StatusOr<PriceSnapshot> ReadPrice(std::string_view object_json) const = 0;
  // The prices of one page of a list.
  virtual absl::StatusOr<std::vector<PriceSnapshot>> ReadPriceList(std::string_view list_json) const = 0;
};

}  // namespace billmesh::provider
