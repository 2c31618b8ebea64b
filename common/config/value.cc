#include "common/config/value.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/strings.h"

namespace billmesh::config {
namespace {

constexpr size_t kMaxQuoted = 80;
constexpr int kMaxPort = 65535;

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  absl::Duration value;
  if (!absl::ParseDuration(AbslView(text), &value)) return std::nullopt;
  if (value < absl::ZeroDuration() || value == absl::InfiniteDuration()) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

bool IsHostPort(std::string_view text, bool port_required) {
  std::string_view host = text, port;
  if (text.substr(0, 1) == "[") {  // an IPv6 address
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') return false;
    if (!rest.empty()) port = rest.substr(1);
    if (rest.empty() ? port_required : port.empty()) return false;
    if (!std::all_of(host.begin(), host.end(), [](char c) { return absl::ascii_isxdigit(c) || c == ':' || c == '.'; }))
      return false;
  } else {
    const size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (colon == std::string_view::npos ? port_required : colon + 1 == text.size()) return false;
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (!std::all_of(host.begin(), host.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_'; }))
      return false;
  }
  if (host.empty()) return false;
  if (port.empty()) return true;
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return absl::ascii_isdigit(c); });
  return digits && port.size() <= 5 && *ParseInt(port) <= kMaxPort;
}

// No user and password in it: URLs are printed.
bool IsUrl(std::string_view text) {
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>'; }))
    return false;
  for (std::string_view scheme : {"https://", "http://"}) {
    if (text.substr(0, scheme.size()) != scheme) continue;
    const std::string_view rest = text.substr(scheme.size());
    return IsHostPort(rest.substr(0, rest.find_first_of("/?#")), /*port_required=*/false);
  }
  return false;
}

bool IsReadableFile(std::string_view path) {
  const std::string name(path);
  struct stat info;
  return ::stat(name.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(name.c_str(), R_OK) == 0;
}

// The bounds of a number in words; show renders one of them.
template <typename Show>
std::string Bounds(const Setting& setting, Show show) {
  if (setting.max != 0) return absl::StrCat(show(setting.min), " to ", show(setting.max));
  return setting.min != 0 ? absl::StrCat("at least ", show(setting.min)) : "";
}

template <typename T, typename Show>
std::string BoundsFault(const Setting& setting, std::string_view value, const T& number, Show show) {
  const bool bounded = setting.min != 0 || setting.max != 0;
  if (bounded && (number < setting.min || (setting.max != 0 && number > setting.max))) {
    return absl::StrCat(Quote(value), " is not in the range: ", Bounds(setting, show));
  }
  return "";
}

std::string ShowInt(int64_t value) { return absl::StrCat(value); }
std::string ShowMs(int64_t value) { return absl::FormatDuration(absl::Milliseconds(value)); }

std::string NotA(std::string_view value, absl::string_view what) {
  return absl::StrCat(Quote(value), " is not ", what);
}

}  // namespace

std::string Quote(std::string_view value) {
  std::string out = "\"";
  for (char c : value.substr(0, kMaxQuoted)) {
    out += absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == '"' ? '?' : c;
  }
  if (value.size() > kMaxQuoted) out += "…";
  return out + "\"";
}

std::string FaultOf(const Setting& setting, std::string_view value) {
  switch (setting.type) {
    case Type::kString:
      if (setting.choices.empty() ||
          std::find(setting.choices.begin(), setting.choices.end(), value) != setting.choices.end())
        return "";
      return NotA(value, absl::StrCat("one of ", absl::StrJoin(setting.choices, ", ")));
    case Type::kInt: {
      const auto number = ParseInt(value);
      return number ? BoundsFault(setting, value, *number, ShowInt) : NotA(value, "a whole number");
    }
    case Type::kDuration: {
      const auto duration = ParseDuration(value);
      if (!duration) return NotA(value, "a duration like 250ms, 2s, 15m or 1h");
      return BoundsFault(setting, value, absl::ToDoubleMilliseconds(*duration), ShowMs);
    }
    case Type::kBool:
      return ParseBool(value) ? "" : NotA(value, "true or false");
    case Type::kAddress:
      return IsHostPort(value, /*port_required=*/true) ? "" : NotA(value, "host:port");
    case Type::kUrl:
      return IsUrl(value) ? "" : NotA(value, "an http:// or https:// URL without a user");
    case Type::kFile:
      return IsReadableFile(value) ? "" : NotA(value, "a readable file");
    case Type::kSecret:
      break;
  }
  return "";
}

std::string Describe(const Setting& setting) {
  auto with_bounds = [](std::string what, const std::string& bounds) {
    return bounds.empty() ? what : what + ", " + bounds;
  };
  switch (setting.type) {
    case Type::kString:
      return setting.choices.empty() ? "text" : absl::StrJoin(setting.choices, "|");
    case Type::kInt:
      return with_bounds("number", Bounds(setting, ShowInt));
    case Type::kDuration:
      return with_bounds("duration", Bounds(setting, ShowMs));
    case Type::kBool:
      return "true|false";
    case Type::kAddress:
      return "host:port";
    case Type::kUrl:
      return "URL";
    case Type::kFile:
      return "file";
    case Type::kSecret:
      break;
  }
  return "secret";
}

int64_t ToInt(std::string_view value) { return ParseInt(value).value_or(0); }
absl::Duration ToDuration(std::string_view value) { return ParseDuration(value).value_or(absl::ZeroDuration()); }
bool ToBool(std::string_view value) { return ParseBool(value).value_or(false); }

}  // namespace billmesh::config
