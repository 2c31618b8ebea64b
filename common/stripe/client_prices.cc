#include "common/stripe/client_prices.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/stripe/client.h"
#include "nlohmann/json.hpp"

namespace billmesh::stripe {
namespace {

using provider::PriceSnapshot;

// The name of the parameters' form, as other frozen parameters have one.
constexpr char kPriceSchema[] = "stripe.price.v1";

absl::Status Unreadable(std::string_view field) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(AbslView(field), ": missing or of another type"),
              {{"field", std::string(field)}});
}

// json::Parse refuses documents over its bounds; amounts that are fractions stand as strings (unit_amount_decimal).
absl::Status ReadText(const nlohmann::json& object, const char* field, std::string& out) {
  const auto it = object.find(field);
  if (it == object.end() || !it->is_string()) return Unreadable(field);
  out = it->get<std::string>();
  return absl::OkStatus();
}

// A reference is an id, or the object when it was expanded.
absl::Status ReadReference(const nlohmann::json& object, const char* field, std::string& out) {
  const auto it = object.find(field);
  if (it != object.end() && it->is_object()) return ReadText(*it, "id", out);
  return ReadText(object, field, out);
}

absl::Status ReadRecurring(const nlohmann::json& recurring, PriceSnapshot& out) {
  out.recurring = true;
  RETURN_IF_ERROR(ReadText(recurring, "usage_type", out.usage_type));
  RETURN_IF_ERROR(ReadText(recurring, "interval", out.interval));
  const auto count = recurring.find("interval_count");
  if (count == recurring.end() || !count->is_number_integer()) return Unreadable("recurring.interval_count");
  out.interval_count = count->get<int64_t>();
  return absl::OkStatus();
}

absl::StatusOr<PriceSnapshot> Read(const nlohmann::json& object) {
  if (!object.is_object()) return Unreadable("price");
  PriceSnapshot out;
  RETURN_IF_ERROR(ReadText(object, "id", out.id));
  RETURN_IF_ERROR(ReadReference(object, "product", out.product_id));
  RETURN_IF_ERROR(ReadText(object, "currency", out.currency));
  const auto active = object.find("active");
  if (active == object.end() || !active->is_boolean()) return Unreadable("active");
  out.active = active->get<bool>();
  if (const auto key = object.find("lookup_key"); key != object.end() && key->is_string()) {
    out.lookup_key = key->get<std::string>();
  }
  const auto amount = object.find("unit_amount");
  if (amount != object.end() && amount->is_number_integer()) out.unit_amount_minor = amount->get<int64_t>();
  // Quantities that are divided first make another price than ours, whatever the amount says.
  const auto transform = object.find("transform_quantity");
  if (transform != object.end() && !transform->is_null()) out.unit_amount_minor.reset();
  const auto recurring = object.find("recurring");
  if (recurring != object.end() && recurring->is_object()) RETURN_IF_ERROR(ReadRecurring(*recurring, out));
  return out;
}

}  // namespace

std::string StripePriceFormat::provider() const { return kProviderName; }

absl::StatusOr<provider::EncodedParams> StripePriceFormat::EncodePrice(const provider::PriceSpec& spec) const {
  nlohmann::json params = {
      {"currency", spec.currency},     {"unit_amount", spec.unit_amount_minor},
      {"lookup_key", spec.lookup_key}, {"nickname", spec.nickname},
      {"metadata", spec.metadata},
  };
  if (!spec.interval.empty()) {
    params["recurring"] = {
        {"interval", spec.interval}, {"interval_count", spec.interval_count}, {"usage_type", "licensed"}};
  }
  if (spec.product_id.empty()) {
    params["product_data"] = {{"name", spec.product_name}, {"metadata", spec.metadata}};
  } else {
    params["product"] = spec.product_id;
  }
  ASSIGN_OR_RETURN(std::string canonical, json::Canonical(params));
  return provider::EncodedParams{std::move(canonical), kPriceSchema};
}

absl::StatusOr<PriceSnapshot> StripePriceFormat::ReadPrice(std::string_view object_json) const {
  ASSIGN_OR_RETURN(const nlohmann::json object, json::Parse(object_json));
  return Read(object);
}

absl::StatusOr<std::vector<PriceSnapshot>> StripePriceFormat::ReadPriceList(std::string_view list_json) const {
  ASSIGN_OR_RETURN(const nlohmann::json list, json::Parse(list_json));
  const auto data = list.find("data");
  if (data == list.end() || !data->is_array()) return Unreadable("data");
  std::vector<PriceSnapshot> prices;
  for (const nlohmann::json& object : *data) {
    ASSIGN_OR_RETURN(PriceSnapshot price, Read(object));
    prices.push_back(std::move(price));
  }
  return prices;
}

}  // namespace billmesh::stripe
