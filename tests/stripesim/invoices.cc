#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {

Json GetInvoice(Call& call) { return Require(call.w, "invoice", call.ids[0]).json; }

Json ListInvoices(Call& call) {
  return ListObjects(call, "invoice", "/v1/invoices",
                     {"subscription=_subscription", "customer", "status", "collection_method"},
                     [&](const Object& invoice) {
                       return !Has(call.p, "due_date") || InRange(call.p["due_date"], Int(invoice.json, "due_date"));
                     });
}

Json ListInvoiceLines(Call& call) {
  const Object& invoice = Require(call.w, "invoice", call.ids[0]);
  return Page(call, "/v1/invoices/" + invoice.id + "/lines", At(At(invoice.json, "lines"), "data"));
}

Json PayInvoiceNow(Call& call) {
  World& w = call.w;
  Object& invoice = Require(w, "invoice", call.ids[0]);
  const std::string status = Str(invoice.json, "status");
  if (status == "paid") throw Refused("Invoice is already paid");
  if (status == "void" || status == "uncollectible") {
    throw Refused("Invoices with status " + status + " can't be paid.");
  }
  FinalizeInvoice(w, invoice);
  const std::string method = Str(call.p, "payment_method");
  if (!method.empty()) Require(w, "payment_method", method, "payment_method");
  const bool paid = method.empty() ? CollectInvoiceByDefault(w, invoice) : CollectInvoice(w, invoice, method, true);
  SubscriptionAfterInvoice(w, invoice, paid);
  if (!paid) {
    const Object* intent = w.store.Find("payment_intent", Str(invoice.json["_legacy"], "payment_intent"));
    const Json& error = intent == nullptr ? Json() : At(intent->json, "last_payment_error");
    throw CardDeclined(Str(error, "decline_code"), Str(error, "charge"));
  }
  return invoice.json;
}

Json VoidInvoice(Call& call) {
  Object& invoice = Require(call.w, "invoice", call.ids[0]);
  const std::string status = Str(invoice.json, "status");
  if (status != "open" && status != "uncollectible") {
    throw Refused("You can only void an open or uncollectible invoice; this one is " + status + ".");
  }
  MarkVoid(call.w, invoice);
  return invoice.json;
}

Json GetInvoicePayment(Call& call) { return Require(call.w, "invoice_payment", call.ids[0]).json; }

Json ListInvoicePayments(Call& call) {
  const std::string intent = Str(At(call.p, "payment"), "payment_intent");
  return ListObjects(call, "invoice_payment", "/v1/invoice_payments", {"invoice", "status"},
                     [&](const Object& payment) {
                       return intent.empty() || Str(At(payment.json, "payment"), "payment_intent") == intent;
                     });
}

}  // namespace stripesim
