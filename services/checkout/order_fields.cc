#include "services/checkout/order_fields.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::checkout {

std::string TextOf(const nlohmann::json& document, const char* name) {
  const auto it = document.find(name);
  return it != document.end() && it->is_string() ? it->get<std::string>() : "";
}

int64_t IntegerOf(const nlohmann::json& document, const char* name) {
  const auto it = document.find(name);
  return it != document.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

absl::Status InvalidField(std::string_view field, std::string_view what) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(AbslView(field), " ", AbslView(what)),
              {{"field", std::string(field)}});
}

}  // namespace billmesh::checkout
