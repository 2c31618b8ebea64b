#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stripesim {

// Lowercase hex.
std::string HmacSha256Hex(std::string_view secret, std::string_view text);
std::string Sha256Hex(std::string_view text);

// "t=…,v1=…" over exactly these bytes, as webhooks carry it in Stripe-Signature.
std::string SignatureHeader(std::string_view secret, int64_t unix_seconds, std::string_view body);

}  // namespace stripesim
