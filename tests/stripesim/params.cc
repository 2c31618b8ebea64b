#include "tests/stripesim/params.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "tests/stripesim/error.h"
#include "tests/stripesim/form.h"

namespace stripesim {
namespace {

constexpr size_t kMaxMetadataPairs = 50;
constexpr size_t kMaxMetadataKey = 40;
constexpr size_t kMaxMetadataValue = 500;
constexpr size_t kMaxStringBytes = 5000;

class SpecParser {
 public:
  explicit SpecParser(std::string_view text) : rest_(text) {}

  ParamSpec Top() {
    ParamSpec spec;
    Skip();
    if (rest_.substr(0, 5) == "list " || rest_ == "list") {
      rest_.remove_prefix(4);
      AddField(&spec, "limit", ParamSpec::Kind::kInteger);
      AddField(&spec, "starting_after", ParamSpec::Kind::kString);
      AddField(&spec, "ending_before", ParamSpec::Kind::kString);
    }
    Fields(&spec);
    if (!rest_.empty()) throw std::logic_error("rest in spec: " + std::string(rest_));
    ParamSpec expand;
    expand.kind = ParamSpec::Kind::kArray;
    auto item = std::make_shared<ParamSpec>();
    item->kind = ParamSpec::Kind::kString;
    expand.item = item;
    spec.fields.emplace_back("expand", expand);
    return spec;
  }

 private:
  static void AddField(ParamSpec* spec, const char* name, ParamSpec::Kind kind) {
    ParamSpec field;
    field.kind = kind;
    spec->fields.emplace_back(name, field);
  }

  void Skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) {
      rest_.remove_prefix(1);
    }
  }

  std::string Until(std::string_view stops) {
    const size_t end = std::min(rest_.find_first_of(stops), rest_.size());
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return word;
  }

  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void Fields(ParamSpec* spec) {
    for (Skip(); !rest_.empty() && rest_.front() != '}'; Skip()) {
      const std::string name = Until("!~<:");
      const bool required = Take('!');
      const bool clearable = Take('~');
      std::string gone_since;
      if (Take('<')) gone_since = Until(":");
      if (!Take(':')) throw std::logic_error("no type for " + name);
      ParamSpec field = Type();
      field.required = required;
      field.clearable = clearable;
      field.gone_since = gone_since;
      spec->fields.emplace_back(name, std::move(field));
    }
  }

  ParamSpec Type() {
    ParamSpec spec;
    if (Take('{')) {
      Fields(&spec);
      if (!Take('}')) throw std::logic_error("unclosed hash in spec");
      return spec;
    }
    if (Take('[')) {
      spec.kind = ParamSpec::Kind::kArray;
      spec.item = std::make_shared<const ParamSpec>(Type());
      if (!Take(']')) throw std::logic_error("unclosed array in spec");
      return spec;
    }
    if (Take('<')) {
      spec.kind = ParamSpec::Kind::kMap;
      const bool clearable = Take('~');
      ParamSpec item = Type();
      item.clearable = clearable;
      spec.item = std::make_shared<const ParamSpec>(std::move(item));
      if (!Take('>')) throw std::logic_error("unclosed map in spec");
      return spec;
    }
    const char letter = rest_.empty() ? '?' : rest_.front();
    rest_.remove_prefix(1);
    switch (letter) {
      case 's':
        spec.kind = ParamSpec::Kind::kString;
        break;
      case 'i':
      case 't':
        spec.kind = ParamSpec::Kind::kInteger;
        break;
      case 'n':
        spec.kind = ParamSpec::Kind::kNumber;
        break;
      case 'b':
        spec.kind = ParamSpec::Kind::kBoolean;
        break;
      case 'm':
        spec.kind = ParamSpec::Kind::kMetadata;
        break;
      case 'x':
        spec.kind = ParamSpec::Kind::kAny;
        break;
      case 'r':
        spec.kind = ParamSpec::Kind::kRange;
        break;
      case 'e':
        spec.kind = ParamSpec::Kind::kEnum;
        EnumValues(&spec);
        break;
      default:
        throw std::logic_error(std::string("unknown type in spec: ") + letter);
    }
    return spec;
  }

  void EnumValues(ParamSpec* spec) {
    if (!Take('(')) throw std::logic_error("enum without values");
    while (!Take(')')) {
      spec->values.push_back(Until("|)"));
      Take('|');
    }
  }

  std::string_view rest_;
};

std::string ParamName(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "[" + name + "]";
}

std::string Joined(const std::vector<std::string>& values) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += i + 1 == values.size() ? (values.size() > 2 ? ", or " : " or ") : ", ";
    text += values[i];
  }
  return text;
}

Json ToInteger(const std::string& text, const std::string& param) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Invalid("parameter_invalid_integer", param, "Invalid integer: " + text);
  }
  return value;
}

Json Check(const ParamSpec& spec, const Json& raw, const std::string& param, std::string_view version);

Json CheckHash(const ParamSpec& spec, const Json& raw, const std::string& param, std::string_view version) {
  if (!raw.is_object()) throw Invalid("", param, "Invalid object");
  Json out = Json::object();
  for (const auto& [name, value] : raw.items()) {
    const ParamSpec* field = spec.Field(name);
    const std::string full = ParamName(param, name);
    if (field == nullptr || (!field->gone_since.empty() && version >= field->gone_since)) {
      throw UnknownParam(full);
    }
    out[name] = Check(*field, value, full, version);
  }
  for (const auto& [name, field] : spec.fields) {
    if (field.required && !out.contains(name)) throw MissingParam(ParamName(param, name));
  }
  return out;
}

