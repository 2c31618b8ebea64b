// Invoices: drafting and finalizing (collecting.cc has them paid).

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

std::string Money(int64_t amount, const std::string& currency) {
  char text[48];
  std::snprintf(text, sizeof text, "%s%lld.%02lld", currency == "usd" ? "$" : "", static_cast<long long>(amount / 100),
                static_cast<long long>(amount % 100));
  return currency == "usd" ? text : text + (" " + currency);
}

std::string ProductName(World& w, const Json& price) {
  const Object* product = w.store.Find("product", Str(price, "product"));
  return product == nullptr ? "Product" : Str(product->json, "name");
}

struct LineInput {
  Json price;
  int64_t quantity = 1;
  int64_t amount = 0;
  std::string description;
  std::string subscription;  // empty: an invoice of a payment
  std::string item;
  bool proration = false;
  int64_t period_start = 0;
  int64_t period_end = 0;
  Json metadata = Json::object();
};

Json MakeLine(World& w, const std::string& invoice, const LineInput& in) {
  Json line = NewObject(w, "line_item");
  line["amount"] = in.amount;
  line["currency"] = Str(in.price, "currency");
  line["description"] = in.description;
  line["discount_amounts"] = Json::array();
  line["discountable"] = !in.proration;
  line["discounts"] = Json::array();
  line["invoice"] = invoice;
  line["livemode"] = w.options.livemode;
  line["metadata"] = in.metadata;
  if (in.subscription.empty()) {
    line["parent"] = nullptr;
  } else {
    line["parent"] = Json{{"invoice_item_details", nullptr},
                          {"subscription_item_details",
                           {{"invoice_item", nullptr},
                            {"proration", in.proration},
                            {"proration_details", {{"credited_items", nullptr}}},
                            {"subscription", in.subscription},
                            {"subscription_item", in.item}}},
                          {"type", "subscription_item_details"}};
  }
  line["period"] = Json{{"end", in.period_end}, {"start", in.period_start}};
  line["pretax_credit_amounts"] = Json::array();
  line["pricing"] = Json{{"price_details", {{"price", Str(in.price, "id")}, {"product", Str(in.price, "product")}}},
                         {"type", "price_details"},
                         {"unit_amount_decimal", At(in.price, "unit_amount_decimal")}};
  line["quantity"] = in.quantity;
  line["quantity_decimal"] = std::to_string(in.quantity);
  line["subscription"] = in.subscription.empty() ? Json(nullptr) : Json(in.subscription);
  line["subtotal"] = in.amount;
  line["taxes"] = Json::array();
  line["_legacy"] = Json{{"price", in.price}, {"plan", PlanOf(in.price)}};
  return line;
}

struct InvoiceInput {
  std::string customer;
  std::string currency;
  std::string reason;
  std::string collection_method = "charge_automatically";
  Json days_until_due;
  Json parent;
  Json metadata = Json::object();
  int64_t period_start = 0;
  int64_t period_end = 0;
};

void FillCustomer(World& w, Json& invoice, const std::string& id) {
  const Object* customer = w.store.Find("customer", id);
  const Json& json = customer == nullptr ? Json::object() : customer->json;
  invoice["customer_address"] = At(json, "address");
  invoice["customer_email"] = At(json, "email");
  invoice["customer_name"] = At(json, "name");
  invoice["customer_phone"] = At(json, "phone");
  invoice["customer_shipping"] = nullptr;
  invoice["customer_tax_exempt"] = "none";
  invoice["customer_tax_ids"] = Json::array();
}

