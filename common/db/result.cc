#include "common/db/result.h"

#include <arpa/inet.h>
#include <libpq-fe.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace billmesh::db {
namespace {

// Of pg_type; the same in every server.
constexpr uint32_t kBoolOid = 16, kByteaOid = 17, kInt8Oid = 20, kInt2Oid = 21, kInt4Oid = 23, kTextOid = 25,
                   kTimestamptzOid = 1184, kUuidOid = 2950;
constexpr uint32_t kNullLength = 0xFFFFFFFF;
constexpr absl::Time kPostgresEpoch = absl::FromUnixSeconds(946'684'800);  // 2000-01-01

template <typename Values, typename Append>
std::string ArrayLiteral(const Values& values, Append append) {
  std::string out = "{";
  bool first = true;
  for (const auto& v : values) {
    if (!first) out.push_back(',');
    first = false;
    append(out, v);
  }
  out.push_back('}');
  return out;
}

const std::string* Given(const std::string& value) { return &value; }
const std::string* Given(const std::optional<std::string>& value) { return value.has_value() ? &*value : nullptr; }

std::string TimeText(absl::Time t) { return absl::FormatTime("%Y-%m-%d %H:%M:%E6S+00", t, absl::UTCTimeZone()); }

void AppendInt32(std::string& out, uint32_t value) {
  const uint32_t big = htonl(value);
  out.append(reinterpret_cast<const char*>(&big), sizeof(big));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The 16 bytes of 01234567-89ab-cdef-0123-456789abcdef, in either case (IsUuid: lower only); else false.
bool AppendUuid(std::string& out, std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t at = 0; at < text.size();) {
    if (at == 8 || at == 13 || at == 18 || at == 23) {
      if (text[at++] != '-') return false;
      continue;
    }
    const int high = HexDigit(text[at]), low = HexDigit(text[at + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high << 4 | low));
    at += 2;
  }
  return true;
}

// Of 16 bytes, as PostgreSQL writes it.
std::string UuidText(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

// A signed whole number of at most eight bytes.
int64_t BigEndian(std::string_view bytes) {
  uint64_t value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<int64_t>(value);
}

// Of microseconds since PostgreSQL's epoch; its two infinities are the last numbers.
absl::Time TimeOf(int64_t us) {
  if (us == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  if (us == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  return kPostgresEpoch + absl::Microseconds(us);
}

// A wrong reading is a bug in a store: stop at once, with the value's place, instead of going on with garbage.
[[noreturn]] void Die(const char* what, int column, std::string_view value) {
  std::fprintf(stderr, "fatal: database result column %d: %s (\"%.*s\")\n", column, what,
               static_cast<int>(std::min<size_t>(value.size(), 64)), value.data());
  std::abort();
}

bool ParseDigits(std::string_view& text, size_t count, int* out) {
  if (text.size() < count) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, *out);
  if (error != std::errc() || end != text.data() + count) return false;
  text.remove_prefix(count);
  return true;
}

bool Skip(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// "+00", "-03:30", "+05:53:28" → seconds east of UTC.
bool ParseOffset(std::string_view text, int* seconds) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  int hours = 0, minutes = 0, secs = 0;
  if (!ParseDigits(text, 2, &hours)) return false;
  if (Skip(text, ':') && !ParseDigits(text, 2, &minutes)) return false;
  if (Skip(text, ':') && !ParseDigits(text, 2, &secs)) return false;
  *seconds = sign * (hours * 3600 + minutes * 60 + secs);
  return text.empty();
}

}  // namespace

Param::Param(absl::Time t) : value_(TimeText(t)) {}

Param Param::Bytes(std::string_view bytes) {
  Param p{bytes};
  p.binary_ = true;
  return p;
}

Param Param::Interval(absl::Duration d) { return Param(absl::StrCat(absl::ToInt64Microseconds(d), " microseconds")); }

Param Param::IntArray(const std::vector<int64_t>& values) {
  return Param(ArrayLiteral(values, [](std::string& out, int64_t v) { absl::StrAppend(&out, v); }));
}

Param Param::IntArray(const std::vector<std::optional<int64_t>>& values) {
  return Param(ArrayLiteral(values, [](std::string& out, const std::optional<int64_t>& v) {
    v ? absl::StrAppend(&out, *v) : void(out += "NULL");
  }));
}

// The binary format of a one-dimensional array: dimensions, has-null flag, element type, length, lower bound, elements,
// each after its length, which is -1 for NULL.
Param Param::BinaryArray(uint32_t element_type, size_t count, size_t bytes,
                         const std::function<void(std::string& out, size_t i)>& append) {
  std::string out;
  out.reserve(5 * sizeof(uint32_t) + bytes);
  AppendInt32(out, count == 0 ? 0 : 1);
  AppendInt32(out, 1);  // there may be some
  AppendInt32(out, element_type);
  if (count > 0) {
    AppendInt32(out, static_cast<uint32_t>(count));
    AppendInt32(out, 1);
    for (size_t i = 0; i < count; ++i) append(out, i);
  }
  Param p{std::move(out)};
  p.binary_ = true;
  return p;
}

template <typename Values>
Param Param::Texts(const Values& values) {
  size_t bytes = 0;
  for (const auto& v : values) bytes += sizeof(uint32_t) + (Given(v) == nullptr ? 0 : Given(v)->size());
  return BinaryArray(kTextOid, values.size(), bytes, [&](std::string& out, size_t i) {
    const std::string* const text = Given(values[i]);
    if (text == nullptr) return AppendInt32(out, kNullLength);
    AppendInt32(out, static_cast<uint32_t>(text->size()));
    out += *text;
  });
}

Param Param::TextArray(const std::vector<std::string>& values) { return Texts(values); }
Param Param::TextArray(const std::vector<std::optional<std::string>>& values) { return Texts(values); }

template <typename Values>
Param Param::Uuids(const Values& values) {
  const std::string* bad = nullptr;
  Param param = BinaryArray(kUuidOid, values.size(), values.size() * 20, [&](std::string& out, size_t i) {
    const std::string* const text = Given(values[i]);
    if (text == nullptr) return AppendInt32(out, kNullLength);
    AppendInt32(out, 16);
    if (!AppendUuid(out, *text)) bad = text;
  });
  // "malformed array literal", with the value.
  return bad == nullptr ? param : Param(absl::StrCat("not a UUID: ", *bad));
}

Param Param::UuidArray(const std::vector<std::string>& values) { return Uuids(values); }
Param Param::UuidArray(const std::vector<std::optional<std::string>>& values) { return Uuids(values); }

Param Param::BoolArray(const std::vector<bool>& values) {
  return BinaryArray(kBoolOid, values.size(), values.size() * 5, [&](std::string& out, size_t i) {
    AppendInt32(out, 1);
    out += values[i] ? '\1' : '\0';
  });
}

Param Param::TimeArray(const std::vector<std::optional<absl::Time>>& values) {
  return BinaryArray(kTimestamptzOid, values.size(), values.size() * 12, [&](std::string& out, size_t i) {
    if (!values[i].has_value()) return AppendInt32(out, kNullLength);
    AppendInt32(out, sizeof(int64_t));
    const auto us = static_cast<uint64_t>(absl::ToInt64Microseconds(*values[i] - kPostgresEpoch));
    AppendInt32(out, static_cast<uint32_t>(us >> 32));
    AppendInt32(out, static_cast<uint32_t>(us));
  });
}

Param Param::BytesArray(const std::vector<std::string_view>& values) {
  size_t bytes = 0;
  for (const std::string_view v : values) bytes += sizeof(uint32_t) + v.size();
  return BinaryArray(kByteaOid, values.size(), bytes, [&](std::string& out, size_t i) {
    AppendInt32(out, static_cast<uint32_t>(values[i].size()));
    out += values[i];
  });
}

bool Row::IsNull(int column) const { return PQgetisnull(result_, row_, column) == 1; }

std::string_view Row::Raw(int column) const {
  if (column >= PQnfields(result_)) Die("no such column", column, "");
  if (IsNull(column)) Die("unexpected NULL", column, "");
  return {PQgetvalue(result_, row_, column), static_cast<size_t>(PQgetlength(result_, row_, column))};
}

// The type of a column that came in binary; none of one in text.
std::optional<uint32_t> Row::BinaryType(int column) const {
  if (PQfformat(result_, column) == static_cast<int>(Format::kText)) return std::nullopt;
  return PQftype(result_, column);
}

std::string_view Row::View(int column) const {
  const std::string_view raw = Raw(column);
  if (BinaryType(column).value_or(kTextOid) != kTextOid) Die("not a text", column, "");
  return raw;
}

std::string Row::Text(int column) const {
  const std::string_view raw = Raw(column);
  if (BinaryType(column) == kUuidOid) return UuidText(raw);
  return std::string(View(column));
}

int64_t Row::Int(int column) const {
  const std::string_view raw = Raw(column);
  if (const auto type = BinaryType(column); type.has_value()) {
    if (type != kInt2Oid && type != kInt4Oid && type != kInt8Oid) Die("not an integer", column, "");
    return BigEndian(raw);
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size()) Die("not an integer", column, raw);
  return value;
}

bool Row::Bool(int column) const {
  const std::string_view raw = Raw(column);
  if (const auto type = BinaryType(column); type.has_value()) {
    if (type != kBoolOid) Die("not a boolean", column, "");
    return raw[0] != 0;
  }
  if (raw != "t" && raw != "f") Die("not a boolean", column, raw);
  return raw == "t";
}

absl::Time Row::Time(int column) const {
  const std::string_view raw = Raw(column);
  if (const auto type = BinaryType(column); type.has_value()) {
    if (type != kTimestamptzOid) Die("not a timestamp", column, "");
    return TimeOf(BigEndian(raw));
  }
  const auto time = ParseTimestamp(raw);
  if (!time) Die("not a timestamp", column, raw);
  return *time;
}

std::string Row::Bytes(int column) const {
  const std::string_view raw = Raw(column);
  if (const auto type = BinaryType(column); type.has_value()) {
    if (type != kByteaOid) Die("not a bytea", column, "");
    return std::string(raw);
  }
  size_t size = 0;
  unsigned char* bytes = PQunescapeBytea(reinterpret_cast<const unsigned char*>(raw.data()), &size);
  if (bytes == nullptr) Die("not a bytea", column, raw);
  std::string out(reinterpret_cast<char*>(bytes), size);
  PQfreemem(bytes);
  return out;
}

std::optional<std::string> Row::OptText(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

std::optional<int64_t> Row::OptInt(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Int(column);
}

std::optional<absl::Time> Row::OptTime(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

Result::Result(pg_result* owned) : result_(owned, [](pg_result* r) { PQclear(r); }), size_(PQntuples(owned)) {
  const std::string_view tuples = PQcmdTuples(owned);
  affected_ = 0;
  std::from_chars(tuples.data(), tuples.data() + tuples.size(), affected_);
}

std::optional<absl::Time> ParseTimestamp(std::string_view text) {
  if (text == "infinity") return absl::InfiniteFuture();
  if (text == "-infinity") return absl::InfinitePast();
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  // Years have four digits or more.
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos || dash < 4 || dash > 6) return std::nullopt;
  if (!ParseDigits(text, dash, &year) || !Skip(text, '-') || !ParseDigits(text, 2, &month) || !Skip(text, '-') ||
      !ParseDigits(text, 2, &day) || !(Skip(text, ' ') || Skip(text, 'T')) || !ParseDigits(text, 2, &hour) ||
      !Skip(text, ':') || !ParseDigits(text, 2, &minute) || !Skip(text, ':') || !ParseDigits(text, 2, &second)) {
    return std::nullopt;
  }
  absl::Duration fraction;
  if (Skip(text, '.')) {
    int64_t micros = 0, scale = 100000;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      micros += (text[0] - '0') * scale;
      scale /= 10;
      text.remove_prefix(1);
    }
    fraction = absl::Microseconds(micros);
  }
  int offset = 0;
  if (!ParseOffset(text, &offset)) return std::nullopt;
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second), absl::UTCTimeZone()) + fraction -
         absl::Seconds(offset);
}

}  // namespace billmesh::db
