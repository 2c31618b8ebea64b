#include "common/stripe/dom_fields.h"

#include "absl/strings/str_cat.h"
#include "common/status/strings.h"
#include "common/stripe/object_readers.h"

namespace billmesh::stripe {
namespace {

constexpr int64_t kMaxUnixSeconds = 253402300799;  // the end of the year 9999

}  // namespace

absl::StatusOr<simdjson::dom::element> ParseBounded(std::string_view json) {
  if (json.size() > kMaxJsonBytes) return absl::InvalidArgumentError("too_large");
  thread_local simdjson::dom::parser parser(kMaxJsonBytes);
  if (parser.max_depth() != kMaxJsonDepth) {
    // Room for an ordinary event; the parser grows by itself up to the bound.
    constexpr size_t kUsualBytes = 32 << 10;
    if (parser.allocate(kUsualBytes, kMaxJsonDepth) != simdjson::SUCCESS)
      return absl::InvalidArgumentError("too_large");
  }
  simdjson::dom::element element;
  const simdjson::error_code code = parser.parse(json.data(), json.size()).get(element);
  if (code == simdjson::SUCCESS) return element;
  if (code == simdjson::DEPTH_ERROR) return absl::InvalidArgumentError("too_deep");
  if (code == simdjson::CAPACITY || code == simdjson::MEMALLOC) return absl::InvalidArgumentError("too_large");
  return absl::InvalidArgumentError("not_json");
}

void Fields::Fail(std::string_view key, std::string_view what) const {
  if (!error_.empty()) return;
  error_ = absl::StrCat(path_, path_.empty() ? "" : ".", AbslView(key), ": ", AbslView(what));
}

std::optional<simdjson::dom::element> Fields::Find(std::string_view key) const {
  simdjson::dom::element value;
  if (object_.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

std::optional<Fields> Fields::As(simdjson::dom::element value, std::string_view name) const {
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    Fail(name, "not an object");
    return std::nullopt;
  }
  return Fields(object, absl::StrCat(path_, path_.empty() ? "" : ".", AbslView(name)), error_);
}

std::optional<Fields> Fields::Object(std::string_view key) const {
  const auto value = Find(key);
  if (!value) return std::nullopt;
  return As(*value, key);
}

std::optional<std::string> Fields::CheckedText(simdjson::dom::element value, std::string_view key,
                                               size_t max_bytes) const {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    Fail(key, "not a string");
    return std::nullopt;
  }
  if (text.size() > max_bytes) {
    Fail(key, "too long");
    return std::nullopt;
  }
  // JSON can say U+0000; PostgreSQL can't store it.
  if (text.find('\0') != std::string_view::npos) {
    Fail(key, "holds a NUL");
    return std::nullopt;
  }
  return std::string(text);
}

std::optional<std::string> Fields::OptText(std::string_view key, size_t max_bytes) const {
  const auto value = Find(key);
  if (!value) return std::nullopt;
  return CheckedText(*value, key, max_bytes);
}

std::string Fields::Text(std::string_view key, size_t max_bytes) const {
  const auto value = Find(key);
  if (!value) {
    Fail(key, "missing");
    return "";
  }
  return CheckedText(*value, key, max_bytes).value_or("");
}

std::string Fields::Id(std::string_view key) const {
  std::string id = Text(key, kMaxIdBytes);
  if (id.empty()) Fail(key, "empty");
  return id;
}

std::optional<std::string> Fields::OptReference(std::string_view key) const {
  const auto value = Find(key);
  if (!value) return std::nullopt;
  if (value->is_object()) {
    const auto object = As(*value, key);
    return object->Id("id");
  }
  auto id = CheckedText(*value, key, kMaxIdBytes);
  if (id.has_value() && id->empty()) return std::nullopt;
  return id;
}

std::optional<int64_t> Fields::OptInt(std::string_view key) const {
  const auto value = Find(key);
  if (!value) return std::nullopt;
  int64_t number = 0;
  if (value->get_int64().get(number) != simdjson::SUCCESS) {
    Fail(key, "not a 64-bit integer");
    return std::nullopt;
  }
  return number;
}

int64_t Fields::Int(std::string_view key) const {
  if (!Find(key)) {
    Fail(key, "missing");
    return 0;
  }
  return OptInt(key).value_or(0);
}

bool Fields::BoolOr(std::string_view key, bool fallback) const {
  const auto value = Find(key);
  if (!value) return fallback;
  bool b = fallback;
  if (value->get_bool().get(b) != simdjson::SUCCESS) Fail(key, "not a boolean");
  return b;
}

bool Fields::Bool(std::string_view key) const {
  if (!Find(key)) Fail(key, "missing");
  return BoolOr(key, false);
}

std::optional<absl::Time> Fields::OptTime(std::string_view key) const {
  const auto seconds = OptInt(key);
  if (!seconds) return std::nullopt;
  if (*seconds < 0 || *seconds > kMaxUnixSeconds) {
    Fail(key, "not a time");
    return std::nullopt;
  }
  return absl::FromUnixSeconds(*seconds);
}

absl::Time Fields::Time(std::string_view key) const {
  if (!Find(key)) Fail(key, "missing");
  return OptTime(key).value_or(absl::UnixEpoch());
}

}  // namespace billmesh::stripe
