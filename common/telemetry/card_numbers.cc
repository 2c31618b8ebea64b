#include "common/telemetry/card_numbers.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "common/ids/id_generator.h"
#include "common/status/strings.h"

namespace billmesh::telemetry {
namespace {

constexpr size_t kMinCardDigits = 13, kMaxCardDigits = 19;
constexpr size_t kFirstGroup = 4;      // digits, of a number in groups
constexpr size_t kKeptDigits = 4;      // as on receipts
constexpr size_t kMinHashLength = 32;  // ids and hashes in hex have long runs of digits by chance
constexpr size_t kMaxIdLength = 255;   // on either side
constexpr size_t kEscapeLength = 6;    // \u00a0
constexpr size_t kUuidLength = 36;

// By the first four digits. Times in milliseconds and microseconds begin with 1, which no network issues.
struct Network {
  int from, to;
  size_t min_digits, max_digits;
};
constexpr Network kNetworks[] = {
    {2200, 2204, 16, 19},  // Mir
    {2221, 2720, 16, 16},  // Mastercard
    {3000, 3059, 14, 19},  // Diners Club
    {3095, 3095, 14, 19},  // Diners Club
    {3400, 3499, 15, 15},  // American Express
    {3528, 3589, 16, 19},  // JCB
    {3600, 3699, 14, 19},  // Diners Club
    {3700, 3799, 15, 15},  // American Express
    {3800, 3999, 14, 19},  // Diners Club
    {4000, 4999, 13, 19},  // Visa and whoever shares its range
    {5000, 5099, 13, 19},  // Maestro, Verve, Elo
    {5100, 5599, 16, 16},  // Mastercard
    {5600, 6999, 13, 19},  // Maestro, Discover, UnionPay, RuPay
    {8100, 8299, 16, 19},  // UnionPay, RuPay
    {9792, 9792, 16, 16},  // Troy
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsIdCharacter(char c) { return IsAlnum(c) || c == '_'; }
bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }

size_t SkipDigits(std::string_view text, size_t i) {
  while (i < text.size() && IsDigit(text[i])) ++i;
  return i;
}

bool PassesLuhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (auto it = digits.rbegin(); it != digits.rend(); ++it, twice = !twice) {
    const int d = (*it - '0') * (twice ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  }
  return sum % 10 == 0;
}

bool IsCardNumber(std::string_view digits) {
  if (digits.size() < kMinCardDigits || digits.size() > kMaxCardDigits) return false;
  int first = 0;
  for (size_t i = 0; i < kFirstGroup; ++i) first = first * 10 + (digits[i] - '0');
  return std::any_of(std::begin(kNetworks), std::end(kNetworks),
                     [&](const Network& n) {
                       return first >= n.from && first <= n.to && digits.size() >= n.min_digits &&
                              digits.size() <= n.max_digits;
                     }) &&
         PassesLuhn(digits);
}

// The characters around [begin, end) that are like these, as far as it matters: no further, or a long text of nothing
// else would take quadratic time.
std::string_view Around(std::string_view text, size_t begin, size_t end, bool (*like)(char)) {
  const size_t from = begin - std::min(begin, kMaxIdLength);
  const size_t to = end + std::min(text.size() - end, kMaxIdLength);
  while (begin > from && like(text[begin - 1])) --begin;
  while (end < to && like(text[end])) ++end;
  return text.substr(begin, end - begin);
}

// Whether [begin, end) lies in a long lower-case hex string.
bool InHash(std::string_view text, size_t begin, size_t end) {
  const std::string_view word = Around(text, begin, end, IsAlnum);
  return word.size() >= kMinHashLength &&
         std::all_of(word.begin(), word.end(), [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); });
}

// Whether [begin, end) lies in a UUID, in either case: it has groups of four as a card has.
bool InUuid(std::string_view text, size_t begin, size_t end) {
  for (size_t from = begin - std::min(begin, kUuidLength - 1); from <= begin; ++from) {
    const size_t to = from + kUuidLength;
    if (to < end || !IsUuid(absl::AsciiStrToLower(AbslView(text.substr(from, kUuidLength))))) continue;
    if ((from == 0 || !IsAlnum(text[from - 1])) && (to == text.size() || !IsAlnum(text[to]))) return true;
  }
  return false;
}

// Whether [begin, end) lies in the random part of an id, "prefix_random". A text that merely puts a word before a
// number isn't one: the random part has letters.
bool InId(std::string_view text, size_t begin, size_t end) {
  const std::string_view id = Around(text, begin, end, IsIdCharacter);
  const auto bounds = [](char c) { return c == '"' || c == '/' || c == '?' || c == '#'; };
  const size_t from = id.data() - text.data(), to = from + id.size();
  if (from == 0 || !bounds(text[from - 1]) || to >= text.size() || !bounds(text[to])) return false;
  const size_t random = id.rfind('_');
  if (random == std::string_view::npos || !absl::ascii_islower(static_cast<unsigned char>(id[0]))) return false;
  return std::any_of(id.begin() + random + 1, id.end(), [](char c) { return !IsDigit(c); });
}

// Whether the backslash at i begins an escape, and isn't the second half of an escaped one.
bool BeginsEscape(std::string_view text, size_t i) {
  size_t first = i;
  while (first > 0 && text[first - 1] == '\\') --first;
  return (i - first) % 2 == 0;
}

// Where the run of digits around `at` starts, not before `from`. The hex of an escape isn't a part of it.
size_t RunStart(std::string_view text, size_t at, size_t from) {
  while (at > from && IsDigit(text[at - 1])) --at;
  for (size_t back = 2; back < kEscapeLength && back <= at; ++back) {
    const size_t escape = at - back;
    if (text[escape] != '\\' || text[escape + 1] != 'u' || !BeginsEscape(text, escape)) continue;
    const size_t end = std::min(escape + kEscapeLength, text.size());
    if (std::all_of(text.begin() + escape + 2, text.begin() + end, IsHex)) return end;
  }
  return at;
}

void Mask(std::string& text, size_t begin, size_t end) {
  size_t kept = kKeptDigits, keep_from = end;
  while (kept > 0) kept -= IsDigit(text[--keep_from]) ? 1 : 0;
  char digit = '1';  // no network issues it, and no JSON number may begin with 0
  for (size_t i = begin; i < keep_from; ++i) {
    if (!IsDigit(text[i])) continue;
    text[i] = digit;
    digit = '0';
  }
}

}  // namespace

