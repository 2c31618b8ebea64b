#include "tests/stripesim/schema_check.h"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "tests/stripesim/error.h"
#include "tests/stripesim/form.h"

namespace stripesim {
namespace {

std::string Member(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "[" + name + "]";
}

bool IsInteger(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsNumber(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
}

void CheckNode(const Json& schema, const Json& raw, const std::string& param);

void CheckObject(const Json& schema, const Json& raw, const std::string& param) {
  if (!raw.is_object()) throw Invalid("", param, "Invalid object");
  const Json& properties = At(schema, "properties");
  const Json& additional = At(schema, "additionalProperties");
  for (const auto& [name, value] : raw.items()) {
    if (properties.contains(name)) {
      CheckNode(properties[name], value, Member(param, name));
    } else if (additional.is_object()) {
      CheckNode(additional, value, Member(param, name));
    } else if (additional.is_boolean() && !additional.get<bool>()) {
      throw UnknownParam(Member(param, name));
    }
  }
  for (const Json& name : At(schema, "required")) {
    if (!raw.contains(name.get<std::string>())) {
      throw MissingParam(Member(param, name.get<std::string>()));
    }
  }
}

void CheckScalar(const Json& schema, const std::string& type, const Json& raw, const std::string& param) {
  if (!raw.is_string()) throw Invalid("", param, "Invalid " + type);
  const std::string text = raw.get<std::string>();
  if (type == "integer" && !IsInteger(text)) {
    throw Invalid("parameter_invalid_integer", param, "Invalid integer: " + text);
  }
  if (type == "number" && !IsNumber(text)) throw Invalid("", param, "Invalid decimal: " + text);
  if (type == "boolean" && text != "true" && text != "false") {
    throw Invalid("", param, "Invalid boolean: " + text);
  }
  const Json& values = At(schema, "enum");
  if (!values.is_array()) return;
  std::string listed;
  for (const Json& value : values) {
    if (value == text) return;
    listed += (listed.empty() ? "" : ", ") + value.get<std::string>();
  }
  throw Invalid("", param, "Invalid " + param + ": must be one of " + listed);
}

void CheckNode(const Json& schema, const Json& raw, const std::string& param) {
  if (schema.contains("anyOf")) {
    // Where nothing fits, the first choice says why: the others are mostly the "" that empties a parameter.
    const Json& choices = schema["anyOf"];
    for (size_t i = choices.size(); i > 0; --i) {
      try {
        CheckNode(choices[i - 1], raw, param);
        return;
      } catch (const ApiError&) {
        if (i == 1) throw;
      }
    }
    return;
  }
  const std::string type = Str(schema, "type");
  if (type == "object") {
    CheckObject(schema, raw, param);
  } else if (type == "array") {
    if (!LooksLikeArray(raw)) throw Invalid("", param, "Invalid array");
    for (const auto& [index, value] : raw.items()) {
      CheckNode(At(schema, "items"), value, Member(param, index));
    }
  } else if (!type.empty()) {
    CheckScalar(schema, type, raw, param);
  }
}

}  // namespace

SchemaSet::SchemaSet(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read schemas file " + path);
  schemas_ = Json::parse(file, nullptr, false);
  if (!schemas_.is_object()) throw std::runtime_error("not a JSON object: " + path);
}

void SchemaSet::Check(const std::string& operation, const Json& raw) const {
  const Json& schema = At(schemas_, operation);
  if (schema.is_object()) CheckNode(schema, raw, "");
}

}  // namespace stripesim
