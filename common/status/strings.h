// The two converters between std::string_view and Debian's own absl::string_view. The convention of this code base: our
// interfaces take std::string_view and return std::string; Abseil functions are given AbslView(x).
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace billmesh {

inline absl::string_view AbslView(std::string_view s) { return absl::string_view(s.data(), s.size()); }
inline std::string_view StdView(absl::string_view s) { return std::string_view(s.data(), s.size()); }
inline std::string ToString(absl::string_view s) { return std::string(s.data(), s.size()); }

}  // namespace billmesh
