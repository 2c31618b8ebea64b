#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

void CheckEmail(const Json& params) {
  const std::string email = Str(params, "email");
  if (email.empty()) return;
  const size_t at = email.find('@');
  if (at == std::string::npos || at == 0 || email.find('@', at + 1) != std::string::npos || at + 1 == email.size() ||
      email.find(' ') != std::string::npos) {
    throw Invalid("email_invalid", "email", "Invalid email address: " + email);
  }
}

void ApplyInvoiceSettings(World& w, Json& customer, const Json& params) {
  if (!params.contains("invoice_settings")) return;
  const Json& in = params["invoice_settings"];
  if (const std::string method = Str(in, "default_payment_method"); !method.empty()) {
    const Object& found = Require(w, "payment_method", method, "invoice_settings[default_payment_method]");
    if (Str(found.json, "customer") != Str(customer, "id")) {
      throw Refused("The customer does not have a payment method with the ID " + method +
                        ". The payment method must be attached to the customer.",
                    "invoice_settings[default_payment_method]", "resource_missing");
    }
  }
  CopyParams(customer["invoice_settings"], in,
             {"custom_fields", "default_payment_method", "footer", "rendering_options"});
}

}  // namespace

Object& NewCustomer(World& w, const Json& params) {
  Json customer = NewObject(w, "customer");
  customer["address"] = Or(params, "address", nullptr);
  customer["balance"] = Int(params, "balance", 0);
  customer["created"] = w.Now();
  customer["currency"] = nullptr;
  customer["customer_account"] = nullptr;
  customer["default_source"] = nullptr;
  customer["delinquent"] = false;
  customer["description"] = Or(params, "description", nullptr);
  customer["discount"] = nullptr;
  customer["email"] = Or(params, "email", nullptr);
  customer["invoice_prefix"] =
      Has(params, "invoice_prefix") ? Json(Str(params, "invoice_prefix")) : Json(w.ids.Make("", 8));
  customer["invoice_settings"] = Json{{"custom_fields", nullptr},
                                      {"default_payment_method", nullptr},
                                      {"footer", nullptr},
                                      {"rendering_options", nullptr}};
  customer["livemode"] = w.options.livemode;
  customer["metadata"] = Json::object();
  ApplyMetadata(customer, params);
  customer["name"] = Or(params, "name", nullptr);
  customer["next_invoice_sequence"] = Int(params, "next_invoice_sequence", 1);
  customer["phone"] = Or(params, "phone", nullptr);
  customer["preferred_locales"] = Or(params, "preferred_locales", Json::array());
  customer["shipping"] = nullptr;
  customer["tax_exempt"] = Has(params, "tax_exempt") ? Str(params, "tax_exempt") : "none";
  customer["test_clock"] = nullptr;
  Object& object = w.store.Insert(std::move(customer));
  w.ledger.Count("customers");
  w.ledger.NoteEffect(w.actor.key, "customers");
  w.Effect("created", object);
  w.Emit("customer.created", object);
  return object;
}

Json CreateCustomer(Call& call) {
  CheckEmail(call.p);
  Object& customer = NewCustomer(call.w, call.p);
  if (const std::string method = Str(call.p, "payment_method"); !method.empty()) {
    Object& found = method.starts_with("pm_card_") ? NewCard(call.w, method, "payment_method")
                                                   : Require(call.w, "payment_method", method, "payment_method");
    Attach(call.w, found, customer.id);
  }
  ApplyInvoiceSettings(call.w, customer.json, call.p);
  return customer.json;
}

Json GetCustomer(Call& call) {
  const Object* customer = call.w.store.Find("customer", call.ids[0]);
  if (customer == nullptr) throw ResourceMissing("customer", call.ids[0]);
  return customer->deleted ? DeletedStub(*customer) : customer->json;
}

Json UpdateCustomer(Call& call) {
  Object& customer = Require(call.w, "customer", call.ids[0]);
  CheckEmail(call.p);
  Change change(call.w, customer);
  CopyParams(customer.json, call.p,
             {"address", "balance", "default_source", "description", "email", "name", "next_invoice_sequence",
              "invoice_prefix", "phone", "preferred_locales", "shipping", "tax_exempt"});
  ApplyMetadata(customer.json, call.p);
  ApplyInvoiceSettings(call.w, customer.json, call.p);
  change.Emit("customer.updated");
  return customer.json;
}

Json ListCustomers(Call& call) { return ListObjects(call, "customer", "/v1/customers", {"email"}); }

Json DeleteCustomer(Call& call) {
  World& w = call.w;
  Object& customer = Require(w, "customer", call.ids[0]);
  std::vector<Object*> running;
  w.store.ForEach("subscription", "customer", customer.id, [&](Object& sub) {
    const std::string status = Str(sub.json, "status");
    if (status != "canceled" && status != "incomplete_expired") running.push_back(&sub);
    return true;
  });
  for (Object* sub : running) EndSubscription(w, *sub, "cancellation_requested");
  std::vector<Object*> open;
  w.store.ForEach("checkout.session", "customer", customer.id, [&](Object& session) {
    if (Str(session.json, "status") == "open") open.push_back(&session);
    return true;
  });
  for (Object* session : open) ExpireOpenSession(w, *session);
  customer.deleted = true;
  w.Effect("deleted", customer);
  w.Emit("customer.deleted", customer);
  return DeletedStub(customer);
}

Json ListCustomerPaymentMethods(Call& call) {
  Require(call.w, "customer", call.ids[0], "customer");
  const std::string type = Str(call.p, "type");
  Json params = call.p;
  params["customer"] = call.ids[0];
  Call inner{call.w, params, call.ids, call.version};
  return ListObjects(inner, "payment_method", "/v1/customers/" + call.ids[0] + "/payment_methods",
                     {"customer", "type"});
}

Json GetCustomerPaymentMethod(Call& call) {
  Require(call.w, "customer", call.ids[0], "customer");
  Object& method = Require(call.w, "payment_method", call.ids[1]);
  if (Str(method.json, "customer") != call.ids[0]) {
    throw ResourceMissing("PaymentMethod", call.ids[1]);
  }
  return method.json;
}

}  // namespace stripesim
