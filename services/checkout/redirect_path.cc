#include "services/checkout/redirect_path.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/http/server.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

// Nobody encodes a path more often than this with good intent.
constexpr int kMaxDecodings = 5;

// RFC 3986: unreserved, sub-delims, ':', '@', '/', and '?', '#', '%' with their own meaning.
bool IsUrlCharacter(char c) {
  return absl::ascii_isalnum(c) || std::string_view("-._~!$&'()*+,;=:@/?#%").find(c) != std::string_view::npos;
}

// The code point at `at`, which moves behind it; nullopt for anything but shortest-form UTF-8.
std::optional<uint32_t> NextCodePoint(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  const uint32_t first = byte(at);
  const int length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || at + length > text.size()) return std::nullopt;
  constexpr uint32_t kFirstBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  uint32_t point = first & kFirstBits[length];
  for (int i = 1; i < length; ++i) {
    if (byte(at + i) >> 6 != 2) return std::nullopt;
    point = point << 6 | (byte(at + i) & 0x3f);
  }
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (point < kLeast[length] || point > 0x10ffff || surrogate) return std::nullopt;
  at += length;
  return point;
}

// Controls, and what browsers and servers have been known to take for a slash, a backslash or a line
// break.
bool IsTreacherous(uint32_t point) {
  constexpr uint32_t kLookalikes[] = {0x2028, 0x2029, 0x2044, 0x2215, 0x29f8, 0xfe68, 0xff0f, 0xff3c};
  return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == '\\' ||
         std::find(std::begin(kLookalikes), std::end(kLookalikes), point) != std::end(kLookalikes);
}

bool HasDotSegment(std::string_view path) {
  const std::string_view without_query = path.substr(0, path.find_first_of("?#"));
  for (const absl::string_view segment : absl::StrSplit(AbslView(without_query), '/')) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

// As a careless decoder would: what is no escape stays as it is.
std::string DecodeLeniently(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) && absl::ascii_isxdigit(text[i + 2]);
    if (escape) {
      out += absl::HexStringToBytes(AbslView(text.substr(i + 1, 2)));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The rules that hold at every level of decoding.
bool IsHarmless(std::string_view path) {
  if (path.empty() || path[0] != '/' || absl::StrContains(AbslView(path), "//")) return false;
  for (size_t at = 0; at < path.size();) {
    const auto point = NextCodePoint(path, at);
    if (!point.has_value() || IsTreacherous(*point)) return false;
  }
  return !HasDotSegment(path);
}

}  // namespace

bool IsRedirectPath(std::string_view path) {
  if (path.size() > kMaxRedirectPath) return false;
  if (!std::all_of(path.begin(), path.end(), IsUrlCharacter) || !IsHarmless(path)) return false;
  // In the path itself a malformed escape is a fault.
  if (!http::PercentDecode(path, false).has_value()) return false;
  std::string decoded(path);
  for (int i = 0; i < kMaxDecodings; ++i) {
    std::string next = DecodeLeniently(decoded);
    if (!IsHarmless(next)) return false;
    if (next == decoded) return true;
    decoded = std::move(next);
  }
  return false;
}

absl::StatusOr<std::string> JoinRedirect(std::string_view base_url, std::string_view path, std::string_view field) {
  if (!IsRedirectPath(path)) {
    return Fail(Reason::FAILURE_REASON_REDIRECT_PATH_INVALID,
                absl::StrCat(AbslView(field), " is not a plain absolute path"), {{"field", std::string(field)}});
  }
  return absl::StrCat(AbslView(base_url), AbslView(path));
}

}  // namespace billmesh::checkout
