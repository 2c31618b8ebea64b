// Credit notes: an invoice made smaller, before it is paid or after.

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

std::string NumberOf(World& w, const Object& invoice) {
  int64_t earlier = 0;
  w.store.ForEach("credit_note", "invoice", invoice.id, [&](Object&) { return ++earlier > 0; });
  char text[32];
  std::snprintf(text, sizeof text, "-CN-%02lld", static_cast<long long>(earlier + 1));
  return Str(invoice.json, "number") + text;
}

Json CustomLine(World& w, int64_t amount) {
  Json line = NewObject(w, "credit_note_line_item");
  line["amount"] = amount;
  line["description"] = "Credit";
  line["discount_amount"] = 0;
  line["discount_amounts"] = Json::array();
  line["livemode"] = w.options.livemode;
  line["metadata"] = Json::object();
  line["pretax_credit_amounts"] = Json::array();
  line["quantity"] = 1;
  line["tax_rates"] = Json::array();
  line["taxes"] = Json::array();
  line["type"] = "custom_line_item";
  line["unit_amount"] = amount;
  line["unit_amount_decimal"] = std::to_string(amount);
  return line;
}

Json BaseNote(World& w, const Object& invoice, int64_t amount, const Json& params) {
  const bool paid = Str(invoice.json, "status") == "paid";
  Json note = NewObject(w, "credit_note");
  const std::string id = Str(note, "id");
  note["amount"] = amount;
  note["amount_shipping"] = 0;
  note["created"] = w.Now();
  note["currency"] = At(invoice.json, "currency");
  note["customer"] = At(invoice.json, "customer");
  note["customer_account"] = nullptr;
  note["customer_balance_transaction"] =
      Int(params, "credit_amount") > 0 ? Json(w.ids.Make("cbtxn_1", 23)) : Json(nullptr);
  note["discount_amount"] = 0;
  note["discount_amounts"] = Json::array();
  note["effective_at"] = Int(params, "effective_at", w.Now());
  note["invoice"] = invoice.id;
  note["lines"] = MakeList("/v1/credit_notes/" + id + "/lines", Json::array({CustomLine(w, amount)}));
  note["livemode"] = w.options.livemode;
  note["memo"] = Or(params, "memo", nullptr);
  note["metadata"] = Json::object();
  ApplyMetadata(note, params);
  note["number"] = NumberOf(w, invoice);
  note["out_of_band_amount"] = Or(params, "out_of_band_amount", nullptr);
  note["pdf"] = w.page_base_url + "/credit_note/" + id + "/pdf";
  note["post_payment_amount"] = paid ? amount : 0;
  note["pre_payment_amount"] = paid ? 0 : amount;
  note["pretax_credit_amounts"] = Json::array();
  note["reason"] = Or(params, "reason", nullptr);
  note["refunds"] = Json::array();
  note["shipping_cost"] = nullptr;
  note["status"] = "issued";
  for (const char* name : {"subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"}) note[name] = amount;
  note["total_taxes"] = Json::array();
  note["type"] = paid ? "post_payment" : "pre_payment";
  note["voided_at"] = nullptr;
  note["_legacy"] = Json{{"refund", nullptr}};
  return note;
}

// What was paid goes somewhere: back to the card, to the customer's balance, or outside of Stripe.
void CheckAllocation(const Json& params, int64_t amount) {
  const int64_t allocated =
      Int(params, "refund_amount") + Int(params, "credit_amount") + Int(params, "out_of_band_amount");
  if (allocated == amount) return;
  throw Refused("The sum of credit amount, refund amount and out of band amount (" + std::to_string(allocated) +
                ") must equal the post payment credit note amount (" + std::to_string(amount) + ").");
}

void RefundOf(World& w, const Object& invoice, Json& note, int64_t amount) {
  Object& charge = Require(w, "charge", Str(invoice.json["_legacy"], "charge"), "invoice");
  const Object& refund = MakeRefund(w, charge, amount, Json::object());
  note["refunds"].push_back(
      {{"amount_refunded", amount}, {"payment_record_refund", nullptr}, {"refund", refund.id}, {"type", "refund"}});
  note["_legacy"]["refund"] = refund.id;
}

