#include "tests/stripesim/shapes.h"

#include <algorithm>
#include <utility>

#include "tests/stripesim/options.h"

namespace stripesim {
namespace {

void Erase(Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) object.erase(name);
}

// The first item's period: before flexible billing a subscription had one for all items.
void SubscriptionBeforeBasil(Json& sub) {
  if (!sub.contains("items")) return;
  Json first;
  for (Json& item : sub["items"]["data"]) {
    if (first.is_null()) first = item;
    Erase(item, {"current_period_start", "current_period_end", "discounts", "current_trial"});
  }
  sub["current_period_start"] = At(first, "current_period_start");
  sub["current_period_end"] = At(first, "current_period_end");
  sub["discount"] = nullptr;
  sub["plan"] = At(first, "plan");
  sub["quantity"] = At(first, "quantity");
  Erase(sub, {"billing_mode", "billing_schedules", "customer_account", "managed_payments",
              "billing_cycle_anchor_config", "discounts"});
}

void LineBeforeBasil(Json& line) {
  const Json details = At(At(line, "parent"), "subscription_item_details");
  const Json legacy = line.contains("_legacy") ? line["_legacy"] : Json::object();
  line["price"] = At(legacy, "price");
  line["plan"] = At(legacy, "plan");
  line["proration"] = Bool(details, "proration");
  line["proration_details"] = Json{{"credited_items", nullptr}};
  line["subscription"] = At(details, "subscription");
  line["subscription_item"] = At(details, "subscription_item");
  line["tax_amounts"] = Json::array();
  line["tax_rates"] = Json::array();
  line["type"] = details.is_null() ? "invoiceitem" : "subscription";
  line["amount_excluding_tax"] = At(line, "amount");
  Erase(line, {"parent", "pricing", "taxes", "pretax_credit_amounts", "subtotal", "quantity_decimal"});
}

void InvoiceBeforeBasil(Json& invoice) {
  const Json details = At(At(invoice, "parent"), "subscription_details");
  const Json legacy = invoice.contains("_legacy") ? invoice["_legacy"] : Json::object();
  invoice["subscription"] = At(details, "subscription");
  invoice["subscription_details"] = Json{{"metadata", At(details, "metadata")}};
  invoice["payment_intent"] = At(legacy, "payment_intent");
  invoice["charge"] = At(legacy, "charge");
  invoice["paid"] = Str(invoice, "status") == "paid";
  invoice["paid_out_of_band"] = false;
  invoice["discount"] = nullptr;
  invoice["quote"] = nullptr;
  invoice["tax"] = nullptr;
  invoice["total_tax_amounts"] = Json::array();
  invoice["application_fee_amount"] = nullptr;
  invoice["transfer_data"] = nullptr;
  Erase(invoice, {"parent", "total_taxes", "total_pretax_credit_amounts", "amount_overpaid", "customer_account"});
}

void BeforeBasil(Json& object, const std::string& kind) {
  if (kind == "subscription") {
    SubscriptionBeforeBasil(object);
  } else if (kind == "invoice") {
    InvoiceBeforeBasil(object);
  } else if (kind == "line_item") {
    LineBeforeBasil(object);
  } else if (kind == "payment_intent" || kind == "charge") {
    object["invoice"] = object.contains("_legacy") ? At(object["_legacy"], "invoice") : Json();
    object.erase("customer_account");
  } else if (kind == "credit_note") {
    object["refund"] = object.contains("_legacy") ? At(object["_legacy"], "refund") : Json();
    object["tax_amounts"] = Json::array();
    Erase(object, {"refunds", "total_taxes", "pretax_credit_amounts", "post_payment_amount", "pre_payment_amount",
                   "customer_account"});
  } else if (kind == "credit_note_line_item") {
    object["tax_amounts"] = Json::array();
    Erase(object, {"taxes", "pretax_credit_amounts", "metadata"});
  } else if (kind == "refund") {
    Erase(object, {"customer", "customer_account", "payment_method"});
  } else if (kind == "dispute") {
    Erase(object, {"enhanced_eligibility_types", "intended_submission_method"});
    object["evidence_details"].erase("enhanced_eligibility");
    object["evidence_details"].erase("submission_method");
  } else if (kind == "checkout.session") {
    if (Str(object, "ui_mode") == "hosted_page") object["ui_mode"] = "hosted";
    object["shipping_details"] = nullptr;
    Erase(object, {"allowed_payment_method_types", "customer_account", "integration_identifier", "managed_payments",
                   "origin_context", "permissions", "wallet_options"});
  } else if (kind == "customer" || kind == "payment_method") {
    object.erase("customer_account");
  }
}

}  // namespace

bool IsBeforeBasil(std::string_view version) { return version < kBasil; }

bool IsVersion(std::string_view version) {
  if (version.size() < 10) return false;
  for (size_t i = 0; i < 10; ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? version[i] != '-' : (version[i] < '0' || version[i] > '9')) return false;
  }
  if (version.size() == 10) return true;
  return version[10] == '.' && version.size() > 11 &&
         std::all_of(version.begin() + 11, version.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

void Render(Json& value, std::string_view version) {
  if (value.is_array()) {
    for (Json& element : value) Render(element, version);
    return;
  }
  if (!value.is_object()) return;
  const std::string kind = Str(value, "object");
  if (!kind.empty() && IsBeforeBasil(version)) BeforeBasil(value, kind);
  value.erase("_legacy");
  for (auto& [name, member] : value.items()) {
    if (member.is_structured()) Render(member, version);
  }
}

void RenderPrevious(Json& previous, const Json& object, std::string_view version) {
  if (!previous.is_object()) return;
  if (IsBeforeBasil(version) && previous.contains("items")) {
    // A copy: what is added to the hash moves its members.
    const Json items = At(previous["items"], "data");
    const Json& now = At(At(object, "items"), "data");
    if (items.is_array() && !items.empty()) {
      for (const char* name : {"current_period_start", "current_period_end"}) {
        const Json before = At(items[0], name);
        if (now.is_array() && !now.empty() && At(now[0], name) != before) previous[name] = before;
      }
    }
  }
  if (IsBeforeBasil(version) && Str(object, "object") == "invoice" && previous.contains("status")) {
    const bool was_paid = previous["status"] == "paid";
    if (was_paid != (Str(object, "status") == "paid")) previous["paid"] = was_paid;
  }
  previous.erase("_legacy");
  for (auto& [name, member] : previous.items()) {
    if (member.is_structured()) Render(member, version);
  }
}

Json PreviousAttributes(const Json& before, const Json& after) {
  Json previous = Json::object();
  for (const auto& [name, old_value] : before.items()) {
    const Json& new_value = At(after, name);
    if (after.contains(name) && new_value == old_value) continue;
    const bool both_hashes = old_value.is_object() && new_value.is_object() && Str(old_value, "object") != "list";
    previous[name] = both_hashes ? PreviousAttributes(old_value, new_value) : old_value;
  }
  for (const auto& [name, new_value] : after.items()) {
    if (!before.contains(name)) previous[name] = nullptr;
  }
  return previous;
}

}  // namespace stripesim
