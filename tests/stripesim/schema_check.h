#pragma once

// The optional second opinion on every request: JSON schemas of all parameters, read from a file
// ("VERB /path" → schema) that isn't part of the project.

#include <string>
#include <string_view>

#include "tests/stripesim/json.h"

namespace stripesim {

class SchemaSet {
 public:
  SchemaSet() = default;
  // Throws std::runtime_error where the file can't be read or isn't JSON.
  explicit SchemaSet(const std::string& path);

  bool empty() const { return schemas_.empty(); }
  // Throws ApiError in Stripe's form where the nested form `raw` doesn't fit. Operations that the
  // file doesn't have aren't checked.
  void Check(const std::string& operation, const Json& raw) const;

 private:
  Json schemas_;
};

}  // namespace stripesim