Json BaseInvoice(World& w, const InvoiceInput& in) {
  Json invoice = NewObject(w, "invoice");
  invoice["account_country"] = "US";
  invoice["account_name"] = "stripesim";
  invoice["account_tax_ids"] = nullptr;
  for (const char* name : {"amount_due", "amount_overpaid", "amount_paid", "amount_remaining", "amount_shipping"}) {
    invoice[name] = 0;
  }
  invoice["application"] = nullptr;
  invoice["attempt_count"] = 0;
  invoice["attempted"] = false;
  invoice["auto_advance"] = true;
  invoice["automatic_tax"] = Json{{"disabled_reason", nullptr},
                                  {"enabled", false},
                                  {"liability", nullptr},
                                  {"provider", nullptr},
                                  {"status", nullptr}};
  invoice["automatically_finalizes_at"] = nullptr;
  invoice["billing_reason"] = in.reason;
  invoice["collection_method"] = in.collection_method;
  invoice["created"] = w.Now();
  invoice["currency"] = in.currency;
  invoice["custom_fields"] = nullptr;
  invoice["customer"] = in.customer.empty() ? Json(nullptr) : Json(in.customer);
  invoice["customer_account"] = nullptr;
  FillCustomer(w, invoice, in.customer);
  invoice["default_payment_method"] = nullptr;
  invoice["default_source"] = nullptr;
  invoice["default_tax_rates"] = Json::array();
  invoice["description"] = nullptr;
  invoice["discounts"] = Json::array();
  invoice["due_date"] =
      in.days_until_due.is_null() ? Json(nullptr) : Json(w.Now() + in.days_until_due.get<int64_t>() * kDay);
  invoice["effective_at"] = nullptr;
  invoice["ending_balance"] = nullptr;
  invoice["footer"] = nullptr;
  invoice["from_invoice"] = nullptr;
  invoice["hosted_invoice_url"] = nullptr;
  invoice["invoice_pdf"] = nullptr;
  invoice["issuer"] = Json{{"type", "self"}};
  invoice["last_finalization_error"] = nullptr;
  invoice["latest_revision"] = nullptr;
  invoice["lines"] = EmptyList("/v1/invoices/" + Str(invoice, "id") + "/lines");
  invoice["livemode"] = w.options.livemode;
  invoice["metadata"] = in.metadata;
  invoice["next_payment_attempt"] = nullptr;
  invoice["number"] = nullptr;
  invoice["on_behalf_of"] = nullptr;
  invoice["parent"] = in.parent;
  invoice["payment_settings"] =
      Json{{"default_mandate", nullptr}, {"payment_method_options", nullptr}, {"payment_method_types", nullptr}};
  invoice["period_end"] = in.period_end;
  invoice["period_start"] = in.period_start;
  invoice["post_payment_credit_notes_amount"] = 0;
  invoice["pre_payment_credit_notes_amount"] = 0;
  invoice["receipt_number"] = nullptr;
  invoice["rendering"] = nullptr;
  invoice["shipping_cost"] = nullptr;
  invoice["shipping_details"] = nullptr;
  invoice["starting_balance"] = 0;
  invoice["statement_descriptor"] = nullptr;
  invoice["status"] = "draft";
  invoice["status_transitions"] = Json{
      {"finalized_at", nullptr}, {"marked_uncollectible_at", nullptr}, {"paid_at", nullptr}, {"voided_at", nullptr}};
  invoice["subtotal"] = 0;
  invoice["subtotal_excluding_tax"] = 0;
  invoice["test_clock"] = nullptr;
  invoice["total"] = 0;
  invoice["total_discount_amounts"] = Json::array();
  invoice["total_excluding_tax"] = 0;
  invoice["total_pretax_credit_amounts"] = Json::array();
  invoice["total_taxes"] = Json::array();
  invoice["webhooks_delivered_at"] = nullptr;
  invoice["_legacy"] = Json{{"payment_intent", nullptr}, {"charge", nullptr}};
  return invoice;
}

void SetLines(Json& invoice, Json lines) {
  int64_t total = 0;
  for (const Json& line : lines) total += Int(line, "amount");
  const int64_t count = static_cast<int64_t>(lines.size());
  invoice["lines"]["data"] = std::move(lines);
  invoice["lines"]["total_count"] = count;
  for (const char* name : {"subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"}) {
    invoice[name] = total;
  }
  invoice["amount_due"] = std::max<int64_t>(0, total);
  invoice["amount_remaining"] = std::max<int64_t>(0, total);
}

Json SubscriptionLines(World& w, Object& sub, const std::string& invoice, const std::string& reason, bool amount_zero) {
  Json lines = Json::array();
  if (sub.priv.contains("pending")) {
    for (const Json& pending : sub.priv["pending"]) {
      LineInput in;
      in.price = At(pending, "price");
      in.quantity = Int(pending, "quantity", 1);
      in.amount = Int(pending, "amount");
      in.description = Str(pending, "description");
      in.subscription = sub.id;
      in.item = Str(pending, "item");
      in.proration = true;
      in.period_start = Int(pending, "start");
      in.period_end = Int(pending, "end");
      in.metadata = sub.json["metadata"];
      lines.push_back(MakeLine(w, invoice, in));
    }
    sub.priv.erase("pending");
  }
  if (reason == "subscription_update") return lines;
  for (const Json& item : sub.json["items"]["data"]) {
    const Json& price = At(item, "price");
    // A renewal bills the items whose period begins now; others run on.
    if (reason == "subscription_cycle" && Int(item, "current_period_start") != w.Now()) continue;
    LineInput in;
    in.price = price;
    // A metered price is billed for what was used; usage isn't simulated.
    in.quantity = IsMetered(price) ? 0 : Int(item, "quantity", 1);
    in.amount = amount_zero ? 0 : Int(price, "unit_amount") * in.quantity;
    in.description = amount_zero ? "Trial period for " + ProductName(w, price)
                                 : std::to_string(in.quantity) + " × " + ProductName(w, price) + " (at " +
                                       Money(Int(price, "unit_amount"), Str(price, "currency")) + " / " +
                                       Str(At(price, "recurring"), "interval") + ")";
    in.subscription = sub.id;
    in.item = Str(item, "id");
    in.period_start = Int(item, "current_period_start");
    in.period_end = Int(item, "current_period_end");
    in.metadata = sub.json["metadata"];
    lines.push_back(MakeLine(w, invoice, in));
  }
  return lines;
}

}  // namespace

