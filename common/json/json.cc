#include "common/json/json.h"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/json/escape.h"
#include "nlohmann/json.hpp"

namespace billmesh::json {
namespace {

using nlohmann::json;

// Watches the parser for what it would let pass: duplicate keys (it keeps the last) and depth.
class Watch {
 public:
  bool On(json::parse_event_t event, const json& parsed) {
    if (fault_ != nullptr) return false;
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        keys_.emplace_back();
        if (keys_.size() > static_cast<size_t>(kMaxDepth)) fault_ = "JSON is nested too deeply";
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        keys_.pop_back();
        break;
      case json::parse_event_t::key:
        if (!keys_.back().insert(parsed.get<std::string>()).second) fault_ = "JSON has a duplicate key";
        break;
      case json::parse_event_t::value:
        break;
    }
    return fault_ == nullptr;
  }
  const char* fault() const { return fault_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the open objects and arrays
  const char* fault_ = nullptr;
};

absl::Status Append(const json& value, int depth, std::string& out) {
  if (depth > kMaxDepth) return absl::InvalidArgumentError("JSON is nested too deeply");
  switch (value.type()) {
    case json::value_t::null:
      out += "null";
      return absl::OkStatus();
    case json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return absl::OkStatus();
    case json::value_t::number_integer:
      absl::StrAppend(&out, value.get<int64_t>());
      return absl::OkStatus();
    case json::value_t::number_unsigned:
      absl::StrAppend(&out, value.get<uint64_t>());
      return absl::OkStatus();
    case json::value_t::string:
      if (AppendQuoted(out, value.get_ref<const std::string&>())) return absl::OkStatus();
      return absl::InvalidArgumentError("JSON text is not UTF-8");
    case json::value_t::array: {
      out += '[';
      bool first = true;
      for (const json& item : value) {
        if (!std::exchange(first, false)) out += ',';
        if (absl::Status status = Append(item, depth + 1, out); !status.ok()) return status;
      }
      out += ']';
      return absl::OkStatus();
    }
    case json::value_t::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.items()) {  // a std::map: in byte order already
        if (!std::exchange(first, false)) out += ',';
        if (!AppendQuoted(out, key)) return absl::InvalidArgumentError("JSON key is not UTF-8");
        out += ':';
        if (absl::Status status = Append(item, depth + 1, out); !status.ok()) return status;
      }
      out += '}';
      return absl::OkStatus();
    }
    case json::value_t::number_float:
      return absl::InvalidArgumentError("JSON has a floating-point number");
    case json::value_t::binary:
    case json::value_t::discarded:
      break;
  }
  return absl::InvalidArgumentError("not a JSON value");
}

}  // namespace

// Messages name no content: what is parsed may hold secrets.
absl::StatusOr<nlohmann::json> Parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat("JSON is larger than ", kMaxBytes, " bytes"));
  }
  Watch watch;
  json value = json::parse(
      text.begin(), text.end(),
      [&watch](int, json::parse_event_t event, json& parsed) { return watch.On(event, parsed); },
      /*allow_exceptions=*/false);
  if (watch.fault() != nullptr) return absl::InvalidArgumentError(watch.fault());
  if (value.is_discarded()) return absl::InvalidArgumentError("malformed JSON");
  return value;
}

absl::StatusOr<std::string> Canonical(const nlohmann::json& value) {
  std::string out;
  // Depth counts open arrays and objects, as in Parse: a scalar at the bottom of kMaxDepth of them is fine.
  if (absl::Status status = Append(value, 0, out); !status.ok()) return status;
  return out;
}

}  // namespace billmesh::json
