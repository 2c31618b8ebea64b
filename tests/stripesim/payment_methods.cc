#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

// Stripe's test cards that matter for billing. `decline`: fails when charged.
struct TestCard {
  const char* name;  // pm_card_<name> and tok_<name>
  const char* brand;
  const char* last4;
  const char* decline;  // nullptr: good
};

constexpr TestCard kTestCards[] = {
    {"visa", "visa", "4242", nullptr},
    {"mastercard", "mastercard", "4444", nullptr},
    {"amex", "amex", "8431", nullptr},
    {"us", "visa", "4242", nullptr},
    {"chargeCustomerFail", "visa", "0341", "generic_decline"},
    {"chargeDeclined", "visa", "0002", "generic_decline"},
    {"visa_chargeDeclined", "visa", "0002", "generic_decline"},
    {"visa_chargeDeclinedInsufficientFunds", "visa", "9995", "insufficient_funds"},
    {"chargeDeclinedInsufficientFunds", "visa", "9995", "insufficient_funds"},
    {"chargeDeclinedExpiredCard", "visa", "0069", "expired_card"},
};

const TestCard* FindCard(const std::string& kind) {
  for (const TestCard& card : kTestCards) {
    if (kind == std::string("pm_card_") + card.name || kind == std::string("tok_") + card.name) {
      return &card;
    }
  }
  return nullptr;
}

Json BillingDetails() {
  return Json{{"address",
               {{"city", nullptr},
                {"country", nullptr},
                {"line1", nullptr},
                {"line2", nullptr},
                {"postal_code", nullptr},
                {"state", nullptr}}},
              {"email", nullptr},
              {"name", nullptr},
              {"phone", nullptr},
              {"tax_id", nullptr}};
}

}  // namespace

std::optional<std::string> CardDecline(World& w, const std::string& payment_method) {
  const Object* method = w.store.Find("payment_method", payment_method);
  if (method == nullptr || !Has(method->priv, "decline")) return std::nullopt;
  return Str(method->priv, "decline");
}

Object& NewCard(World& w, const std::string& test_kind, const std::string& param) {
  const TestCard* card = FindCard(test_kind);
  if (card == nullptr) throw ResourceMissing("PaymentMethod", test_kind, param);
  Json method = NewObject(w, "payment_method");
  method["allow_redisplay"] = "unspecified";
  method["billing_details"] = BillingDetails();
  method["card"] = Json{
      {"brand", card->brand},
      {"checks", {{"address_line1_check", nullptr}, {"address_postal_code_check", nullptr}, {"cvc_check", "pass"}}},
      {"country", "US"},
      {"display_brand", card->brand},
      {"exp_month", 12},
      {"exp_year", 2034},
      {"fingerprint", w.ids.Make("", 16)},
      {"funding", "credit"},
      {"generated_from", nullptr},
      {"last4", card->last4},
      {"networks", {{"available", Json::array({card->brand})}, {"preferred", nullptr}}},
      {"regulated_status", "unregulated"},
      {"three_d_secure_usage", {{"supported", true}}},
      {"wallet", nullptr}};
  method["created"] = w.Now();
  method["customer"] = nullptr;
  method["customer_account"] = nullptr;
  method["livemode"] = w.options.livemode;
  method["metadata"] = Json::object();
  method["type"] = "card";
  Json priv = Json::object();
  if (card->decline != nullptr) priv["decline"] = card->decline;
  return w.store.Insert(std::move(method), std::move(priv));
}

void Attach(World& w, Object& method, const std::string& customer) {
  if (customer.empty()) return;
  method.json["customer"] = customer;
  w.store.Reindex(method);
  w.Emit("payment_method.attached", method);
}

Json CreatePaymentMethod(Call& call) {
  if (Str(call.p, "type") != "card") {
    throw Refused("Only payment methods of type card exist here.", "type");
  }
  const Json& card = At(call.p, "card");
  std::string kind = Str(card, "token");
  // Any number is the good card: a real one must never be needed, nor kept.
  if (kind.empty()) kind = "tok_visa";
  Object& method = NewCard(call.w, kind, "card[token]");
  CopyParams(method.json["card"], card, {"exp_month", "exp_year"});
  CopyParams(method.json["billing_details"], At(call.p, "billing_details"), {"address", "email", "name", "phone"});
  CopyParams(method.json, call.p, {"allow_redisplay"});
  ApplyMetadata(method.json, call.p);
  return method.json;
}

Json GetPaymentMethod(Call& call) { return Require(call.w, "payment_method", call.ids[0]).json; }

Json UpdatePaymentMethod(Call& call) {
  Object& method = Require(call.w, "payment_method", call.ids[0]);
  if (!Has(method.json, "customer")) {
    throw Refused("You must save this PaymentMethod to a customer before you can update it.");
  }
  Change change(call.w, method);
  CopyParams(method.json["card"], At(call.p, "card"), {"exp_month", "exp_year"});
  CopyParams(method.json["billing_details"], At(call.p, "billing_details"), {"address", "email", "name", "phone"});
  CopyParams(method.json, call.p, {"allow_redisplay"});
  ApplyMetadata(method.json, call.p);
  change.Emit("payment_method.updated");
  return method.json;
}

Json ListPaymentMethods(Call& call) {
  if (const std::string customer = Str(call.p, "customer"); !customer.empty()) {
    Require(call.w, "customer", customer, "customer");
    return ListObjects(call, "payment_method", "/v1/payment_methods", {"customer", "type"});
  }
  return ListObjects(call, "payment_method", "/v1/payment_methods", {"type"});
}

Json AttachPaymentMethod(Call& call) {
  const std::string customer = Str(call.p, "customer");
  if (customer.empty()) throw MissingParam("customer");
  Require(call.w, "customer", customer, "customer");
  const std::string id = call.ids[0];
  if (id.starts_with("pm_card_")) {
    Object& card = NewCard(call.w, id, "id");
    Attach(call.w, card, customer);
    return card.json;
  }
  Object& method = Require(call.w, "payment_method", id);
  const std::string owner = Str(method.json, "customer");
  if (owner == customer) return method.json;
  if (!owner.empty()) {
    throw Refused("The payment method you provided has already been attached to a customer.", "payment_method",
                  "payment_method_unexpected_state");
  }
  Attach(call.w, method, customer);
  return method.json;
}

Json DetachPaymentMethod(Call& call) {
  World& w = call.w;
  Object& method = Require(w, "payment_method", call.ids[0]);
  const std::string owner = Str(method.json, "customer");
  if (owner.empty()) {
    throw Refused(
        "The payment method you provided is not attached to a customer so detachment is "
        "impossible.",
        "payment_method", "payment_method_unexpected_state");
  }
  if (Object* customer = w.store.Find("customer", owner)) {
    Change change(w, *customer);
    Json& settings = customer->json["invoice_settings"];
    if (Str(settings, "default_payment_method") == method.id) {
      settings["default_payment_method"] = nullptr;
    }
    change.Emit("customer.updated");
  }
  w.store.ForEach("subscription", "customer", owner, [&](Object& sub) {
    if (Str(sub.json, "default_payment_method") == method.id) {
      Change change(w, sub);
      sub.json["default_payment_method"] = nullptr;
      change.Emit("customer.subscription.updated");
    }
    return true;
  });
  Change change(w, method);
  method.json["customer"] = nullptr;
  change.Emit("payment_method.detached");
  return method.json;
}

}  // namespace stripesim
