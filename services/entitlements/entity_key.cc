#include "services/entitlements/entity_key.h"

#include <cstdio>

namespace billmesh::entitlements {
namespace {

constexpr size_t kUuidLength = 36;

// The value of a hex digit, or 16.
constexpr unsigned HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

}  // namespace

std::optional<EntityKey> EntityKey::Parse(std::string_view uuid) {
  if (uuid.size() != kUuidLength) return std::nullopt;
  EntityKey key;
  int digits = 0;
  for (size_t i = 0; i < kUuidLength; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash) {
      if (uuid[i] != '-') return std::nullopt;
      continue;
    }
    const unsigned value = HexValue(uuid[i]);
    if (value > 15) return std::nullopt;
    uint64_t& half = digits < 16 ? key.high : key.low;
    half = half << 4 | value;
    ++digits;
  }
  return key;
}

std::string EntityKey::ToString() const {
  char text[kUuidLength + 1];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
                static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xffff),
                static_cast<unsigned>(low >> 48), static_cast<unsigned long long>(low & 0xffffffffffffULL));
  return text;
}

}  // namespace billmesh::entitlements
