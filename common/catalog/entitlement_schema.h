// The schema registry of entitlements (ENT-1): what a key may carry, in which versioned form. Unknown versions and
// invalid payloads are refused at write and never granted at read. Pure; thread safe.
//
//   entitlement.boolean.v1      {"enabled": bool}
//   entitlement.quota.v1        {"limit": 0 … 10^15, "interval": one of kQuotaIntervals, "enforcement": "hard" |
//   "soft"} entitlement.string_list.v1  {"values": up to 256 distinct strings of 1 … 128 bytes}
//
// All members are required and no others are allowed, so that a misspelt one can't silently mean its default.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "billing/types/v1/entitlement.pb.h"
#include "nlohmann/json_fwd.hpp"

namespace billmesh::catalog {

inline constexpr char kBooleanV1[] = "entitlement.boolean.v1";
inline constexpr char kQuotaV1[] = "entitlement.quota.v1";
inline constexpr char kStringListV1[] = "entitlement.string_list.v1";

inline constexpr size_t kMaxEntitlementKeyBytes = 64;
inline constexpr int64_t kMaxQuotaLimit = 1'000'000'000'000'000;
inline constexpr size_t kMaxListValues = 256;
inline constexpr size_t kMaxListValueBytes = 128;
// USG-2.
inline constexpr std::array<std::string_view, 7> kQuotaIntervals = {"minute", "hour",           "day",     "week",
                                                                    "month",  "billing_period", "lifetime"};

struct BooleanEntitlement {
  bool enabled = false;
  bool operator==(const BooleanEntitlement&) const = default;
};

struct QuotaEntitlement {
  int64_t limit = 0;
  std::string interval;
  bool hard = true;  // false: passing the limit is only reported
  bool operator==(const QuotaEntitlement&) const = default;
};

struct StringListEntitlement {
  std::vector<std::string> values;  // sorted by bytes, distinct
  bool operator==(const StringListEntitlement&) const = default;
};

using EntitlementValue = std::variant<BooleanEntitlement, QuotaEntitlement, StringListEntitlement>;

// CATALOG_INVALID unless the key is 1 to 64 characters of a-z, 0-9, '_', '.', '-', and begins with a letter.
absl::Status ValidateEntitlementKey(std::string_view key);

// The value of a payload under a schema version. CATALOG_INVALID (metadata `where`: schema_version or the member) for
// an unknown version and for anything that the version doesn't allow.
absl::StatusOr<EntitlementValue> ParseEntitlement(std::string_view schema_version, const nlohmann::json& payload);
// The same from JSON text.
absl::StatusOr<EntitlementValue> ParseEntitlementJson(std::string_view schema_version, std::string_view payload_json);

// The schema version of a value, and its payload as canonical JSON: equal values give equal bytes, and parsing gives
// the value back.
std::string_view SchemaVersionOf(const EntitlementValue& value);
std::string CanonicalPayload(const EntitlementValue& value);
// "boolean", "quota" or "string_list", as clients are told.
std::string_view TypeNameOf(const EntitlementValue& value);

// Whether it grants anything at all: an enabled boolean, a limit above 0, a non-empty list.
bool Grants(const EntitlementValue& value);

billing::types::v1::EntitlementValue ToProto(const EntitlementValue& value);

}  // namespace billmesh::catalog
