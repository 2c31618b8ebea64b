#include "common/ids/id_generator.h"

#include <algorithm>
#include <array>

#include "common/crypto/crypto.h"

namespace billmesh {
namespace {

// RFC 9562, section 5.7: 48 bits of milliseconds, version, 12 bits, variant, 62 bits.
std::string FormatUuidV7(int64_t unix_ms, std::array<uint8_t, 10> random) {
  std::array<uint8_t, 16> bytes;
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(unix_ms >> (40 - 8 * i));
  for (int i = 0; i < 10; ++i) bytes[6 + i] = random[i];
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 15]);
  }
  return text;
}

}  // namespace

std::string SystemIdGenerator::NewId() {
  std::array<uint8_t, 10> random;
  crypto::FillRandom(random.data(), random.size());
  // RFC 9562, section 6.2, method 1: within a millisecond, or where the clock went back, the 12 bits count. They begin
  // in their lower half, and carry into the milliseconds.
  const uint64_t begin =
      static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())) << 12 | (random[0] & 7u) << 8 | random[1];
  uint64_t last = last_, next = begin;
  do {
    next = std::max(begin, last + 1);
  } while (!last_.compare_exchange_weak(last, next));
  random[0] = static_cast<uint8_t>(next >> 8);
  random[1] = static_cast<uint8_t>(next);
  return FormatUuidV7(static_cast<int64_t>(next >> 12), random);
}

uint64_t SystemIdGenerator::Uniform(uint64_t bound) {
  uint64_t value = 0;
  crypto::FillRandom(reinterpret_cast<unsigned char*>(&value), sizeof(value));
  return value % bound;
}

uint64_t SeededIdGenerator::Next() {
  // splitmix64: small, and good enough for test data.
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::string SeededIdGenerator::NewId() {
  std::lock_guard lock(mutex_);
  const uint64_t a = Next(), b = Next();
  std::array<uint8_t, 10> random;
  for (int i = 0; i < 8; ++i) random[i] = static_cast<uint8_t>(a >> (8 * i));
  random[8] = static_cast<uint8_t>(b);
  random[9] = static_cast<uint8_t>(b >> 8);
  return FormatUuidV7(1700000000000 + counter_++, random);
}

uint64_t SeededIdGenerator::Uniform(uint64_t bound) {
  std::lock_guard lock(mutex_);
  return Next() % bound;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
  }
  return true;
}

}  // namespace billmesh
