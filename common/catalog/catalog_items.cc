#include <utility>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_members.h"
#include "common/status/status.h"

namespace billmesh::catalog {
namespace {

absl::StatusOr<ItemGrant> ReadGrant(const YAML::Node& node, const std::string& where) {
  constexpr char kDuration[] = "duration_seconds";
  ASSIGN_OR_RETURN(const YamlMembers members, YamlMembers::Read(node, where, {}));
  ItemGrant grant;
  ASSIGN_OR_RETURN(grant.value, ReadEntitlement(members, {kDuration}));
  if (members.Find(kDuration) != nullptr) {
    int64_t seconds = 0;
    RETURN_IF_ERROR(members.Integer(kDuration, Need::kRequired, 1, kMaxGrantSeconds, seconds));
    grant.duration_seconds = seconds;
  }
  if (!Grants(grant.value)) return InvalidAt(members.line(), where, "grants nothing");
  return grant;
}

absl::Status ReadGrants(const YamlMembers& item, OneOffItem& out) {
  const YAML::Node* node = item.Find("grants");
  if (node == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const YamlMembers keys, YamlMembers::Read(*node, item.Path("grants"), {}));
  if (keys.all().size() > kMaxEntitlementsPerPlan) {
    return InvalidAt(keys.line(), keys.where(), absl::StrCat("has more than ", kMaxEntitlementsPerPlan, " keys"));
  }
  for (const auto& [key, value] : keys.all()) {
    if (const absl::Status valid = ValidateEntitlementKey(key); !valid.ok()) {
      return InvalidAt(keys.LineOfMember(key), keys.Path(key), std::string(valid.message()));
    }
    ASSIGN_OR_RETURN(ItemGrant grant, ReadGrant(value, keys.Path(key)));
    out.grants.emplace(key, std::move(grant));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FileItem> ReadItem(const YAML::Node& node, size_t index, const FileOptions& options) {
  ASSIGN_OR_RETURN(YamlMembers members,
                   YamlMembers::Read(node, absl::StrCat("items[", index, "]"),
                                     {"code", "name", "applies_to", "active", "currency", "unit_amount_minor",
                                      "provider_product_id", "provider_price_id", "grants"}));
  FileItem out;
  out.price = PlaceOf(node);
  OneOffItem& item = out.item;
  item.provider = options.provider;
  item.applies_to = kAppliesToAny;
  RETURN_IF_ERROR(ReadCode(members, "code", item.code));
  members.set_where(absl::StrCat("items[", item.code, "]"));
  RETURN_IF_ERROR(members.Text("name", Need::kRequired, kMaxNameBytes, item.name));
  RETURN_IF_ERROR(members.Choice("applies_to", Need::kOptional,
                                 {"any", "workspace", "user", "organization", "external"}, item.applies_to));
  RETURN_IF_ERROR(members.Bool("active", item.active));
  RETURN_IF_ERROR(ReadCurrency(members, options, item.currency));
  RETURN_IF_ERROR(
      members.Integer("unit_amount_minor", Need::kRequired, 1, kMaxUnitAmountMinor, item.unit_amount_minor));
  RETURN_IF_ERROR(ReadProviderIds(members, options, item.provider_product_id, item.provider_price_id));
  RETURN_IF_ERROR(ReadGrants(members, item));
  item.content_sha256 = ContentSha256(item);
  return out;
}

}  // namespace billmesh::catalog
