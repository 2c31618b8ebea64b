#include "common/stripe/client_format.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/stripe/client.h"
#include "common/stripe/object_readers.h"
#include "nlohmann/json.hpp"
#include "simdjson.h"

namespace billmesh::stripe {
namespace {

using provider::ObjectMetadata;
using simdjson::dom::element;

constexpr char kCustomerSchema[] = "stripe.customer.v1";
constexpr char kCheckoutSessionSchema[] = "stripe.checkout_session.v1";

// Stripe's bounds of metadata.
constexpr size_t kMaxMetadataPairs = 50;
constexpr size_t kMaxMetadataKey = 40;
constexpr size_t kMaxMetadataValue = 500;
// A longer name would be refused, and the purchase with it; the name is only for people to read.
constexpr size_t kMaxCustomerName = 256;

absl::Status Malformed(std::string_view member) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
              absl::StrCat("the provider's object has no usable ", AbslView(member)), {{"field", std::string(member)}});
}

absl::StatusOr<nlohmann::json> EncodeMetadata(const ObjectMetadata& metadata) {
  nlohmann::json out = nlohmann::json::object();
  if (metadata.size() > kMaxMetadataPairs) return Malformed("metadata: too many pairs");
  for (const auto& [key, value] : metadata) {
    if (key.empty() || key.size() > kMaxMetadataKey || value.empty() || value.size() > kMaxMetadataValue) {
      return Malformed(absl::StrCat("metadata.", key));
    }
    out[key] = value;
  }
  return out;
}

absl::StatusOr<provider::EncodedParams> Encoded(const nlohmann::json& params, const char* schema) {
  ASSIGN_OR_RETURN(std::string canonical, json::Canonical(params));
  return provider::EncodedParams{std::move(canonical), schema};
}

// Reads members of one object. The document lives as long as the reader.
class Reader {
 public:
  static absl::StatusOr<Reader> Parse(std::string_view text) {
    Reader reader;
    reader.parser_ = std::make_unique<simdjson::dom::parser>();
    if (reader.parser_->parse(text.data(), text.size()).get(reader.root_) != simdjson::SUCCESS ||
        !reader.root_.is_object()) {
      return Malformed("JSON object");
    }
    return reader;
  }

  const element& root() const { return root_; }

 private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  element root_;
};

std::string TextOr(const element& object, const char* name, std::string_view fallback) {
  std::string_view value;
  return std::string(object[name].get(value) == simdjson::SUCCESS ? value : fallback);
}

absl::StatusOr<std::string> RequiredText(const element& object, const char* name) {
  std::string value = TextOr(object, name, "");
  if (value.empty()) return Malformed(name);
  return value;
}

absl::StatusOr<absl::Time> RequiredTime(const element& object, const char* name) {
  int64_t seconds = 0;
  if (object[name].get(seconds) != simdjson::SUCCESS || seconds < 0) return Malformed(name);
  return absl::FromUnixSeconds(seconds);
}

absl::StatusOr<ObjectMetadata> MetadataOf(const element& object) {
  ObjectMetadata metadata;
  element value;
  if (object["metadata"].get(value) != simdjson::SUCCESS || value.is_null()) return metadata;
  simdjson::dom::object members;
  if (value.get(members) != simdjson::SUCCESS) return Malformed("metadata");
  for (const auto member : members) {
    std::string_view text;
    if (member.value.get(text) != simdjson::SUCCESS) return Malformed("metadata");
    metadata.emplace(member.key, text);
  }
  return metadata;
}

absl::StatusOr<provider::ObjectSnapshot> SnapshotOf(const element& object) {
  provider::ObjectSnapshot snapshot;
  ASSIGN_OR_RETURN(snapshot.id, RequiredText(object, "id"));
  bool deleted = false;
  snapshot.deleted = object["deleted"].get(deleted) == simdjson::SUCCESS && deleted;
  ASSIGN_OR_RETURN(snapshot.metadata, MetadataOf(object));
  return snapshot;
}

}  // namespace

