#include "services/edge/field_json.h"

#include <charconv>
#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/edge/route_table.h"

namespace billmesh::edge {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

constexpr size_t kMaxNameShown = 100;

// Messages whose JSON is a string or a bare value (timestamps, durations, wrappers).
bool IsWellKnown(const Descriptor& message) { return absl::StartsWith(message.full_name(), "google.protobuf."); }

template <typename T>
bool IsNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsFinite(std::string_view text) {
  double value = 0;
  return absl::SimpleAtod(AbslView(text), &value) && std::isfinite(value);
}

bool IsEnumText(const EnumDescriptor& type, std::string_view text) {
  if (type.FindValueByName(std::string(text)) != nullptr) return true;
  int number = 0;
  return absl::SimpleAtoi(AbslView(text), &number) && type.FindValueByNumber(number) != nullptr;
}

absl::Status CheckValue(const FieldDescriptor& field, const json& value, const std::string& name);

absl::Status CheckList(const FieldDescriptor& field, const json& value, const std::string& name) {
  if (!value.is_array()) return BadField(name, "is a list");
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i].is_null()) return BadField(name, "holds a null");
    RETURN_IF_ERROR(CheckValue(field, value[i], absl::StrCat(name, "[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status CheckMap(const FieldDescriptor& field, const json& value, const std::string& name) {
  if (!value.is_object()) return BadField(name, "is an object");
  const FieldDescriptor& values = *field.message_type()->map_value();
  for (const auto& [key, one] : value.items()) RETURN_IF_ERROR(CheckValue(values, one, absl::StrCat(name, ".", key)));
  return absl::OkStatus();
}

// One value, whatever the field's label. Shapes only; protobuf reads the values.
absl::Status CheckValue(const FieldDescriptor& field, const json& value, const std::string& name) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsWellKnown(*field.message_type())) return absl::OkStatus();
      if (!value.is_object()) return BadField(name, "is an object");
      return CheckMembers(*field.message_type(), value, name);
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.is_string()) return BadField(name, "is a string");
      if (!IsText(value.get_ref<const std::string&>())) return BadField(name, "holds a NUL character");
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL:
      return value.is_boolean() ? absl::OkStatus() : BadField(name, "is true or false");
    case FieldDescriptor::CPPTYPE_ENUM:
      if (value.is_string() ? IsEnumText(*field.enum_type(), value.get_ref<const std::string&>())
                            : value.is_number_integer()) {
        return absl::OkStatus();
      }
      return BadField(name, "is none of the known values");
    default:
      return value.is_number() || value.is_string() ? absl::OkStatus() : BadField(name, "is a number");
  }
}

}  // namespace

absl::Status BadField(std::string_view name, std::string_view why) {
  const std::string shown =
      name.size() <= kMaxNameShown ? std::string(name) : absl::StrCat(AbslView(name.substr(0, kMaxNameShown)), "…");
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat("\"", shown, "\" ", AbslView(why)),
              {{"field", shown}});
}

absl::StatusOr<json> FieldFromText(const FieldDescriptor& field, std::string_view name, std::string_view text) {
  if (!IsText(text)) return BadField(name, "is not UTF-8 text");
  const auto text_if = [&](bool good, std::string_view what) -> absl::StatusOr<json> {
    if (!good) return BadField(name, what);
    return json(std::string(text));
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return text_if(IsNumber<int32_t>(text), "is not a whole number in its range");
    case FieldDescriptor::CPPTYPE_UINT32:
      return text_if(IsNumber<uint32_t>(text), "is not a whole number in its range");
    case FieldDescriptor::CPPTYPE_INT64:
      return text_if(IsNumber<int64_t>(text), "is not a whole number in its range");
    case FieldDescriptor::CPPTYPE_UINT64:
      return text_if(IsNumber<uint64_t>(text), "is not a whole number in its range");
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return text_if(IsFinite(text), "is not a number");
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return BadField(name, "is true or false");
      return json(text == "true");
    case FieldDescriptor::CPPTYPE_ENUM:
      return text_if(IsEnumText(*field.enum_type(), text), "is none of the known values");
    case FieldDescriptor::CPPTYPE_STRING:
      return json(std::string(text));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return text_if(IsWellKnown(*field.message_type()), "has members: name one, as in name.member=value");
  }
  return BadField(name, "can't be given here");
}

absl::Status CheckMembers(const Descriptor& message, const json& object, std::string_view prefix) {
  std::set<const FieldDescriptor*> seen;
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix.empty() ? key : absl::StrCat(AbslView(prefix), ".", key);
    const FieldDescriptor* const field = FindField(message, key);
    if (field == nullptr) return BadField(name, "is not known");
    if (!seen.insert(field).second) return BadField(name, "is given twice");
    if (value.is_null()) continue;
    RETURN_IF_ERROR(field->is_map()        ? CheckMap(*field, value, name)
                    : field->is_repeated() ? CheckList(*field, value, name)
                                           : CheckValue(*field, value, name));
  }
  return absl::OkStatus();
}

bool IsText(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == 0) return false;
    const size_t length = c < 0x80                ? 1
                          : c >= 0xc2 && c < 0xe0 ? 2
                          : c >= 0xe0 && c < 0xf0 ? 3
                          : c >= 0xf0 && c < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    const auto next = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0;
    // Overlong forms, surrogates, and what lies beyond U+10FFFF.
    if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) ||
        (c == 0xf4 && next > 0x8f)) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace billmesh::edge
