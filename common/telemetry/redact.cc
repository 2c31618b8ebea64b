#include "common/telemetry/redact.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/status/strings.h"
#include "common/telemetry/card_numbers.h"

namespace billmesh::telemetry {
namespace {

constexpr size_t kMaxUrlUser = 256;

bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '_'; }
bool IsTokenChar(char c) { return IsWord(c) || c == '-'; }

size_t SkipWhile(std::string_view text, size_t i, bool (*test)(char)) {
  while (i < text.size() && test(text[i])) ++i;
  return i;
}

// Each finder returns the end of the secret that starts at i, or i if none does.

struct KeyPrefix {
  std::string_view prefix;
  bool at_word_start;  // "rk_" is the end of ordinary words
};
constexpr KeyPrefix kKeyPrefixes[] = {
    {"sk_live_", false}, {"sk_test_", false}, {"rk_live_", false},
    {"rk_test_", false}, {"whsec_", false},   {"rk_", true},
};

size_t FindKey(std::string_view text, size_t i) {
  for (const KeyPrefix& key : kKeyPrefixes) {
    if (text.substr(i, key.prefix.size()) != key.prefix) continue;
    if (key.at_word_start && i > 0 && IsWord(text[i - 1])) continue;
    const size_t end = SkipWhile(text, i + key.prefix.size(), [](char c) {
      return IsWord(c) || c == '+' || c == '/' || c == '=';  // webhook secrets may be base64
    });
    if (end > i + key.prefix.size()) return end;
  }
  return i;
}

// A JWT is at least two base64url parts, the first of which is a JSON object: "eyJ…".
size_t FindJwt(std::string_view text, size_t i) {
  if (text.substr(i, 3) != "eyJ" || (i > 0 && IsTokenChar(text[i - 1]))) return i;
  size_t end = SkipWhile(text, i, IsTokenChar);
  int dots = 0;
  while (end + 1 < text.size() && text[end] == '.' && IsTokenChar(text[end + 1])) {
    end = SkipWhile(text, end + 1, IsTokenChar);
    ++dots;
  }
  return dots >= 1 ? end : i;
}

// The password of "scheme://user:password@host".
size_t FindUrlPassword(std::string_view text, size_t i) {
  if (i == 0 || text[i - 1] != ':') return i;
  const size_t from = i - std::min(i, kMaxUrlUser);  // bounded, or many colons would take quadratic time
  const size_t found = text.substr(from, i - 1 - from).rfind("://");
  if (found == std::string_view::npos) return i;
  const size_t scheme = from + found;
  constexpr std::string_view kEndsAuthority = " \t\r\n/?#@\"'<>";
  const std::string_view user = text.substr(scheme + 3, i - 1 - (scheme + 3));
  if (user.find_first_of(kEndsAuthority) != std::string_view::npos) return i;
  const size_t end = text.find_first_of(kEndsAuthority, i);
  return end != std::string_view::npos && end > i && text[end] == '@' ? end : i;
}

size_t FindCard(std::string_view text, size_t i) {
  const auto is_digit = [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  return is_digit(text[i]) && !(i > 0 && is_digit(text[i - 1])) ? FindCardNumber(text, i) : i;
}

// Where a secret may begin, by its first character; every line of the log passes here.
size_t FindByFirst(std::string_view text, size_t i) {
  switch (text[i]) {
    case 's':
    case 'r':
    case 'w':
      return FindKey(text, i);
    case 'e':
      return FindJwt(text, i);
    default:
      return FindCard(text, i);
  }
}

// The first secret from here on, [from, end); both at the text's end if there is none.
struct Span {
  size_t from, end;
};
Span FindSecret(std::string_view text, size_t i) {
  for (; i < text.size(); ++i) {
    const size_t end = std::max(FindByFirst(text, i), FindUrlPassword(text, i));
    if (end > i) return {i, end};
  }
  return {i, i};
}

constexpr std::string_view kSecretNames[] = {"authorization", "cookie",           "set-cookie", "password",
                                             "secret",        "stripe-signature", "token",      "x-csrf-token"};

}  // namespace

std::string Redact(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t copied = 0; copied < text.size();) {
    const Span secret = FindSecret(text, copied);
    out.append(text, copied, secret.from - copied);
    if (secret.from < secret.end) out += kRedacted;
    copied = secret.end;
  }
  return out;
}

bool HoldsSecret(std::string_view text) { return FindSecret(text, 0).from < text.size(); }

bool IsSecretName(std::string_view name) {
  return std::any_of(std::begin(kSecretNames), std::end(kSecretNames), [name](std::string_view secret) {
    return absl::EqualsIgnoreCase(AbslView(name), AbslView(secret));
  });
}

}  // namespace billmesh::telemetry
