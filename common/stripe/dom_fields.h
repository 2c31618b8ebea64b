// How the readers of this room take fields from a parsed JSON object: one place for "missing or null", for types and
// for sizes. The first error is kept and names the field's path; after it the values don't matter. Internal to
// common/stripe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "simdjson.h"

namespace billmesh::stripe {

// Parses with the bounds of object_readers.h, into memory that belongs to the thread and is reused by its next call.
// invalid_argument: "not_json", "too_deep" or "too_large".
absl::StatusOr<simdjson::dom::element> ParseBounded(std::string_view json);

class Fields {
 public:
  // `error` must outlive this object; it is written only while it is empty.
  Fields(simdjson::dom::object object, std::string path, std::string& error)
      : object_(object), path_(std::move(path)), error_(error) {}

  // The value, unless it's missing or null.
  std::optional<simdjson::dom::element> Find(std::string_view key) const;
  // A nested object, unless it's missing or null; another type is an error.
  std::optional<Fields> Object(std::string_view key) const;
  // The object `value`, for example an element of a list, as `<this path>.<name>`.
  std::optional<Fields> As(simdjson::dom::element value, std::string_view name) const;

  std::string Text(std::string_view key, size_t max_bytes) const;
  std::optional<std::string> OptText(std::string_view key, size_t max_bytes) const;
  std::string Id(std::string_view key) const;
  // An id, or an object that has one (an expanded reference). "" counts as none.
  std::optional<std::string> OptReference(std::string_view key) const;
  int64_t Int(std::string_view key) const;
  std::optional<int64_t> OptInt(std::string_view key) const;
  bool Bool(std::string_view key) const;
  bool BoolOr(std::string_view key, bool fallback) const;
  absl::Time Time(std::string_view key) const;  // Unix seconds
  std::optional<absl::Time> OptTime(std::string_view key) const;

  void Fail(std::string_view key, std::string_view what) const;
  const std::string& path() const { return path_; }
  std::string& error() const { return error_; }

 private:
  std::optional<std::string> CheckedText(simdjson::dom::element value, std::string_view key, size_t max_bytes) const;

  simdjson::dom::object object_;
  std::string path_;
  std::string& error_;
};

}  // namespace billmesh::stripe