Json CheckMap(const ParamSpec& spec, const Json& raw, const std::string& param, std::string_view version) {
  if (!raw.is_object()) throw Invalid("", param, "Invalid object");
  Json out = Json::object();
  for (const auto& [name, value] : raw.items()) {
    out[name] = Check(*spec.item, value, ParamName(param, name), version);
  }
  return out;
}

Json CheckArray(const ParamSpec& spec, const Json& raw, const std::string& param, std::string_view version) {
  if (!LooksLikeArray(raw)) throw Invalid("", param, "Invalid array");
  Json out = Json::array();
  for (size_t i = 0; i < raw.size(); ++i) {
    const std::string index = std::to_string(i);
    out.push_back(Check(*spec.item, raw.at(index), ParamName(param, index), version));
  }
  return out;
}

Json CheckRange(const Json& raw, const std::string& param) {
  if (raw.is_string()) return ToInteger(raw.get<std::string>(), param);
  Json out = Json::object();
  for (const auto& [name, value] : raw.items()) {
    if (name != "gt" && name != "gte" && name != "lt" && name != "lte") {
      throw UnknownParam(ParamName(param, name));
    }
    if (!value.is_string()) throw Invalid("", param, "Invalid integer");
    out[name] = ToInteger(value.get<std::string>(), ParamName(param, name));
  }
  return out;
}

Json CheckScalar(const ParamSpec& spec, const std::string& text, const std::string& param) {
  switch (spec.kind) {
    case ParamSpec::Kind::kInteger:
      return ToInteger(text, param);
    case ParamSpec::Kind::kNumber: {
      char* end = nullptr;
      const double value = std::strtod(text.c_str(), &end);
      if (*end != '\0' || !std::isfinite(value)) {
        throw Invalid("", param, "Invalid decimal: " + text);
      }
      return value;
    }
    case ParamSpec::Kind::kBoolean:
      if (text == "true" || text == "1") return true;
      if (text == "false" || text == "0") return false;
      throw Invalid("", param, "Invalid boolean: " + text);
    case ParamSpec::Kind::kEnum:
      if (std::find(spec.values.begin(), spec.values.end(), text) == spec.values.end()) {
        throw Invalid("", param, "Invalid " + param + ": must be one of " + Joined(spec.values));
      }
      return text;
    default:
      if (text.size() > kMaxStringBytes) {
        throw Invalid("", param, "Invalid string: " + text.substr(0, 20) + "...; must be at most 5000 characters");
      }
      return text;
  }
}

Json Check(const ParamSpec& spec, const Json& raw, const std::string& param, std::string_view version) {
  using Kind = ParamSpec::Kind;
  if (spec.kind == Kind::kAny) return raw;
  if (spec.kind == Kind::kMetadata) return CheckMetadata(raw, param);
  if (raw.is_string() && raw.get_ref<const std::string&>().empty()) {
    if (spec.clearable) return nullptr;
    throw Invalid("parameter_invalid_empty", param,
                  "You passed an empty string for '" + param +
                      "'. We assume empty values are an "
                      "attempt to unset a parameter; however '" +
                      param +
                      "' cannot be unset. You "
                      "should remove '" +
                      param + "' from your request or supply a non-empty value.");
  }
  if (spec.kind == Kind::kHash) return CheckHash(spec, raw, param, version);
  if (spec.kind == Kind::kMap) return CheckMap(spec, raw, param, version);
  if (spec.kind == Kind::kArray) return CheckArray(spec, raw, param, version);
  if (spec.kind == Kind::kRange) return CheckRange(raw, param);
  if (!raw.is_string()) {
    const bool integer = spec.kind == Kind::kInteger;
    throw Invalid(integer ? "parameter_invalid_integer" : "", param,
                  integer ? "Invalid integer: {}" : "Invalid string: {}");
  }
  return CheckScalar(spec, raw.get<std::string>(), param);
}

}  // namespace

const ParamSpec* ParamSpec::Field(std::string_view name) const {
  for (const auto& [field_name, field] : fields) {
    if (field_name == name) return &field;
  }
  return nullptr;
}

ParamSpec ParseSpec(std::string_view text) { return SpecParser(text).Top(); }

Json CheckParams(const ParamSpec& spec, const Json& raw, std::string_view version) {
  return CheckHash(spec, raw, "", version);
}

Json CheckMetadata(const Json& raw, const std::string& param) {
  if (raw.is_string() && raw.get<std::string>().empty()) return nullptr;  // remove all keys
  if (!raw.is_object()) {
    throw Invalid("", param, "Invalid hash: metadata must be a set of key-value pairs");
  }
  if (raw.size() > kMaxMetadataPairs) {
    throw Invalid("", param,
                  "You can only have 50 metadata keys, but you supplied " + std::to_string(raw.size()) + ".");
  }
  for (const auto& [key, value] : raw.items()) {
    const std::string full = ParamName(param, key);
    if (!value.is_string()) throw Invalid("", full, "Invalid metadata value: must be a string");
    if (key.empty() || key.find_first_of("[]") != std::string::npos) {
      throw Invalid("", full, "Metadata keys can't be empty or contain square brackets.");
    }
    if (key.size() > kMaxMetadataKey) {
      throw Invalid("", full,
                    "Metadata keys can have up to 40 characters. Yours has " + std::to_string(key.size()) + ".");
    }
    if (value.get_ref<const std::string&>().size() > kMaxMetadataValue) {
      throw Invalid("", full,
                    "Metadata values can have up to 500 characters, but you passed in a "
                    "value that is " +
                        std::to_string(value.get_ref<const std::string&>().size()) + " characters.");
    }
  }
  return raw;
}

}  // namespace stripesim
