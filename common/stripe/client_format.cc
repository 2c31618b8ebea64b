#include "common/stripe/client_format.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "common/stripe/client.h"
#include "common/stripe/client_endpoints.h"
#include "common/stripe/object_readers.h"
#include "nlohmann/json.hpp"
#include "simdjson.h"

namespace billmesh::stripe {
namespace {

using provider::ObjectMetadata;
using simdjson::dom::element;

constexpr char kCustomerSchema[] = "stripe.customer.v1";
constexpr char kCheckoutSessionSchema[] = "stripe.checkout_session.v1";
constexpr char kPortalSessionSchema[] = "stripe.portal_session.v1";
constexpr char kPaymentLinkSchema[] = "stripe.payment_link.v1";
constexpr char kSubscriptionUpdateSchema[] = "stripe.subscription_update.v1";
constexpr char kObjectCallSchema[] = "stripe.object_call.v1";

// Stripe's bounds of metadata.
constexpr size_t kMaxMetadataPairs = 50;
constexpr size_t kMaxMetadataKey = 40;
constexpr size_t kMaxMetadataValue = 500;
// A longer name would be refused, and the purchase with it; the name is only for people to read.
constexpr size_t kMaxCustomerName = 256;
// Stripe's bounds of what a payment link and a subscription take.
constexpr size_t kMaxLinkLines = 20;
constexpr size_t kMaxSubscriptionItems = 20;
constexpr size_t kMaxProductName = 1000;  // 250 characters
constexpr int64_t kMaxUnitAmount = 99'999'999;
constexpr int64_t kMaxQuantity = 999'999;
constexpr int64_t kMaxPaymentsLimit = 10'000;

absl::Status Malformed(std::string_view member) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
              absl::StrCat("the provider's object has no usable ", AbslView(member)), {{"field", std::string(member)}});
}

absl::Status OutOfBounds(std::string_view field, std::string_view what) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(AbslView(field), " ", AbslView(what)),
              {{"field", std::string(field)}});
}

absl::Status CheckRange(std::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return OutOfBounds(field, absl::StrCat("must be ", least, " to ", most));
}

absl::Status CheckUrl(std::string_view field, std::string_view url) {
  if (!url.empty() && url.size() <= kMaxUrlBytes) return absl::OkStatus();
  return OutOfBounds(field, absl::StrCat("must have 1 to ", kMaxUrlBytes, " bytes"));
}