Object& DraftInvoice(World& w, Object& sub, const std::string& reason, bool amount_zero) {
  InvoiceInput in;
  in.customer = Str(sub.json, "customer");
  in.currency = Str(sub.json, "currency");
  in.reason = reason;
  in.collection_method = Str(sub.json, "collection_method");
  in.days_until_due = At(sub.json, "days_until_due");
  in.parent = Json{{"quote_details", nullptr},
                   {"subscription_details", {{"metadata", At(sub.json, "metadata")}, {"subscription", sub.id}}},
                   {"type", "subscription_details"}};
  in.period_end = w.Now();
  in.period_start = Int(sub.priv, "last_period_start", w.Now());
  Json invoice = BaseInvoice(w, in);
  SetLines(invoice, SubscriptionLines(w, sub, Str(invoice, "id"), reason, amount_zero));
  Object& object = w.store.Insert(std::move(invoice));
  w.Emit("invoice.created", object);
  return object;
}

Object& DraftSessionInvoice(World& w, const Object& session) {
  const Json& data = At(At(session.json, "invoice_creation"), "invoice_data");
  InvoiceInput in;
  in.customer = Str(session.json, "customer");
  in.currency = Str(session.json, "currency");
  in.reason = "manual";
  in.metadata = At(data, "metadata").is_object() ? At(data, "metadata") : Json::object();
  in.period_end = w.Now();
  in.period_start = w.Now();
  Json invoice = BaseInvoice(w, in);
  Json lines = Json::array();
  for (const Json& item : At(session.priv, "line_items")) {
    LineInput line;
    line.price = At(item, "price");
    line.quantity = Int(item, "quantity", 1);
    line.amount = Int(item, "amount_total");
    line.description = Str(item, "description");
    line.period_start = w.Now();
    line.period_end = w.Now();
    lines.push_back(MakeLine(w, Str(invoice, "id"), line));
  }
  SetLines(invoice, std::move(lines));
  Object& object = w.store.Insert(std::move(invoice));
  w.Emit("invoice.created", object);
  return object;
}

void FinalizeInvoice(World& w, Object& invoice) {
  if (Str(invoice.json, "status") != "draft") return;
  std::string number = w.ids.Make("", 8) + "-0001";
  if (Object* customer = w.store.Find("customer", Str(invoice.json, "customer"))) {
    const int64_t sequence = Int(customer->json, "next_invoice_sequence", 1);
    char text[32];
    std::snprintf(text, sizeof text, "-%04lld", static_cast<long long>(sequence));
    number = Str(customer->json, "invoice_prefix") + text;
    customer->json["next_invoice_sequence"] = sequence + 1;
  }
  const std::string url = w.page_base_url + "/invoice/" + invoice.id;
  invoice.json["number"] = number;
  invoice.json["status"] = "open";
  invoice.json["effective_at"] = w.Now();
  invoice.json["ending_balance"] = 0;
  invoice.json["hosted_invoice_url"] = url;
  invoice.json["invoice_pdf"] = url + "/pdf";
  invoice.json["status_transitions"]["finalized_at"] = w.Now();
  invoice.json["automatically_finalizes_at"] = nullptr;
  w.Emit("invoice.finalized", invoice);
}

std::string DefaultMethod(World& w, const Object& sub) {
  const std::string own = Str(sub.json, "default_payment_method");
  if (!own.empty()) return own;
  const Object* customer = w.store.Find("customer", Str(sub.json, "customer"));
  if (customer == nullptr) return "";
  return Str(At(customer->json, "invoice_settings"), "default_payment_method");
}

void CancelInvoicePayment(World& w, Object& invoice, const std::string& reason) {
  Object* intent = w.store.Find("payment_intent", Str(invoice.json["_legacy"], "payment_intent"));
  if (intent == nullptr || Str(intent->json, "status") == "succeeded" || Str(intent->json, "status") == "canceled") {
    return;
  }
  w.store.ForEach("invoice_payment", "invoice", invoice.id, [&](Object& payment) {
    if (Str(payment.json, "status") != "open") return true;
    payment.json["status"] = "canceled";
    payment.json["status_transitions"]["canceled_at"] = w.Now();
    return true;
  });
  intent->json["status"] = "canceled";
  intent->json["canceled_at"] = w.Now();
  intent->json["cancellation_reason"] = reason;
  w.Emit("payment_intent.canceled", *intent);
}

void MarkVoid(World& w, Object& invoice) {
  CancelInvoicePayment(w, invoice, "void_invoice");
  Change change(w, invoice);
  invoice.json["status"] = "void";
  invoice.json["next_payment_attempt"] = nullptr;
  invoice.json["status_transitions"]["voided_at"] = w.Now();
  change.Emit("invoice.voided");
}

}  // namespace stripesim
