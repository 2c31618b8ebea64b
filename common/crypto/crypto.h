// Hashes, MACs and encodings over OpenSSL 3. All functions are thread safe and total: they fail only where said.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace billmesh::crypto {

// Raw 32 bytes.
std::string Sha256(std::string_view data);
// Lower-case hex of the SHA-256.
std::string Sha256Hex(std::string_view data);
// Raw 32 bytes of HMAC-SHA256 (RFC 2104). The key may have any length.
std::string HmacSha256(std::string_view key, std::string_view data);
std::string HmacSha256Hex(std::string_view key, std::string_view data);

// HMAC over a + b without joining them: the signed text of a webhook is a prefix and a large body.
std::string HmacSha256Hex(std::string_view key, std::string_view a, std::string_view b);

// Compares in time that depends on the lengths only.
bool ConstantTimeEquals(std::string_view a, std::string_view b);

std::string HexEncode(std::string_view data);
// Without padding, RFC 4648 section 5.
std::string Base64UrlEncode(std::string_view data);
// nullopt on padding, white space, foreign characters or non-canonical trailing bits.
std::optional<std::string> Base64UrlDecode(std::string_view text);

// Random bytes of OpenSSL's generator; aborts when there are none to be had: nothing sensible could go on. Few bytes come
// from a page of the thread's, because a call of the generator costs more than the rest of an id; what is handed out is
// erased there.
void FillRandom(unsigned char* out, size_t n);
std::string RandomBytes(size_t n);

}  // namespace billmesh::crypto