// FillPath and the provider see the id again; here it only must be one.
absl::Status CheckId(std::string_view field, std::string_view id) {
  if (!id.empty() && id.size() <= kMaxIdBytes) return absl::OkStatus();
  return OutOfBounds(field, "must be an id of the provider");
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

// A line's price, or the amount that stands in for one.
absl::StatusOr<nlohmann::json> EncodeLine(const provider::OneOffLine& line) {
  RETURN_IF_ERROR(CheckRange("line_items.quantity", line.quantity, 1, kMaxQuantity));
  nlohmann::json out = {{"quantity", line.quantity}};
  if (!line.price_id.empty()) {
    if (!line.name.empty() || !line.currency.empty() || line.unit_amount_minor != 0) {
      return OutOfBounds("line_items", "must have a price or an amount, not both");
    }
    RETURN_IF_ERROR(CheckId("line_items.price", line.price_id));
    out["price"] = line.price_id;
    return out;
  }
  if (line.name.empty() || line.name.size() > kMaxProductName) {
    return OutOfBounds("line_items.name", absl::StrCat("must have 1 to ", kMaxProductName, " bytes"));
  }
  if (line.currency.size() != 3) return OutOfBounds("line_items.currency", "must be a currency code");
  RETURN_IF_ERROR(CheckRange("line_items.unit_amount", line.unit_amount_minor, 1, kMaxUnitAmount));
  out["price_data"] = {
      {"currency", line.currency}, {"unit_amount", line.unit_amount_minor}, {"product_data", {{"name", line.name}}}};
  return out;
}

absl::StatusOr<nlohmann::json> EncodeItemChange(const provider::SubscriptionItemChange& change) {
  if (change.item_id.empty() && (change.price_id.empty() || change.quantity == 0)) {
    return OutOfBounds("items", "must name an item, or the price and quantity of a new one");
  }
  RETURN_IF_ERROR(CheckRange("items.quantity", change.quantity, 0, kMaxQuantity));
  nlohmann::json out = nlohmann::json::object();
  if (!change.item_id.empty()) {
    RETURN_IF_ERROR(CheckId("items.id", change.item_id));
    out["id"] = change.item_id;
  }
  if (change.quantity == 0) {
    out["deleted"] = true;
    return out;
  }
  if (!change.price_id.empty()) {
    RETURN_IF_ERROR(CheckId("items.price", change.price_id));
    out["price"] = change.price_id;
  }
  out["quantity"] = change.quantity;
  return out;
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
  const std::string customer = TextOr(object, "customer", "");
  if (!customer.empty()) snapshot.customer_id = customer;
  ASSIGN_OR_RETURN(snapshot.metadata, MetadataOf(object));
  return snapshot;
}

// EncodeItemChange, backwards.
absl::StatusOr<provider::SubscriptionItemChange> ReadItemChange(const element& item) {
  provider::SubscriptionItemChange change;
  change.item_id = TextOr(item, "id", "");
  change.price_id = TextOr(item, "price", "");
  if (change.item_id.empty() && change.price_id.empty()) return Malformed("items");
  bool deleted = false;
  if (item["deleted"].get(deleted) == simdjson::SUCCESS && deleted) return change;
  if (item["quantity"].get(change.quantity) != simdjson::SUCCESS || change.quantity < 1) return Malformed("items");
  return change;
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

absl::StatusOr<provider::EncodedParams> StripeFormat::EncodePortalSession(
    const provider::PortalSessionSpec& spec) const {
  RETURN_IF_ERROR(CheckId("customer", spec.customer_id));
  RETURN_IF_ERROR(CheckUrl("return_url", spec.return_url));
  return Encoded({{"customer", spec.customer_id}, {"return_url", spec.return_url}}, kPortalSessionSchema);
}

absl::StatusOr<provider::EncodedParams> StripeFormat::EncodePaymentLink(const provider::PaymentLinkSpec& spec) const {
  if (spec.lines.empty() || spec.lines.size() > kMaxLinkLines) {
    return OutOfBounds("line_items", absl::StrCat("must be 1 to ", kMaxLinkLines));
  }
  RETURN_IF_ERROR(CheckRange("payments_limit", spec.payments_limit, 1, kMaxPaymentsLimit));
  ASSIGN_OR_RETURN(const nlohmann::json metadata, EncodeMetadata(spec.metadata));
  nlohmann::json params = {
      {"invoice_creation", {{"enabled", true}}},
      {"restrictions", {{"completed_sessions", {{"limit", spec.payments_limit}}}}},
  };
  for (const provider::OneOffLine& line : spec.lines) {
    ASSIGN_OR_RETURN(nlohmann::json encoded, EncodeLine(line));
    params["line_items"].push_back(std::move(encoded));
  }
  // An object without members has no form.
  if (!metadata.empty()) {
    params["metadata"] = metadata;
    params["payment_intent_data"] = {{"metadata", metadata}};
    params["invoice_creation"]["invoice_data"] = {{"metadata", metadata}};
  }
  if (!spec.success_url.empty()) {
    RETURN_IF_ERROR(CheckUrl("success_url", spec.success_url));
    params["after_completion"] = {{"type", "redirect"}, {"redirect", {{"url", spec.success_url}}}};
  }
  return Encoded(params, kPaymentLinkSchema);
}

absl::StatusOr<provider::EncodedParams> StripeFormat::EncodeSubscriptionUpdate(
    const provider::SubscriptionUpdateSpec& spec) const {
  RETURN_IF_ERROR(CheckId("subscription", spec.subscription_id));
  if (!spec.cancel_at_period_end.has_value() && !spec.clear_cancel_at && spec.items.empty() && spec.metadata.empty()) {
    return OutOfBounds("subscription", "update changes nothing");
  }
  if (spec.cancel_at_period_end.has_value() && spec.clear_cancel_at) {
    return OutOfBounds("cancel_at", "can't be changed together with cancel_at_period_end");
  }
  if (spec.items.size() > kMaxSubscriptionItems) {
    return OutOfBounds("items", absl::StrCat("must be at most ", kMaxSubscriptionItems));
  }
  nlohmann::json params = {{kObjectMember, spec.subscription_id}};
  if (spec.cancel_at_period_end.has_value()) params["cancel_at_period_end"] = *spec.cancel_at_period_end;
  if (spec.clear_cancel_at) params["cancel_at"] = "";
  // An object without members has no form.
  if (!spec.metadata.empty()) {
    ASSIGN_OR_RETURN(params["metadata"], EncodeMetadata(spec.metadata));
  }
  for (const provider::SubscriptionItemChange& change : spec.items) {
    ASSIGN_OR_RETURN(nlohmann::json item, EncodeItemChange(change));
    params["items"].push_back(std::move(item));
  }
  return Encoded(params, kSubscriptionUpdateSchema);
}

absl::StatusOr<provider::EncodedParams> StripeFormat::EncodeObjectCall(std::string_view object_id) const {
  RETURN_IF_ERROR(CheckId("object", object_id));
  return Encoded({{kObjectMember, std::string(object_id)}}, kObjectCallSchema);
}

absl::StatusOr<provider::FrozenFacts> StripeFormat::ReadFrozen(std::string_view params_json) const {
  ASSIGN_OR_RETURN(const Reader reader, Reader::Parse(params_json));
  provider::FrozenFacts facts;
  ASSIGN_OR_RETURN(facts.metadata, MetadataOf(reader.root()));
  const std::string object = TextOr(reader.root(), kObjectMember, "");
  if (!object.empty()) facts.object_id = object;
  const std::string customer = TextOr(reader.root(), "customer", "");
  if (!customer.empty()) facts.customer_id = customer;
  if (auto expires = RequiredTime(reader.root(), "expires_at"); expires.ok()) {
    facts.expires_at = *expires;
  }
  return facts;
}

absl::StatusOr<provider::SubscriptionUpdateSpec> StripeFormat::ReadSubscriptionUpdate(
    std::string_view params_json) const {
  ASSIGN_OR_RETURN(const Reader reader, Reader::Parse(params_json));
  provider::SubscriptionUpdateSpec spec;
  ASSIGN_OR_RETURN(spec.subscription_id, RequiredText(reader.root(), kObjectMember));
  element member;
  if (reader.root()["cancel_at_period_end"].get(member) == simdjson::SUCCESS) {
    bool value = false;
    if (member.get(value) != simdjson::SUCCESS) return Malformed("cancel_at_period_end");
    spec.cancel_at_period_end = value;
  }
  if (reader.root()["cancel_at"].get(member) == simdjson::SUCCESS) {
    std::string_view value;
    if (member.get(value) != simdjson::SUCCESS || !value.empty()) return Malformed("cancel_at");
    spec.clear_cancel_at = true;
  }
  ASSIGN_OR_RETURN(spec.metadata, MetadataOf(reader.root()));
  if (reader.root()["items"].get(member) == simdjson::SUCCESS) {
    simdjson::dom::array items;
    if (member.get(items) != simdjson::SUCCESS) return Malformed("items");
    for (const element& item : items) {
      ASSIGN_OR_RETURN(spec.items.emplace_back(), ReadItemChange(item));
    }
  }
  return spec;
}

absl::StatusOr<provider::CheckoutSession> StripeFormat::ReadCheckoutSession(std::string_view object_json) const {
  return stripe::ReadCheckoutSession(object_json);
}

absl::StatusOr<provider::Subscription> StripeFormat::ReadSubscription(std::string_view object_json) const {
  return stripe::ReadSubscription(object_json);
}

absl::StatusOr<provider::HostedPage> StripeFormat::ReadHostedPage(std::string_view object_json) const {
  ASSIGN_OR_RETURN(const Reader reader, Reader::Parse(object_json));
  provider::HostedPage page;
  ASSIGN_OR_RETURN(page.id, RequiredText(reader.root(), "id"));
  ASSIGN_OR_RETURN(page.url, RequiredText(reader.root(), "url"));
  if (page.id.size() > kMaxIdBytes) return Malformed("id");
  if (page.url.size() > kMaxUrlBytes) return Malformed("url");
  return page;
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
    list.objects_json.push_back(simdjson::minify(object));
  }
  return list;
}

}  // namespace billmesh::stripe
