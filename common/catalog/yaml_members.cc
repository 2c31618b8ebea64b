#include "common/catalog/yaml_members.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

// yaml-cpp's tag of a scalar without quotes.
bool IsPlain(const YAML::Node& node) { return node.Tag() == "?"; }

std::optional<int64_t> PlainInteger(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!IsPlain(node) || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::StatusOr<nlohmann::json> ScalarToJson(const YAML::Node& node, const std::string& where) {
  if (!node.IsScalar()) return InvalidAt(LineOf(node), where, "must be a value");
  if (IsPlain(node) && (node.Scalar() == "true" || node.Scalar() == "false"))
    return nlohmann::json(node.Scalar() == "true");
  if (const auto integer = PlainInteger(node); integer.has_value()) return nlohmann::json(*integer);
  return nlohmann::json(node.Scalar());
}

}  // namespace

int LineOf(const YAML::Node& node) { return node.IsDefined() ? node.Mark().line + 1 : 0; }

absl::Status InvalidAt(int line, std::string_view where, std::string_view what) {
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID,
              absl::StrCat("line ", line, ": ", AbslView(where), ": ", AbslView(what)),
              {{"line", std::to_string(line)}, {"where", std::string(where)}});
}

absl::StatusOr<YamlMembers> YamlMembers::Read(const YAML::Node& node, std::string where,
                                              std::initializer_list<std::string_view> allowed) {
  if (!node.IsMap()) return InvalidAt(LineOf(node), where, "must be a mapping");
  YamlMembers out;
  out.line_ = LineOf(node);
  out.where_ = std::move(where);
  for (const auto& member : node) {
    const int line = LineOf(member.first);
    if (!member.first.IsScalar()) return InvalidAt(line, out.where_, "member names must be plain text");
    const std::string& name = member.first.Scalar();
    if (allowed.size() > 0 && std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      return InvalidAt(line, out.Path(name), "unknown member");
    }
    if (!out.members_.emplace(name, member.second).second) return InvalidAt(line, out.Path(name), "given twice");
    out.lines_.emplace(name, line);
  }
  return out;
}

std::string YamlMembers::Path(std::string_view name) const {
  return where_.empty() ? std::string(name) : absl::StrCat(where_, ".", AbslView(name));
}

const YAML::Node* YamlMembers::Find(std::string_view name) const {
  const auto it = members_.find(name);
  return it == members_.end() ? nullptr : &it->second;
}

int YamlMembers::LineOfMember(std::string_view name) const {
  const auto it = lines_.find(name);
  return it == lines_.end() ? line_ : it->second;
}

absl::Status YamlMembers::Text(std::string_view name, Need need, size_t max_bytes, std::string& out) const {
  const YAML::Node* node = Find(name);
  if (node == nullptr) {
    return need == Need::kOptional ? absl::OkStatus() : InvalidAt(line_, Path(name), "is required");
  }
  if (!node->IsScalar() || node->Scalar().empty() || node->Scalar().size() > max_bytes) {
    return InvalidAt(LineOfMember(name), Path(name), absl::StrCat("must be a text of 1 to ", max_bytes, " bytes"));
  }
  const std::string& text = node->Scalar();
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return InvalidAt(LineOfMember(name), Path(name), "must hold no control characters");
  }
  out = text;
  return absl::OkStatus();
}

absl::Status YamlMembers::Integer(std::string_view name, Need need, int64_t min, int64_t max, int64_t& out) const {
  const YAML::Node* node = Find(name);
  if (node == nullptr) {
    return need == Need::kOptional ? absl::OkStatus() : InvalidAt(line_, Path(name), "is required");
  }
  const auto value = node->IsScalar() ? PlainInteger(*node) : std::nullopt;
  if (!value.has_value() || *value < min || *value > max) {
    return InvalidAt(LineOfMember(name), Path(name), absl::StrCat("must be an integer from ", min, " to ", max));
  }
  out = *value;
  return absl::OkStatus();
}

absl::Status YamlMembers::Bool(std::string_view name, bool& out) const {
  const YAML::Node* node = Find(name);
  if (node == nullptr) return absl::OkStatus();
  if (!node->IsScalar() || !IsPlain(*node) || (node->Scalar() != "true" && node->Scalar() != "false")) {
    return InvalidAt(LineOfMember(name), Path(name), "must be true or false");
  }
  out = node->Scalar() == "true";
  return absl::OkStatus();
}

absl::Status YamlMembers::Choice(std::string_view name, Need need, std::initializer_list<std::string_view> choices,
                                 std::string& out) const {
  const YAML::Node* node = Find(name);
  if (node == nullptr) {
    return need == Need::kOptional ? absl::OkStatus() : InvalidAt(line_, Path(name), "is required");
  }
  if (!node->IsScalar() || std::find(choices.begin(), choices.end(), node->Scalar()) == choices.end()) {
    std::string list;
    for (const std::string_view choice : choices) absl::StrAppend(&list, list.empty() ? "" : ", ", AbslView(choice));
    return InvalidAt(LineOfMember(name), Path(name), absl::StrCat("must be one of ", list));
  }
  out = node->Scalar();
  return absl::OkStatus();
}

absl::StatusOr<nlohmann::json> ScalarsToJson(const YAML::Node& node, const std::string& where) {
  if (!node.IsSequence()) return ScalarToJson(node, where);
  nlohmann::json list = nlohmann::json::array();
  for (const YAML::Node& element : node) {
    ASSIGN_OR_RETURN(nlohmann::json value, ScalarToJson(element, where));
    list.push_back(std::move(value));
  }
  return list;
}

}  // namespace billmesh::catalog
