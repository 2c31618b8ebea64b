// An entity's id as 16 bytes: what memory is indexed by.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace billmesh::entitlements {

struct EntityKey {
  uint64_t high = 0;
  uint64_t low = 0;

  // Nullopt unless the text is a UUID of 36 characters, in either case.
  static std::optional<EntityKey> Parse(std::string_view uuid);
  // Lower case.
  std::string ToString() const;
  bool operator==(const EntityKey&) const = default;
  auto operator<=>(const EntityKey&) const = default;
};

// Ids are UUIDv7: the high half is mostly time, so both halves are mixed.
struct EntityKeyHash {
  size_t operator()(const EntityKey& key) const {
    uint64_t h = (key.high * 0x9e3779b97f4a7c15ULL) ^ key.low;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
  }
};

}  // namespace billmesh::entitlements
