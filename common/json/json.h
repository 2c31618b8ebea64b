// JSON for requests that we build and for small documents. (Large events from the provider are read by common/stripe
// with simdjson.)
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace billmesh::json {

// Bounds of Parse.
inline constexpr size_t kMaxBytes = 1 << 20;
inline constexpr int kMaxDepth = 64;

// Parses UTF-8 JSON. invalid_argument for malformed text, duplicate keys, depth over kMaxDepth or size over kMaxBytes.
absl::StatusOr<nlohmann::json> Parse(std::string_view text);

// The canonical form after RFC 8785 for the values that we use: keys sorted by bytes, no white space, shortest escapes,
// integers as they are. Equal values give equal bytes. Floating-point numbers, invalid UTF-8: invalid_argument (amounts
// are integers).
absl::StatusOr<std::string> Canonical(const nlohmann::json& value);

}  // namespace billmesh::json
