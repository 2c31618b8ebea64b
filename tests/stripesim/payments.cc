// Payment intents and charges.

#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

Json LastPaymentError(const std::string& charge, const std::string& decline_code, const Json& card) {
  return Json{{"charge", charge},
              {"code", "card_declined"},
              {"decline_code", decline_code},
              {"doc_url", "https://stripe.com/docs/error-codes/card-declined"},
              {"message", "Your card was declined."},
              {"payment_method", card},
              {"type", "card_error"}};
}

Json Outcome(bool good, const std::string& decline_code) {
  return Json{
      {"advice_code", nullptr},
      {"network_advice_code", nullptr},
      {"network_decline_code", good ? Json(nullptr) : Json("01")},
      {"network_status", good ? "approved_by_network" : "declined_by_network"},
      {"reason", good ? Json(nullptr) : Json(decline_code)},
      {"risk_level", "normal"},
      {"seller_message", good ? "Payment complete." : "The bank did not return any further details with this decline."},
      {"type", good ? "authorized" : "issuer_declined"}};
}

Json CardDetails(const Json& method) {
  const Json& card = At(method, "card");
  return Json{{"card",
               {{"amount_authorized", nullptr},
                {"brand", At(card, "brand")},
                {"checks", At(card, "checks")},
                {"country", "US"},
                {"exp_month", At(card, "exp_month")},
                {"exp_year", At(card, "exp_year")},
                {"fingerprint", At(card, "fingerprint")},
                {"funding", "credit"},
                {"installments", nullptr},
                {"last4", At(card, "last4")},
                {"mandate", nullptr},
                {"network", At(card, "brand")},
                {"three_d_secure", nullptr},
                {"wallet", nullptr}}},
              {"type", "card"}};
}

Object& MakeCharge(World& w, Object& intent, const PaymentOrder& order, bool good) {
  const Object* method = w.store.Find("payment_method", order.payment_method);
  const Json card = method == nullptr ? Json() : method->json;
  Json charge = NewObject(w, "charge");
  charge["amount"] = order.amount;
  charge["amount_captured"] = good ? order.amount : 0;
  charge["amount_refunded"] = 0;
  charge["application"] = nullptr;
  charge["application_fee"] = nullptr;
  charge["application_fee_amount"] = nullptr;
  charge["balance_transaction"] = good ? Json(w.ids.Make("txn_3", 23)) : Json(nullptr);
  charge["billing_details"] = At(card, "billing_details");
  charge["calculated_statement_descriptor"] = "STRIPESIM";
  charge["captured"] = good;
  charge["created"] = w.Now();
  charge["currency"] = order.currency;
  charge["customer"] = order.customer.empty() ? Json(nullptr) : Json(order.customer);
  charge["description"] = order.description.empty() ? Json(nullptr) : Json(order.description);
  charge["disputed"] = false;
  charge["failure_balance_transaction"] = nullptr;
  charge["failure_code"] = good ? Json(nullptr) : Json("card_declined");
  charge["failure_message"] = good ? Json(nullptr) : Json("Your card was declined.");
  charge["fraud_details"] = Json::object();
  charge["livemode"] = w.options.livemode;
  charge["metadata"] = At(intent.json, "metadata");
  charge["on_behalf_of"] = nullptr;
  charge["outcome"] = Outcome(good, order.decline_code);
  charge["paid"] = good;
  charge["payment_intent"] = intent.id;
  charge["payment_method"] = order.payment_method;
  charge["payment_method_details"] = CardDetails(card);
  charge["receipt_email"] = nullptr;
  charge["receipt_number"] = nullptr;
  charge["receipt_url"] = nullptr;
  charge["refunded"] = false;
  charge["review"] = nullptr;
  charge["shipping"] = nullptr;
  charge["source"] = nullptr;
  charge["source_transfer"] = nullptr;
  charge["statement_descriptor"] = nullptr;
  charge["statement_descriptor_suffix"] = nullptr;
  charge["status"] = good ? "succeeded" : "failed";
  charge["transfer_data"] = nullptr;
  charge["transfer_group"] = nullptr;
  charge["_legacy"] = Json{{"invoice", order.invoice.empty() ? Json(nullptr) : Json(order.invoice)}};
  return w.store.Insert(std::move(charge));
}

}  // namespace

