// Where a buyer comes back to (CHK-8): a path below the deployment's public base URL, and never a
// way out of it, however it is written.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::checkout {

inline constexpr size_t kMaxRedirectPath = 1024;

// Whether the path starts with one '/', stays below its base, and holds no "//", backslash, dot
// segment or control character, neither as it stands nor after decoding it however often.
bool IsRedirectPath(std::string_view path);

// The URL of a path. REDIRECT_PATH_INVALID (metadata: field) for a path that isn't one. The base has
// no trailing slash.
absl::StatusOr<std::string> JoinRedirect(std::string_view base_url, std::string_view path, std::string_view field);

}  // namespace billmesh::checkout
