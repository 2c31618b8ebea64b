// The claims of a verified token (RFC 7519), as far as they say who the user is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/identity.h"

namespace billmesh::auth {

inline constexpr size_t kMaxSubjectBytes = 255;
inline constexpr size_t kMaxPermissions = 64;
inline constexpr size_t kMaxPermissionBytes = 128;

struct ClaimRules {
  std::string issuer;    // `iss` must be exactly this
  std::string audience;  // `aud` must be or contain exactly this
  // How far `exp` may lie behind, and `nbf` and `iat` ahead.
  absl::Duration expiry_leeway;
  absl::Duration start_leeway;
  // With it, `iat` is required and `exp` at most this later.
  std::optional<absl::Duration> max_lifetime;
};

// `sub`, `permissions` (an array of strings, optional) of a payload whose signature was verified. UNAUTHENTICATED for a
// payload that isn't a JSON object without duplicate members, for a broken rule, a missing `sub` or `exp`, or a claim
// of a wrong type.
absl::StatusOr<UserIdentity> ReadClaims(std::string_view payload, const ClaimRules& rules, absl::Time now);

}  // namespace billmesh::auth