Object& CreatePaymentIntent(World& w, const PaymentOrder& order) {
  Json intent = NewObject(w, "payment_intent");
  const std::string id = Str(intent, "id");
  intent["allowed_payment_method_types"] = nullptr;
  intent["amount"] = order.amount;
  intent["amount_capturable"] = 0;
  intent["amount_details"] = Json{{"tip", Json::object()}};
  intent["amount_received"] = 0;
  intent["application"] = nullptr;
  intent["application_fee_amount"] = nullptr;
  intent["automatic_payment_methods"] = nullptr;
  intent["canceled_at"] = nullptr;
  intent["cancellation_reason"] = nullptr;
  intent["capture_method"] = "automatic";
  intent["client_secret"] = w.ids.Make(id + "_secret_", 25);
  intent["confirmation_method"] = "automatic";
  intent["created"] = w.Now();
  intent["currency"] = order.currency;
  intent["customer"] = order.customer.empty() ? Json(nullptr) : Json(order.customer);
  intent["customer_account"] = nullptr;
  intent["description"] = order.description.empty() ? Json(nullptr) : Json(order.description);
  intent["excluded_payment_method_types"] = nullptr;
  intent["last_payment_error"] = nullptr;
  intent["latest_charge"] = nullptr;
  intent["livemode"] = w.options.livemode;
  intent["managed_payments"] = nullptr;
  intent["metadata"] = order.metadata;
  intent["next_action"] = nullptr;
  intent["on_behalf_of"] = nullptr;
  intent["payment_method"] = nullptr;
  intent["payment_method_configuration_details"] = nullptr;
  intent["payment_method_options"] = Json{{"card", {{"request_three_d_secure", "automatic"}}}};
  intent["payment_method_types"] = Json::array({"card"});
  intent["payment_record"] = nullptr;
  intent["processing"] = nullptr;
  intent["receipt_email"] = nullptr;
  intent["review"] = nullptr;
  intent["setup_future_usage"] = order.invoice.empty() ? Json(nullptr) : Json("off_session");
  intent["shipping"] = nullptr;
  intent["source"] = nullptr;
  intent["statement_descriptor"] = nullptr;
  intent["statement_descriptor_suffix"] = nullptr;
  intent["status"] = "requires_payment_method";
  intent["transfer_data"] = nullptr;
  intent["transfer_group"] = nullptr;
  intent["_legacy"] = Json{{"invoice", order.invoice.empty() ? Json(nullptr) : Json(order.invoice)}};
  Object& object = w.store.Insert(std::move(intent));
  w.Emit("payment_intent.created", object);
  return object;
}

bool AttemptPayment(World& w, Object& intent, const PaymentOrder& order) {
  PaymentOrder attempt = order;
  const auto decline = CardDecline(w, order.payment_method);
  if (decline && !order.decline) {
    attempt.decline = true;
    attempt.decline_code = *decline;
  }
  const bool good = !attempt.decline && !attempt.payment_method.empty();
  Object& charge = MakeCharge(w, intent, attempt, good);
  intent.json["latest_charge"] = charge.id;
  if (good) {
    intent.json["amount_received"] = order.amount;
    intent.json["last_payment_error"] = nullptr;
    intent.json["payment_method"] = order.payment_method;
    intent.json["status"] = "succeeded";
    w.ledger.Count("charges");
    w.ledger.NoteEffect(w.actor.key, "charges");
    w.Effect("charged", charge, {{"invoice", At(charge.json["_legacy"], "invoice")}});
    w.Emit("charge.succeeded", charge);
    w.Emit("payment_intent.succeeded", intent);
  } else {
    const Object* method = w.store.Find("payment_method", order.payment_method);
    intent.json["last_payment_error"] =
        LastPaymentError(charge.id, attempt.decline_code, method == nullptr ? Json() : method->json);
    intent.json["status"] = "requires_payment_method";
    w.ledger.Count("declined_charges");
    w.Effect("declined", charge);
    w.Emit("charge.failed", charge);
    w.Emit("payment_intent.payment_failed", intent);
  }
  return good;
}

Json GetPaymentIntent(Call& call) { return Require(call.w, "payment_intent", call.ids[0]).json; }

Json ListPaymentIntents(Call& call) { return ListObjects(call, "payment_intent", "/v1/payment_intents", {"customer"}); }

Json GetCharge(Call& call) { return Require(call.w, "charge", call.ids[0]).json; }

Json ListCharges(Call& call) { return ListObjects(call, "charge", "/v1/charges", {"customer", "payment_intent"}); }

}  // namespace stripesim
