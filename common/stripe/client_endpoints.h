// Where each call goes: the one table of the provider's paths. Templates ("/v1/customers/{id}") are
// also the label of metrics, so that ids never become labels.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::stripe {

inline constexpr std::string_view kAccountPath = "/v1/account";
inline constexpr std::string_view kExpireSessionPath = "/v1/checkout/sessions/{id}/expire";

// The path of a create by its purpose, of a list and of a retrieve by the kind of object; empty for
// one that isn't known.
std::string_view CreatePath(std::string_view purpose);
std::string_view ListPath(std::string_view kind);
std::string_view RetrievePath(std::string_view kind);

// Puts the id into the template. INVALID_ARGUMENT for an id that is empty, longer than 255
// characters, or holds anything but letters, digits, '_' and '-'.
absl::StatusOr<std::string> FillPath(std::string_view path, std::string_view id);

// The provider's name of a filter of provider::ListQuery; empty for one that it doesn't know.
std::string_view FilterName(std::string_view filter);

}  // namespace billmesh::stripe
