// The provider's form encoding: application/x-www-form-urlencoded with brackets for what is nested
// (line_items[0][price]=…, metadata[key]=value). Pure and thread safe.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::stripe {

// Encodes a JSON object. Members keep the order of the canonical form (sorted by bytes), so that
// equal parameters give equal bodies. INVALID_ARGUMENT for anything but an object, for null,
// floating-point numbers, and nested arrays and objects that are empty: none of them has a form.
absl::StatusOr<std::string> EncodeForm(std::string_view params_json);

// The same for a flat list of query parameters, without the '?'.
std::string EncodeQuery(const std::map<std::string, std::string>& parameters);

}  // namespace billmesh::stripe