// Credits `amount` (negative: takes it back) on an invoice that isn't paid yet.
void Reduce(World& w, Object& invoice, int64_t amount) {
  Change change(w, invoice);
  invoice.json["pre_payment_credit_notes_amount"] = Int(invoice.json, "pre_payment_credit_notes_amount") + amount;
  for (const char* name : {"amount_due", "amount_remaining"}) {
    invoice.json[name] = Int(invoice.json, name) - amount;
  }
  change.Emit("invoice.updated");
}

}  // namespace

Json CreateCreditNote(Call& call) {
  World& w = call.w;
  Object& invoice = Require(w, "invoice", Str(call.p, "invoice"), "invoice");
  const std::string status = Str(invoice.json, "status");
  const bool paid = status == "paid";
  if (!paid && status != "open") {
    throw Refused("You can only create credit notes for open or paid invoices; this one is " + status + ".");
  }
  if (!Has(call.p, "amount")) throw Refused("Only credit notes of an amount exist here.", "amount");
  const int64_t amount = Int(call.p, "amount");
  const int64_t left = paid ? Int(invoice.json, "total") - Int(invoice.json, "post_payment_credit_notes_amount") -
                                  Int(invoice.json, "pre_payment_credit_notes_amount")
                            : Int(invoice.json, "amount_remaining");
  if (amount < 1 || amount > left) {
    throw Refused("The amount must be between 1 and what is left to credit (" + std::to_string(left) + ").", "amount");
  }
  if (paid) CheckAllocation(call.p, amount);
  Json note = BaseNote(w, invoice, amount, call.p);
  if (const int64_t refund = Int(call.p, "refund_amount"); paid && refund > 0) RefundOf(w, invoice, note, refund);
  Object& object = w.store.Insert(std::move(note));
  w.Effect("created", object);
  w.Emit("credit_note.created", object);
  if (!paid) {
    Reduce(w, invoice, amount);
    // Nothing is left to pay.
    if (Int(invoice.json, "amount_due") == 0) {
      SubscriptionAfterInvoice(w, invoice, CollectInvoiceByDefault(w, invoice));
    }
    return object.json;
  }
  Change change(w, invoice);
  invoice.json["post_payment_credit_notes_amount"] = Int(invoice.json, "post_payment_credit_notes_amount") + amount;
  change.Emit("invoice.updated");
  return object.json;
}

Json GetCreditNote(Call& call) { return Require(call.w, "credit_note", call.ids[0]).json; }

Json UpdateCreditNote(Call& call) {
  Object& note = Require(call.w, "credit_note", call.ids[0]);
  Change change(call.w, note);
  CopyParams(note.json, call.p, {"memo"});
  ApplyMetadata(note.json, call.p);
  change.Emit("credit_note.updated");
  return note.json;
}

Json ListCreditNotes(Call& call) {
  return ListObjects(call, "credit_note", "/v1/credit_notes", {"customer", "invoice"});
}

Json ListCreditNoteLines(Call& call) {
  const Object& note = Require(call.w, "credit_note", call.ids[0]);
  return Page(call, "/v1/credit_notes/" + note.id + "/lines", At(At(note.json, "lines"), "data"));
}

Json VoidCreditNote(Call& call) {
  World& w = call.w;
  Object& note = Require(w, "credit_note", call.ids[0]);
  Object& invoice = Require(w, "invoice", Str(note.json, "invoice"), "invoice");
  if (Str(note.json, "status") == "void") throw Refused("This credit note is void already.");
  if (Str(invoice.json, "status") != "open") {
    throw Refused("Only a credit note of an open invoice can be voided.");
  }
  Change change(w, note);
  note.json["status"] = "void";
  note.json["voided_at"] = w.Now();
  w.Effect("updated", note);
  change.Emit("credit_note.voided");
  Reduce(w, invoice, -Int(note.json, "amount"));
  return note.json;
}

}  // namespace stripesim
