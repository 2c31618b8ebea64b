// A checkout session being paid, or a card on it being declined.

#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

constexpr char kDefaultEmail[] = "payer@example.com";

void RequireOpen(const Object& session) {
  const std::string status = Str(session.json, "status");
  if (status == "open") return;
  throw Refused("This Checkout Session is no longer open; it is `" + status + "`.", "",
                status == "expired" ? "checkout_session_expired" : "checkout_session_complete");
}

// The customer who pays: the session's, or a new one where the mode needs one.
std::string PayingCustomer(World& w, Object& session, const PayerDetails& payer) {
  const std::string known = Str(session.json, "customer");
  const Object* customer = w.store.Find("customer", known);
  if (customer != nullptr && !customer->deleted) return known;
  const bool invoiced = Bool(At(session.json, "invoice_creation"), "enabled");
  const bool needed =
      Str(session.json, "mode") != "payment" || invoiced || Str(session.json, "customer_creation") == "always";
  if (!needed) return "";
  Json params = {{"email", payer.email}};
  if (!payer.name.empty()) params["name"] = payer.name;
  return NewCustomer(w, params).id;
}

Json TrialOf(const Json& data, int64_t now) {
  if (Has(data, "trial_end")) return Int(data, "trial_end");
  if (Has(data, "trial_period_days")) return now + Int(data, "trial_period_days") * kDay;
  return 0;
}

void PayForSubscription(World& w, Object& session, const Object& card) {
  const Json& data = At(session.priv, "subscription_data");
  NewSubscription order;
  order.customer = Str(session.json, "customer");
  order.default_payment_method = card.id;
  order.items = Json::array();
  for (const Json& line : At(session.priv, "line_items")) {
    if (Str(At(line, "price"), "type") != "recurring") continue;
    order.items.push_back({{"price", Str(At(line, "price"), "id")},
                           {"quantity", Int(line, "quantity", 1)},
                           {"metadata", At(line, "metadata")}});
  }
  order.metadata = At(data, "metadata").is_object() ? At(data, "metadata") : Json::object();
  order.description = At(data, "description");
  order.trial_end = TrialOf(data, w.Now()).get<int64_t>();
  order.trial_settings = At(data, "trial_settings");
  Object& sub = StartSubscription(w, order);
  session.json["subscription"] = sub.id;
  session.json["invoice"] = At(sub.json, "latest_invoice");
}

std::string PayOnce(World& w, Object& session, const Object& card) {
  const Json& data = At(session.priv, "payment_intent_data");
  if (Bool(At(session.json, "invoice_creation"), "enabled")) {
    Object& invoice = DraftSessionInvoice(w, session);
    invoice.priv["payment_intent_data"] = data;
    FinalizeInvoice(w, invoice);
    CollectInvoice(w, invoice, card.id, true);
    session.json["invoice"] = invoice.id;
    return Str(invoice.json["_legacy"], "payment_intent");
  }
  PaymentOrder order;
  order.customer = Str(session.json, "customer");
  order.amount = Int(session.json, "amount_total");
  order.currency = Str(session.json, "currency");
  order.payment_method = card.id;
  order.description = Str(data, "description");
  if (At(data, "metadata").is_object()) order.metadata = At(data, "metadata");
  // A declined try before this one left its intent behind: it's the one that is paid now.
  Object* intent = w.store.Find("payment_intent", Str(session.priv, "intent"));
  if (intent == nullptr) intent = &CreatePaymentIntent(w, order);
  AttemptPayment(w, *intent, order);
  return intent->id;
}

void FillDetails(World& w, Object& session, const PayerDetails& payer) {
  const Object* customer = w.store.Find("customer", Str(session.json, "customer"));
  std::string email = customer == nullptr ? "" : Str(customer->json, "email");
  if (email.empty()) email = payer.email;
  Json name = payer.name.empty() ? Json(nullptr) : Json(payer.name);
  if (customer != nullptr && Has(customer->json, "name")) name = customer->json["name"];
  session.json["customer_details"] = Json{{"address",
                                           {{"city", nullptr},
                                            {"country", "US"},
                                            {"line1", nullptr},
                                            {"line2", nullptr},
                                            {"postal_code", "94107"},
                                            {"state", nullptr}}},
                                          {"business_name", nullptr},
                                          {"email", email},
                                          {"individual_name", nullptr},
                                          {"name", std::move(name)},
                                          {"phone", nullptr},
                                          {"tax_exempt", "none"},
                                          {"tax_ids", Json::array()}};
}

void CountOnLink(World& w, const Object& session) {
  Object* link = w.store.Find("payment_link", Str(session.json, "payment_link"));
  if (link == nullptr || !Has(link->json, "restrictions")) return;
  Change change(w, *link);
  Json& completed = link->json["restrictions"]["completed_sessions"];
  completed["count"] = Int(completed, "count") + 1;
  if (Int(completed, "count") >= Int(completed, "limit")) link->json["active"] = false;
  change.Emit("payment_link.updated");
}

}  // namespace

void PaySession(World& w, Object& session, const PayerDetails& payer_in) {
  RequireOpen(session);
  PayerDetails payer = payer_in;
  if (payer.email.empty()) payer.email = Str(session.json, "customer_email");
  if (payer.email.empty()) payer.email = kDefaultEmail;
  const PaymentBehavior behavior = w.BehaviorOf(Str(session.json, "customer"));
  if (behavior.decline) {
    FailSession(w, session, behavior.decline_code);
    throw CardDeclined(behavior.decline_code, "");
  }
  const std::string customer = PayingCustomer(w, session, payer);
  session.json["customer"] = customer.empty() ? Json(nullptr) : Json(customer);
  Object& card = NewCard(w, "pm_card_visa", "payment_method");
  card.json["billing_details"]["email"] = payer.email;
  Attach(w, card, customer);
  const bool subscribes = Str(session.json, "mode") == "subscription";
  if (subscribes) {
    PayForSubscription(w, session, card);
  } else if (Str(session.json, "mode") == "payment") {
    session.json["payment_intent"] = PayOnce(w, session, card);
  }
  FillDetails(w, session, payer);
  session.json["payment_status"] = Int(session.json, "amount_total") == 0 ? "no_payment_required" : "paid";
  session.json["status"] = "complete";
  session.json["url"] = nullptr;
  NoteSessionClosed(w, session);
  w.store.Reindex(session);
  w.Effect("completed", session);
  w.Emit("checkout.session.completed", session);
  CountOnLink(w, session);
}

void FailSession(World& w, Object& session, const std::string& decline_code) {
  RequireOpen(session);
  PaymentOrder order;
  order.customer = Str(session.json, "customer");
  order.amount = Int(session.json, "amount_total");
  order.currency = Str(session.json, "currency");
  order.decline = true;
  order.decline_code = decline_code;
  const Json& metadata = At(At(session.priv, "payment_intent_data"), "metadata");
  if (metadata.is_object()) order.metadata = metadata;
  order.payment_method = NewCard(w, "pm_card_chargeDeclined", "payment_method").id;
  Object* intent = w.store.Find("payment_intent", Str(session.priv, "intent"));
  if (intent == nullptr) intent = &CreatePaymentIntent(w, order);
  session.priv["intent"] = intent->id;
  AttemptPayment(w, *intent, order);
}

}  // namespace stripesim
