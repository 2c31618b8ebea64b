#include "common/stripe/form.h"

#include "absl/strings/str_cat.h"
#include "common/http/server.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::stripe {
namespace {

absl::Status Refuse(const std::string& name, std::string_view why) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
              absl::StrCat("no form for ", name.empty() ? "the parameters" : name, ": ", AbslView(why)),
              {{"field", name}});
}

void AppendPair(std::string_view name, std::string_view value, std::string& out) {
  if (!out.empty()) out += '&';
  absl::StrAppend(&out, http::PercentEncode(name), "=", http::PercentEncode(value));
}

// Brackets are part of the name's syntax; a key that holds them would mean another parameter.
bool IsPlainKey(const std::string& key) { return !key.empty() && key.find_first_of("[]") == std::string::npos; }

absl::Status Append(const nlohmann::json& value, const std::string& name, std::string& out) {
  if (value.is_object()) {
    if (value.empty()) return Refuse(name, "empty object");
    for (const auto& [key, member] : value.items()) {
      if (!IsPlainKey(key)) return Refuse(name, "a key is empty or holds brackets");
      RETURN_IF_ERROR(Append(member, name.empty() ? key : absl::StrCat(name, "[", key, "]"), out));
    }
    return absl::OkStatus();
  }
  if (name.empty()) return Refuse(name, "not an object");
  if (value.is_array()) {
    if (value.empty()) return Refuse(name, "empty array");
    for (size_t i = 0; i < value.size(); ++i) {
      RETURN_IF_ERROR(Append(value[i], absl::StrCat(name, "[", i, "]"), out));
    }
    return absl::OkStatus();
  }
  if (value.is_string()) {
    AppendPair(name, value.get_ref<const std::string&>(), out);
  } else if (value.is_boolean()) {
    AppendPair(name, value.get<bool>() ? "true" : "false", out);
  } else if (value.is_number_integer()) {
    AppendPair(name, value.dump(), out);
  } else {
    return Refuse(name, "null or fractional number");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeForm(std::string_view params_json) {
  ASSIGN_OR_RETURN(const nlohmann::json params, json::Parse(params_json));
  std::string out;
  // A request without parameters has an empty body.
  if (params.is_object() && params.empty()) return out;
  RETURN_IF_ERROR(Append(params, "", out));
  return out;
}

std::string EncodeQuery(const std::map<std::string, std::string>& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) AppendPair(name, value, out);
  return out;
}

}  // namespace billmesh::stripe
