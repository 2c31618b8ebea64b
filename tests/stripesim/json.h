#pragma once

// The one JSON type of the simulator. Ordered, so that objects are sent with Stripe's field order
// (id and object first), and compact in memory.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace stripesim {

using Json = nlohmann::ordered_json;

// Serializes; text that isn't UTF-8 becomes U+FFFD instead of an exception.
inline std::string Dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// The member `name` as a string, or "" where it is missing, null or of another type.
inline std::string Str(const Json& object, std::string_view name) {
  if (!object.is_object()) return {};
  auto it = object.find(std::string(name));
  if (it == object.end() || !it->is_string()) return {};
  return it->get<std::string>();
}

// The member `name` as an integer, or `fallback`.
inline int64_t Int(const Json& object, std::string_view name, int64_t fallback = 0) {
  if (!object.is_object()) return fallback;
  auto it = object.find(std::string(name));
  if (it == object.end() || !it->is_number()) return fallback;
  return it->get<int64_t>();
}

inline bool Bool(const Json& object, std::string_view name, bool fallback = false) {
  if (!object.is_object()) return fallback;
  auto it = object.find(std::string(name));
  if (it == object.end() || !it->is_boolean()) return fallback;
  return it->get<bool>();
}

// Present and not null.
inline bool Has(const Json& object, std::string_view name) {
  if (!object.is_object()) return false;
  auto it = object.find(std::string(name));
  return it != object.end() && !it->is_null();
}

// The member `name`, or null (a static, so that callers can keep the reference).
inline const Json& At(const Json& object, std::string_view name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  auto it = object.find(std::string(name));
  return it == object.end() ? kNull : *it;
}

// The member `name` if present, else `fallback`.
inline Json Or(const Json& object, std::string_view name, Json fallback) {
  return Has(object, name) ? At(object, name) : fallback;
}

}  // namespace stripesim
