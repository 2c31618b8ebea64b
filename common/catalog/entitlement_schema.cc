#include "common/catalog/entitlement_schema.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::catalog {
namespace {

using Json = nlohmann::json;

absl::Status Invalid(std::string_view where, std::string_view what) {
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID, absl::StrCat(AbslView(where), ": ", AbslView(what)),
              {{"where", std::string(where)}});
}

// Exactly these members, no more and no fewer.
absl::Status RequireMembers(const Json& payload, std::initializer_list<const char*> members) {
  if (!payload.is_object()) return Invalid("payload", "must be an object");
  for (const char* member : members) {
    if (!payload.contains(member)) return Invalid(member, "is required");
  }
  for (const auto& item : payload.items()) {
    if (std::none_of(members.begin(), members.end(), [&](const char* m) { return item.key() == m; })) {
      return Invalid(item.key(), "is not a member of this schema");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<EntitlementValue> ParseBoolean(const Json& payload) {
  RETURN_IF_ERROR(RequireMembers(payload, {"enabled"}));
  if (!payload["enabled"].is_boolean()) return Invalid("enabled", "must be true or false");
  return BooleanEntitlement{payload["enabled"].get<bool>()};
}

absl::StatusOr<EntitlementValue> ParseQuota(const Json& payload) {
  RETURN_IF_ERROR(RequireMembers(payload, {"limit", "interval", "enforcement"}));
  const Json& limit = payload["limit"];
  // A number above int64 is stored unsigned: compare before narrowing.
  if (!limit.is_number_integer()) return Invalid("limit", "must be an integer");
  const bool too_big = limit.is_number_unsigned() && limit.get<uint64_t>() > static_cast<uint64_t>(kMaxQuotaLimit);
  if (too_big || limit.get<int64_t>() < 0) {
    return Invalid("limit", absl::StrCat("must be between 0 and ", kMaxQuotaLimit));
  }
  const Json& interval = payload["interval"];
  if (!interval.is_string()) return Invalid("interval", "must be a string");
  const std::string interval_name = interval.get<std::string>();
  if (std::find(kQuotaIntervals.begin(), kQuotaIntervals.end(), interval_name) == kQuotaIntervals.end()) {
    return Invalid("interval", "must be minute, hour, day, week, month, billing_period or lifetime");
  }
  const Json& enforcement = payload["enforcement"];
  if (enforcement != "hard" && enforcement != "soft") return Invalid("enforcement", "must be hard or soft");
  return QuotaEntitlement{limit.get<int64_t>(), interval_name, enforcement == "hard"};
}

absl::StatusOr<EntitlementValue> ParseStringList(const Json& payload) {
  RETURN_IF_ERROR(RequireMembers(payload, {"values"}));
  const Json& values = payload["values"];
  if (!values.is_array()) return Invalid("values", "must be a list");
  if (values.size() > kMaxListValues)
    return Invalid("values", absl::StrCat("has more than ", kMaxListValues, " values"));
  StringListEntitlement list;
  list.values.reserve(values.size());
  for (const Json& value : values) {
    if (!value.is_string()) return Invalid("values", "must hold strings only");
    std::string text = value.get<std::string>();
    if (text.empty() || text.size() > kMaxListValueBytes) {
      return Invalid("values", absl::StrCat("must hold strings of 1 to ", kMaxListValueBytes, " bytes"));
    }
    const bool control = std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (control) return Invalid("values", "must hold no control characters");
    list.values.push_back(std::move(text));
  }
  std::sort(list.values.begin(), list.values.end());
  if (std::adjacent_find(list.values.begin(), list.values.end()) != list.values.end()) {
    return Invalid("values", "must be distinct");
  }
  return list;
}

Json PayloadOf(const EntitlementValue& value) {
  if (const auto* boolean = std::get_if<BooleanEntitlement>(&value)) return {{"enabled", boolean->enabled}};
  if (const auto* quota = std::get_if<QuotaEntitlement>(&value)) {
    return {{"limit", quota->limit}, {"interval", quota->interval}, {"enforcement", quota->hard ? "hard" : "soft"}};
  }
  return {{"values", std::get<StringListEntitlement>(value).values}};
}

// The registry, in the order of the variant's alternatives.
struct Schema {
  std::string_view version;
  std::string_view type_name;
  absl::StatusOr<EntitlementValue> (*parse)(const Json&);
};
constexpr std::array<Schema, std::variant_size_v<EntitlementValue>> kSchemas = {{
    {kBooleanV1, "boolean", ParseBoolean},
    {kQuotaV1, "quota", ParseQuota},
    {kStringListV1, "string_list", ParseStringList},
}};

}  // namespace

absl::Status ValidateEntitlementKey(std::string_view key) {
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto allowed = [&](char c) {
    return is_lower(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  if (key.empty() || key.size() > kMaxEntitlementKeyBytes || !is_lower(key.front()) ||
      !std::all_of(key.begin(), key.end(), allowed)) {
    return Invalid("key", "must be 1 to 64 of a-z, 0-9, '_', '.', '-', beginning with a letter");
  }
  return absl::OkStatus();
}

absl::StatusOr<EntitlementValue> ParseEntitlement(std::string_view schema_version, const Json& payload) {
  for (const Schema& schema : kSchemas) {
    if (schema.version == schema_version) return schema.parse(payload);
  }
  return Invalid("schema_version", "is not known");
}

absl::StatusOr<EntitlementValue> ParseEntitlementJson(std::string_view schema_version, std::string_view payload_json) {
  const absl::StatusOr<Json> payload = json::Parse(payload_json);
  if (!payload.ok()) return Invalid("payload", "is not JSON");
  return ParseEntitlement(schema_version, *payload);
}

std::string_view SchemaVersionOf(const EntitlementValue& value) { return kSchemas[value.index()].version; }

std::string_view TypeNameOf(const EntitlementValue& value) { return kSchemas[value.index()].type_name; }

std::string CanonicalPayload(const EntitlementValue& value) {
  // Holds for every value that came through ParseEntitlement: integers and valid UTF-8 only.
  return json::Canonical(PayloadOf(value)).value();
}

bool Grants(const EntitlementValue& value) {
  if (const auto* boolean = std::get_if<BooleanEntitlement>(&value)) return boolean->enabled;
  if (const auto* quota = std::get_if<QuotaEntitlement>(&value)) return quota->limit > 0;
  return !std::get<StringListEntitlement>(value).values.empty();
}

billing::types::v1::EntitlementValue ToProto(const EntitlementValue& value) {
  billing::types::v1::EntitlementValue out;
  if (const auto* boolean = std::get_if<BooleanEntitlement>(&value)) {
    out.mutable_boolean()->set_enabled(boolean->enabled);
  } else if (const auto* quota = std::get_if<QuotaEntitlement>(&value)) {
    out.mutable_quota()->set_limit(quota->limit);
    out.mutable_quota()->set_interval(quota->interval);
    out.mutable_quota()->set_enforcement(quota->hard ? billing::types::v1::QUOTA_ENFORCEMENT_HARD
                                                     : billing::types::v1::QUOTA_ENFORCEMENT_SOFT);
  } else {
    auto* list = out.mutable_string_list();
    for (const std::string& v : std::get<StringListEntitlement>(value).values) list->add_values(v);
  }
  return out;
}

}  // namespace billmesh::catalog
