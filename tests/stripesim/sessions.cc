// Checkout sessions: opening, reading, expiring.

#include <algorithm>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"
#include "tests/stripesim/options.h"

namespace stripesim {
namespace {

constexpr int64_t kMinLifeS = 30 * 60;
constexpr int64_t kMaxLifeS = 24 * 3600;
constexpr int64_t kMinQuantity = 1;
constexpr size_t kMaxLineItems = 100;

// Parameters that only make sense in some modes; Stripe refuses them elsewhere.
struct ModeRule {
  const char* param;
  const char* mode;
};

constexpr ModeRule kModeRules[] = {
    {"subscription_data", "subscription"},
    {"payment_intent_data", "payment"},
    {"invoice_creation", "payment"},
    {"setup_intent_data", "setup"},
};

void CheckModes(const Json& p, const std::string& mode) {
  for (const ModeRule& rule : kModeRules) {
    if (p.contains(rule.param) && mode != rule.mode) {
      throw Invalid("", rule.param, std::string("You can not pass `") + rule.param + "` in `" + mode + "` mode.");
    }
  }
  if (p.contains("customer_creation") && mode == "subscription") {
    throw Invalid("", "customer_creation", "`customer_creation` can only be used in `payment` and `setup` mode.");
  }
  if (p.contains("submit_type") && mode == "setup") {
    throw Invalid("", "submit_type", "You can not pass `submit_type` in `setup` mode.");
  }
}

void CheckUrls(const Json& p) {
  const std::string ui = Str(p, "ui_mode");
  const bool hosted = ui.empty() || ui == "hosted" || ui == "hosted_page";
  if (hosted && !Has(p, "success_url")) throw MissingParam("success_url");
  for (const char* name : {"success_url", "cancel_url", "return_url"}) {
    const std::string url = Str(p, name);
    if (url.empty()) continue;
    const bool good = url.starts_with("http://") || url.starts_with("https://");
    if (!good || url.find_first_of(" \r\n\t") != std::string::npos) {
      throw Invalid("url_invalid", name, "Not a valid URL");
    }
  }
}

void CheckExpiry(World& w, const Json& p) {
  if (!Has(p, "expires_at")) return;
  const int64_t expires_at = Int(p, "expires_at");
  if (expires_at < w.Now() + kMinLifeS) {
    throw Invalid("", "expires_at",
                  "The `expires_at` timestamp must be at least 30 minutes from "
                  "Checkout Session creation.");
  }
  if (expires_at > w.Now() + kMaxLifeS) {
    throw Invalid("", "expires_at",
                  "The `expires_at` timestamp must be less than 24 hours from "
                  "Checkout Session creation.");
  }
}

void CheckTrial(World& w, const Json& p) {
  const Json& data = At(p, "subscription_data");
  if (Has(data, "trial_period_days") && Has(data, "trial_end")) {
    throw Invalid("", "subscription_data[trial_end]",
                  "You may only specify one of these parameters: trial_end, trial_period_days.");
  }
  if (Has(data, "trial_period_days") && Int(data, "trial_period_days") < 1) {
    throw Invalid("parameter_invalid_integer", "subscription_data[trial_period_days]",
                  "This value must be greater than or equal to 1.");
  }
  if (Has(data, "trial_end") && Int(data, "trial_end") < w.Now() + 48 * 3600) {
    throw Invalid("", "subscription_data[trial_end]", "The `trial_end` date has to be at least 2 days in the future.");
  }
}

void CheckCustomer(World& w, const Json& p) {
  const std::string customer = Str(p, "customer");
  if (customer.empty()) return;
  if (Has(p, "customer_email")) {
    throw Invalid("", "customer_email", "You may only specify one of these parameters: customer, customer_email.");
  }
  if (Has(p, "customer_creation")) {
    throw Invalid("", "customer_creation",
                  "You may only specify one of these parameters: customer, customer_creation.");
  }
  Require(w, "customer", customer, "customer");
}

// One currency for all of a customer's subscriptions.
void CheckCurrencies(World& w, const Json& p, const Json& items, const std::string& mode) {
  std::string currency;
  for (const Json& item : items) {
    const std::string own = Str(item, "currency");
    if (!currency.empty() && own != currency) {
      throw Refused("All prices on a Checkout Session must use the same currency.", "line_items");
    }
    currency = own;
  }
  const Object* customer = w.store.Find("customer", Str(p, "customer"));
  const std::string fixed = customer == nullptr ? "" : Str(customer->json, "currency");
  if (mode == "subscription" && !fixed.empty() && fixed != currency) {
    throw Refused(
        "You cannot combine currencies on a single customer. This customer has an active "
        "subscription, subscription schedule, discount, quote, or invoice item with "
        "currency " +
        fixed);
  }
}

Json LineItem(World& w, const Json& wanted, const std::string& param, const std::string& mode) {
  std::string price_id = Str(wanted, "price");
  if (price_id.empty() == !Has(wanted, "price_data")) {
    throw Invalid("parameter_missing", param, "You must specify either `price` or `price_data` for each line item.");
  }
  if (price_id.empty()) {
    price_id = Str(CreateInlinePrice(w, wanted["price_data"], param + "[price_data]"), "id");
  }
  const Json& price = Require(w, "price", price_id, param + "[price]").json;
  if (!Bool(price, "active") && !Has(wanted, "price_data")) {
    throw Refused("The price specified is inactive. This field only accepts active prices.", param + "[price]");
  }
  if (mode == "payment" && Str(price, "type") == "recurring") {
    throw Refused(
        "You specified `payment` mode but passed a recurring price. Either switch to "
        "`subscription` mode or use only one-time prices.",
        "mode");
  }
  const bool metered = IsMetered(price);
  if (metered && Has(wanted, "quantity")) {
    throw Refused("Quantity should not be specified where usage_type is `metered`.", param + "[quantity]");
  }
  if (!metered && !Has(wanted, "quantity")) throw MissingParam(param + "[quantity]");
  // What was used is billed when its period ends.
  const int64_t quantity = metered ? 0 : Int(wanted, "quantity");
  if (!metered && quantity < kMinQuantity) {
    throw Invalid("parameter_invalid_integer", param + "[quantity]", "This value must be greater than or equal to 1.");
  }
  const int64_t total = Int(price, "unit_amount") * quantity;
  const Object* product = w.store.Find("product", Str(price, "product"));
  Json item = NewObject(w, "item");
  item["adjustable_quantity"] = Or(wanted, "adjustable_quantity", nullptr);
  item["amount_discount"] = 0;
  item["amount_subtotal"] = total;
  item["amount_tax"] = 0;
  item["amount_total"] = total;
  item["currency"] = Str(price, "currency");
  item["description"] = product == nullptr ? Json(nullptr) : At(product->json, "name");
  item["metadata"] = Or(wanted, "metadata", Json::object());
  item["price"] = price;
  item["quantity"] = metered ? Json(nullptr) : Json(quantity);
  return item;
}

Json BaseSession(World& w, const Json& p, const std::string& mode, const std::string& link) {
  const int64_t now = w.Now();
  Json session = NewObject(w, "checkout.session");
  const std::string id = Str(session, "id");
  session["adaptive_pricing"] = Json{{"enabled", false}};
  session["after_expiration"] = nullptr;
  session["allow_promotion_codes"] = Or(p, "allow_promotion_codes", nullptr);
  session["allowed_payment_method_types"] = Or(p, "allowed_payment_method_types", nullptr);
  session["amount_subtotal"] = nullptr;
  session["amount_total"] = nullptr;
  session["automatic_tax"] = Json{{"enabled", Bool(At(p, "automatic_tax"), "enabled")},
                                  {"liability", nullptr},
                                  {"provider", nullptr},
                                  {"status", nullptr}};
  session["billing_address_collection"] = Or(p, "billing_address_collection", nullptr);
  session["cancel_url"] = Or(p, "cancel_url", nullptr);
  session["client_reference_id"] = Or(p, "client_reference_id", nullptr);
  session["client_secret"] = nullptr;
  session["collected_information"] = nullptr;
  session["consent"] = nullptr;
  session["consent_collection"] = nullptr;
  session["created"] = now;
  session["currency"] = nullptr;
  session["currency_conversion"] = nullptr;
  session["custom_fields"] = Json::array();
  session["custom_text"] = Json{{"after_submit", nullptr},
                                {"shipping_address", nullptr},
                                {"submit", nullptr},
                                {"terms_of_service_acceptance", nullptr}};
  session["customer"] = Or(p, "customer", nullptr);
  session["customer_account"] = nullptr;
  session["customer_creation"] = mode == "payment" && !Has(p, "customer") ? Or(p, "customer_creation", "if_required")
                                 : mode == "subscription" && !Has(p, "customer") ? Json("always")
                                                                                 : Json(nullptr);
  session["customer_details"] = nullptr;
  session["customer_email"] = Or(p, "customer_email", nullptr);
  session["discounts"] = Json::array();
  session["expires_at"] = Int(p, "expires_at", now + kMaxLifeS);
  session["integration_identifier"] = Or(p, "integration_identifier", nullptr);
  session["invoice"] = nullptr;
  session["invoice_creation"] =
      mode != "payment" ? Json(nullptr)
                        : Or(p, "invoice_creation", Json{{"enabled", false}, {"invoice_data", Json::object()}});
  session["livemode"] = w.options.livemode;
  session["locale"] = Or(p, "locale", nullptr);
  session["managed_payments"] = Json{{"enabled", false}};
  session["metadata"] = Json::object();
  ApplyMetadata(session, p);
  session["mode"] = mode;
  session["origin_context"] = Or(p, "origin_context", nullptr);
  session["payment_intent"] = nullptr;
  session["payment_link"] = link.empty() ? Json(nullptr) : Json(link);
  session["payment_method_collection"] =
      mode == "subscription" ? Or(p, "payment_method_collection", "always") : Json("if_required");
  session["payment_method_configuration_details"] = nullptr;
  session["payment_method_options"] = Json{{"card", {{"request_three_d_secure", "automatic"}}}};
  session["payment_method_types"] = Json::array({"card"});
  session["payment_status"] = "unpaid";
  session["permissions"] = nullptr;
  session["phone_number_collection"] = Json{{"enabled", Bool(At(p, "phone_number_collection"), "enabled")}};
  session["recovered_from"] = nullptr;
  session["saved_payment_method_options"] = nullptr;
  session["setup_intent"] = nullptr;
  session["shipping_address_collection"] = nullptr;
  session["shipping_cost"] = nullptr;
  session["shipping_options"] = Json::array();
  session["status"] = "open";
  session["submit_type"] = Or(p, "submit_type", nullptr);
  session["subscription"] = nullptr;
  session["success_url"] = Or(p, "success_url", nullptr);
  session["total_details"] = Json{{"amount_discount", 0}, {"amount_shipping", 0}, {"amount_tax", 0}};
  session["ui_mode"] = "hosted_page";
  session["url"] = w.page_base_url + "/pay/" + id;
  session["wallet_options"] = nullptr;
  return session;
}

}  // namespace

Json MakeLineItems(World& w, const Json& params, const std::string& mode) {
  Json items = Json::array();
  bool recurring = false;
  if (params.is_array()) {
    if (params.size() > kMaxLineItems) {
      throw Invalid("", "line_items", "You can have at most 100 line items.");
    }
    for (size_t i = 0; i < params.size(); ++i) {
      items.push_back(LineItem(w, params[i], "line_items[" + std::to_string(i) + "]", mode));
      recurring = recurring || Str(At(items.back(), "price"), "type") == "recurring";
    }
  }
  if (mode != "setup" && items.empty()) throw MissingParam("line_items");
  if (mode == "subscription" && !recurring) {
    throw Refused(
        "You must provide at least one recurring price in `subscription` mode when using "
        "prices.",
        "line_items");
  }
  return items;
}

Object& OpenSession(World& w, const Json& params, Json line_items, const std::string& payment_link) {
  const std::string mode = Str(params, "mode");
  Json session = BaseSession(w, params, mode, payment_link);
  int64_t total = 0;
  for (const Json& item : line_items) {
    total += Int(item, "amount_total");
    session["currency"] = Str(item, "currency");
  }
  if (!line_items.empty()) {
    const Json& trial = At(params, "subscription_data");
    const bool free_now = Has(trial, "trial_period_days") || Has(trial, "trial_end");
    session["amount_subtotal"] = free_now ? 0 : total;
    session["amount_total"] = free_now ? 0 : total;
  }
  if (const Object* customer = w.store.Find("customer", Str(session, "customer"))) {
    session["customer_details"] = Json{{"address", nullptr},
                                       {"business_name", nullptr},
                                       {"email", At(customer->json, "email")},
                                       {"individual_name", nullptr},
                                       {"name", At(customer->json, "name")},
                                       {"phone", nullptr},
                                       {"tax_exempt", "none"},
                                       {"tax_ids", nullptr}};
  }
  Json priv = {{"line_items", std::move(line_items)},
               {"subscription_data", At(params, "subscription_data")},
               {"payment_intent_data", At(params, "payment_intent_data")},
               {"key", w.actor.key}};
  Object& object = w.store.Insert(std::move(session), std::move(priv));
  w.ledger.Count("sessions");
  w.ledger.NoteEffect(w.actor.key, "sessions");
  NoteSessionOpened(w, object);
  w.timers.Add(Int(object.json, "expires_at"), {Timer::Kind::kSessionExpiry, object.id});
  w.Effect(
      "created", object,
      {{"open_for_customer",
        w.open_sessions.contains(Str(object.json, "customer")) ? w.open_sessions[Str(object.json, "customer")] : 0}});
  return object;
}

Json CreateSession(Call& call) {
  World& w = call.w;
  const Json& p = call.p;
  const std::string mode = Str(p, "mode");
  CheckModes(p, mode);
  CheckUrls(p);
  CheckExpiry(w, p);
  CheckTrial(w, p);
  CheckCustomer(w, p);
  Json items = MakeLineItems(w, At(p, "line_items"), mode);
  CheckCurrencies(w, p, items, mode);
  return OpenSession(w, p, std::move(items), "").json;
}

Json GetSession(Call& call) { return Require(call.w, "checkout.session", call.ids[0]).json; }

Json UpdateSession(Call& call) {
  Object& session = Require(call.w, "checkout.session", call.ids[0]);
  ApplyMetadata(session.json, call.p);
  return session.json;
}

Json ListSessions(Call& call) {
  const std::string email = Str(At(call.p, "customer_details"), "email");
  return ListObjects(call, "checkout.session", "/v1/checkout/sessions",
                     {"subscription", "payment_intent", "customer", "payment_link", "status"},
                     [&](const Object& session) {
                       return email.empty() || Str(At(session.json, "customer_details"), "email") == email;
                     });
}

Json ExpireSession(Call& call) {
  Object& session = Require(call.w, "checkout.session", call.ids[0]);
  const std::string status = Str(session.json, "status");
  if (status != "open") {
    throw Refused(
        "Only Checkout Sessions with a status in [\"open\"] can be expired. This Session "
        "has a status of `" +
        status + "`.");
  }
  ExpireOpenSession(call.w, session);
  return session.json;
}

Json ListSessionLineItems(Call& call) {
  const Object& session = Require(call.w, "checkout.session", call.ids[0]);
  return Page(call, "/v1/checkout/sessions/" + session.id + "/line_items", At(session.priv, "line_items"));
}

}  // namespace stripesim
