// Members of the documents that orders and answers are stored as, and the fault of one. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json_fwd.hpp"

namespace billmesh::checkout {

// Empty or 0 where the document has no such member of the type.
std::string TextOf(const nlohmann::json& document, const char* name);
int64_t IntegerOf(const nlohmann::json& document, const char* name);

// INVALID_ARGUMENT: "<field> <what>", with the field.
absl::Status InvalidField(std::string_view field, std::string_view what);

}  // namespace billmesh::checkout
