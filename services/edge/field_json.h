// Checks and conversions between text, JSON and the fields of a message, with errors that name the field. For
// transcoder.cc.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "nlohmann/json_fwd.hpp"

namespace billmesh::edge {

// INVALID_ARGUMENT about a field or parameter; the name is cut where it is too long to repeat.
absl::Status BadField(std::string_view name, std::string_view why);

// The JSON value of a field given as text in a path or query. INVALID_ARGUMENT naming `name` when the text isn't of the
// field's type.
absl::StatusOr<nlohmann::json> FieldFromText(const google::protobuf::FieldDescriptor& field, std::string_view name,
                                             std::string_view text);

// Whether a JSON object has only members of the message, each of the right shape and at most once under its two names.
// INVALID_ARGUMENT naming the member (dotted) otherwise. Numbers are left to protobuf's own parser.
absl::Status CheckMembers(const google::protobuf::Descriptor& message, const nlohmann::json& object,
                          std::string_view prefix);

// Valid UTF-8 without NUL: what a string field can hold.
bool IsText(std::string_view text);

}  // namespace billmesh::edge