std::string StripeFormat::provider() const { return kProviderName; }

absl::StatusOr<provider::EncodedParams> StripeFormat::EncodeCustomer(const provider::CustomerSpec& spec) const {
  nlohmann::json params = nlohmann::json::object();
  ASSIGN_OR_RETURN(params["metadata"], EncodeMetadata(spec.metadata));
  if (!spec.name.empty() && spec.name.size() <= kMaxCustomerName) params["name"] = spec.name;
  return Encoded(params, kCustomerSchema);
}

absl::StatusOr<provider::EncodedParams> StripeFormat::EncodeCheckoutSession(
    const provider::CheckoutSessionSpec& spec) const {
  if (spec.items.empty()) return Malformed("line_items");
  ASSIGN_OR_RETURN(const nlohmann::json metadata, EncodeMetadata(spec.metadata));
  nlohmann::json params = {
      {"mode", "subscription"},
      {"customer", spec.customer_id},
      {"client_reference_id", spec.reference},
      {"success_url", spec.success_url},
      {"cancel_url", spec.cancel_url},
      {"expires_at", absl::ToUnixSeconds(spec.expires_at)},
      {"metadata", metadata},
      {"subscription_data", {{"metadata", metadata}}},
  };
  for (const provider::LineItem& item : spec.items) {
    nlohmann::json line = {{"price", item.price_id}};
    if (item.quantity.has_value()) line["quantity"] = *item.quantity;
    params["line_items"].push_back(std::move(line));
  }
  if (spec.trial_days > 0) params["subscription_data"]["trial_period_days"] = spec.trial_days;
  if (spec.automatic_tax) {
    params["automatic_tax"] = {{"enabled", true}};
    // Tax needs an address: without this, the provider refuses customers that have none yet.
    params["customer_update"] = {{"address", "auto"}};
  }
  if (spec.allow_promotion_codes) params["allow_promotion_codes"] = true;
  return Encoded(params, kCheckoutSessionSchema);
}

absl::StatusOr<provider::FrozenFacts> StripeFormat::ReadFrozen(std::string_view params_json) const {
  ASSIGN_OR_RETURN(const Reader reader, Reader::Parse(params_json));
  provider::FrozenFacts facts;
  ASSIGN_OR_RETURN(facts.metadata, MetadataOf(reader.root()));
  const std::string customer = TextOr(reader.root(), "customer", "");
  if (!customer.empty()) facts.customer_id = customer;
  if (auto expires = RequiredTime(reader.root(), "expires_at"); expires.ok()) {
    facts.expires_at = *expires;
  }
  return facts;
}

absl::StatusOr<provider::CheckoutSession> StripeFormat::ReadCheckoutSession(std::string_view object_json) const {
  return stripe::ReadCheckoutSession(object_json);
}

absl::StatusOr<provider::ObjectSnapshot> StripeFormat::ReadObject(std::string_view object_json) const {
  ASSIGN_OR_RETURN(const Reader reader, Reader::Parse(object_json));
  return SnapshotOf(reader.root());
}

absl::StatusOr<provider::ListSnapshot> StripeFormat::ReadList(std::string_view list_json) const {
  ASSIGN_OR_RETURN(const Reader reader, Reader::Parse(list_json));
  const element& root = reader.root();
  provider::ListSnapshot list;
  simdjson::dom::array data;
  if (root["data"].get(data) != simdjson::SUCCESS) return Malformed("data");
  if (root["has_more"].get(list.has_more) != simdjson::SUCCESS) return Malformed("has_more");
  for (const element object : data) {
    ASSIGN_OR_RETURN(provider::ObjectSnapshot snapshot, SnapshotOf(object));
    list.objects.push_back(std::move(snapshot));
  }
  return list;
}

}  // namespace billmesh::stripe
