// The last guard of OBS-3 and PRT-6: whatever is logged passes through here. It is no excuse for logging secrets.
// Thread safe.
#pragma once

#include <string>
#include <string_view>

namespace billmesh::telemetry {

inline constexpr std::string_view kRedacted = "[redacted]";

// The text with what looks secret masked: provider keys and webhook secrets (sk_…, rk_…, whsec_…), JSON web tokens,
// passwords in URLs, and card numbers (card_numbers.h).
std::string Redact(std::string_view text);

// Whether Redact finds anything in it.
bool HoldsSecret(std::string_view text);

// Whether a field of this name is never printed, whatever its value ("authorization", "password").
bool IsSecretName(std::string_view name);

}  // namespace billmesh::telemetry
