#include "common/auth/claims.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::auth {
namespace {

// Seconds since 1970 beyond which no honest date lies (the year 5138).
constexpr double kMaxNumericDate = 1e11;

absl::Status BadClaim(std::string_view why) { return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, why); }

bool IsString(const nlohmann::json& value, std::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

bool HasAudience(const nlohmann::json& claims, std::string_view audience) {
  const auto it = claims.find("aud");
  if (it == claims.end()) return false;
  if (!it->is_array()) return IsString(*it, audience);
  return std::any_of(it->begin(), it->end(), [&](const nlohmann::json& one) { return IsString(one, audience); });
}

// A NumericDate; nullopt in `out` if absent.
absl::Status ReadDate(const nlohmann::json& claims, const char* name, std::optional<absl::Time>& out) {
  const auto it = claims.find(name);
  if (it == claims.end()) return absl::OkStatus();
  const double seconds = it->is_number() ? it->get<double>() : -1;
  if (!std::isfinite(seconds) || seconds < 0 || seconds > kMaxNumericDate) {
    return BadClaim(absl::StrCat("the token's ", name, " is not a date"));
  }
  out = absl::UnixEpoch() + absl::Seconds(seconds);
  return absl::OkStatus();
}

absl::Status CheckTimes(const nlohmann::json& claims, const ClaimRules& rules, absl::Time now) {
  std::optional<absl::Time> expires;
  std::optional<absl::Time> starts;
  std::optional<absl::Time> issued;
  RETURN_IF_ERROR(ReadDate(claims, "exp", expires));
  RETURN_IF_ERROR(ReadDate(claims, "nbf", starts));
  RETURN_IF_ERROR(ReadDate(claims, "iat", issued));
  if (!expires.has_value()) return BadClaim("the token has no expiry");
  if (now >= *expires + rules.expiry_leeway) return BadClaim("the token has expired");
  if (starts.has_value() && *starts > now + rules.start_leeway) return BadClaim("the token is not valid yet");
  if (!rules.max_lifetime.has_value()) return absl::OkStatus();
  if (!issued.has_value() || *issued > now + rules.start_leeway) return BadClaim("the token is not valid yet");
  if (*expires - *issued > *rules.max_lifetime) return BadClaim("the token lives too long");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSubject(const nlohmann::json& claims) {
  const auto it = claims.find("sub");
  if (it == claims.end() || !it->is_string()) return BadClaim("the token has no subject");
  const auto& subject = it->get_ref<const std::string&>();
  const bool plain = std::none_of(subject.begin(), subject.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (subject.empty() || subject.size() > kMaxSubjectBytes || !plain)
    return BadClaim("the token's subject is malformed");
  return subject;
}

absl::StatusOr<std::vector<std::string>> ReadPermissions(const nlohmann::json& claims) {
  std::vector<std::string> permissions;
  const auto it = claims.find("permissions");
  if (it == claims.end()) return permissions;
  if (!it->is_array() || it->size() > kMaxPermissions) return BadClaim("the token's permissions are malformed");
  for (const nlohmann::json& one : *it) {
    if (!one.is_string() || one.get_ref<const std::string&>().size() > kMaxPermissionBytes) {
      return BadClaim("the token's permissions are malformed");
    }
    permissions.push_back(one.get<std::string>());
  }
  return permissions;
}

}  // namespace

absl::StatusOr<UserIdentity> ReadClaims(std::string_view payload, const ClaimRules& rules, absl::Time now) {
  const auto claims = json::Parse(payload);
  if (!claims.ok() || !claims->is_object()) return BadClaim("the token's claims are malformed");
  const auto issuer = claims->find("iss");
  if (issuer == claims->end() || !IsString(*issuer, rules.issuer))
    return BadClaim("the token's issuer is not accepted");
  if (!HasAudience(*claims, rules.audience)) return BadClaim("the token is for another audience");
  RETURN_IF_ERROR(CheckTimes(*claims, rules, now));
  UserIdentity user;
  ASSIGN_OR_RETURN(user.subject, ReadSubject(*claims));
  ASSIGN_OR_RETURN(user.permissions, ReadPermissions(*claims));
  return user;
}

}  // namespace billmesh::auth