size_t FindCardNumber(std::string_view text, size_t i) {
  size_t end = SkipDigits(text, i);
  if (end - i > kMaxCardDigits) return i;
  if (IsCardNumber(text.substr(i, end - i))) return InHash(text, i, end) ? i : end;
  // In groups, as printed on cards: 4 digits, then groups of 3 to 7, one separator throughout.
  if (end - i != kFirstGroup || end >= text.size() || (text[end] != ' ' && text[end] != '-')) return i;
  std::array<char, kMaxCardDigits> digits;
  size_t count = kFirstGroup, found = i;
  std::copy_n(text.begin() + i, count, digits.begin());
  const char separator = text[end];
  while (end < text.size() && text[end] == separator) {
    const size_t next = SkipDigits(text, end + 1);
    const size_t length = next - (end + 1);
    if (length < 3 || length > 7 || count + length > kMaxCardDigits) break;
    std::copy_n(text.begin() + end + 1, length, digits.begin() + count);
    count += length;
    end = next;
    if (IsCardNumber({digits.data(), count})) found = end;
  }
  return found > i && InUuid(text, i, found) ? i : found;
}

void MaskCardNumbers(std::string& json) {
  // A run of four digits that starts at or after i has a digit at i + 3 or later: most of the text is stepped over.
  constexpr size_t kStep = kFirstGroup - 1;
  for (size_t i = 0; i + kStep < json.size();) {
    if (!IsDigit(json[i + kStep])) {
      i += kFirstGroup;
      continue;
    }
    const size_t begin = RunStart(json, i + kStep, i);
    const size_t end = FindCardNumber(json, begin);
    if (end > begin && !InId(json, begin, end)) {
      Mask(json, begin, end);
      // The digits that are kept may begin another number in groups.
      const size_t last_group = end - kKeptDigits;
      i = IsDigit(json[last_group - 1]) ? end : last_group;
    } else {
      i = std::max(SkipDigits(json, begin), i + kStep + 1);
    }
  }
}

}  // namespace billmesh::telemetry
