#include "common/catalog/catalog_members.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

constexpr size_t kMaxProviderIdBytes = 255;

absl::Status ReadProviderId(const YamlMembers& members, std::string_view name, std::string& out) {
  RETURN_IF_ERROR(members.Text(name, Need::kOptional, kMaxProviderIdBytes, out));
  if (std::all_of(out.begin(), out.end(), [](char c) { return c > ' ' && c < 0x7f; })) return absl::OkStatus();
  return InvalidAt(members.LineOfMember(name), members.Path(name), "must be printable ASCII without blanks");
}

}  // namespace

absl::Status ReadCode(const YamlMembers& members, std::string_view name, std::string& out) {
  RETURN_IF_ERROR(members.Text(name, Need::kRequired, kMaxCodeBytes, out));
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto allowed = [&](char c) { return alnum(c) || c == '.' || c == '_' || c == '-'; };
  if (alnum(out.front()) && std::all_of(out.begin(), out.end(), allowed)) return absl::OkStatus();
  return InvalidAt(members.LineOfMember(name), members.Path(name),
                   "must be of a-z, 0-9, '.', '_', '-', beginning with a letter or a digit");
}

absl::Status ReadCurrency(const YamlMembers& members, const FileOptions& options, std::string& out) {
  RETURN_IF_ERROR(members.Text("currency", Need::kRequired, 3, out));
  const bool letters =
      out.size() == 3 && std::all_of(out.begin(), out.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  const int line = members.LineOfMember("currency");
  if (!letters) return InvalidAt(line, members.Path("currency"), "must be three lower-case letters");
  if (!options.currency.empty() && out != options.currency) {
    return InvalidAt(line, members.Path("currency"),
                     absl::StrCat(out, " isn't this deployment's billing currency, ", options.currency));
  }
  return absl::OkStatus();
}

absl::Status ReadProviderIds(const YamlMembers& members, const FileOptions& options, std::string& product_id,
                             std::string& price_id) {
  RETURN_IF_ERROR(ReadProviderId(members, "provider_product_id", product_id));
  RETURN_IF_ERROR(ReadProviderId(members, "provider_price_id", price_id));
  if (product_id.empty() != price_id.empty()) {
    return InvalidAt(members.line(), members.where(), "needs provider_product_id and provider_price_id together");
  }
  if (options.require_provider_ids && price_id.empty()) {
    return InvalidAt(members.line(), members.Path("provider_price_id"),
                     "is required; `billctl catalog provision` fills it in");
  }
  return absl::OkStatus();
}

absl::StatusOr<EntitlementValue> ReadEntitlement(const YamlMembers& members,
                                                 std::initializer_list<std::string_view> aside) {
  std::string schema;
  RETURN_IF_ERROR(members.Text("schema", Need::kRequired, kMaxCodeBytes, schema));
  nlohmann::json payload = nlohmann::json::object();
  for (const auto& [name, value] : members.all()) {
    if (name == "schema" || std::find(aside.begin(), aside.end(), name) != aside.end()) continue;
    ASSIGN_OR_RETURN(payload[name], ScalarsToJson(value, members.Path(name)));
  }
  absl::StatusOr<EntitlementValue> value = ParseEntitlement(schema, payload);
  if (!value.ok()) {
    const Metadata metadata = MetadataOf(value.status());
    const auto member = metadata.find("where");
    const int line = member == metadata.end() ? members.line() : members.LineOfMember(member->second);
    return InvalidAt(line, members.where(), absl::StrCat(schema, ": ", std::string(value.status().message())));
  }
  return value;
}

FilePrice PlaceOf(const YAML::Node& node) {
  return {LineOf(node), static_cast<size_t>(node.Mark().pos), node.Mark().column,
          node.Style() == YAML::EmitterStyle::Flow};
}

}  // namespace billmesh::catalog
