// Invoices being paid, or not.

#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

// Days until the next try after the first, second, … failure; then the subscription's final status.
constexpr int64_t kRetryDays[] = {3, 5, 7};

// The invoice's payment: the intent and the invoice payment between them, made on first use.
Object& OpenPayment(World& w, Object& invoice, PaymentOrder* order) {
  order->customer = Str(invoice.json, "customer");
  order->amount = Int(invoice.json, "amount_due");
  order->currency = Str(invoice.json, "currency");
  order->invoice = invoice.id;
  const std::string reason = Str(invoice.json, "billing_reason");
  order->description = reason == "subscription_create" ? "Subscription creation"
                       : reason == "manual"            ? "Payment for Invoice"
                                                       : "Subscription update";
  // Of a one-off: what its session was given for the payment.
  const Json& data = At(invoice.priv, "payment_intent_data");
  if (Has(data, "description")) order->description = Str(data, "description");
  if (At(data, "metadata").is_object()) order->metadata = At(data, "metadata");
  if (Object* intent = w.store.Find("payment_intent", Str(invoice.json["_legacy"], "payment_intent"))) {
    // A credit note may have made it less.
    intent->json["amount"] = order->amount;
    w.store.ForEach("invoice_payment", "invoice", invoice.id, [&](Object& payment) {
      if (Str(payment.json, "status") == "open") payment.json["amount_requested"] = order->amount;
      return true;
    });
    return *intent;
  }
  Object& intent = CreatePaymentIntent(w, *order);
  invoice.json["_legacy"]["payment_intent"] = intent.id;
  Json payment = NewObject(w, "invoice_payment");
  payment["amount_paid"] = nullptr;
  payment["amount_requested"] = order->amount;
  payment["created"] = w.Now();
  payment["currency"] = order->currency;
  payment["invoice"] = invoice.id;
  payment["is_default"] = true;
  payment["livemode"] = w.options.livemode;
  payment["payment"] = Json{{"payment_intent", intent.id}, {"type", "payment_intent"}};
  payment["status"] = "open";
  payment["status_transitions"] = Json{{"canceled_at", nullptr}, {"paid_at", nullptr}};
  w.store.Insert(std::move(payment));
  return intent;
}

void MarkPaid(World& w, Object& invoice) {
  const int64_t amount = Int(invoice.json, "amount_due");
  Change change(w, invoice);
  invoice.json["amount_paid"] = amount;
  invoice.json["amount_remaining"] = 0;
  invoice.json["attempted"] = true;
  invoice.json["next_payment_attempt"] = nullptr;
  invoice.json["status"] = "paid";
  invoice.json["status_transitions"]["paid_at"] = w.Now();
  w.Effect("paid", invoice,
           {{"subscription", Str(At(At(invoice.json, "parent"), "subscription_details"), "subscription")}});
  change.Emit("invoice.updated");
  w.Emit("invoice.paid", invoice);
  w.Emit("invoice.payment_succeeded", invoice);
  if (amount == 0) return;
  w.store.ForEach("invoice_payment", "invoice", invoice.id, [&](Object& payment) {
    if (Str(payment.json, "status") != "open") return true;
    payment.json["amount_paid"] = amount;
    payment.json["status"] = "paid";
    payment.json["status_transitions"]["paid_at"] = w.Now();
    w.Emit("invoice_payment.paid", payment);
    return false;
  });
}

void MarkFailed(World& w, Object& invoice) {
  Change change(w, invoice);
  const int64_t failures = Int(invoice.json, "attempt_count");
  const bool renewal = Str(invoice.json, "billing_reason") == "subscription_cycle";
  const size_t index = static_cast<size_t>(std::max<int64_t>(1, failures)) - 1;
  invoice.json["attempted"] = true;
  invoice.json["next_payment_attempt"] = nullptr;
  if (renewal && index < std::size(kRetryDays)) {
    const int64_t next = w.Now() + kRetryDays[index] * kDay;
    invoice.json["next_payment_attempt"] = next;
    w.timers.Add(next, {Timer::Kind::kInvoiceRetry, invoice.id});
  }
  change.Emit("invoice.updated");
  w.Emit("invoice.payment_failed", invoice);
}

void SetStatus(World& w, Object& sub, const std::string& status) {
  if (Str(sub.json, "status") == status) return;
  Change change(w, sub);
  sub.json["status"] = status;
  change.Emit("customer.subscription.updated");
}

}  // namespace

bool CollectInvoice(World& w, Object& invoice, const std::string& payment_method, bool attempt) {
  if (Int(invoice.json, "amount_due") == 0) {
    CancelInvoicePayment(w, invoice, "automatic");
    MarkPaid(w, invoice);
    return true;
  }
  PaymentOrder order;
  order.payment_method = payment_method;
  Object& intent = OpenPayment(w, invoice, &order);
  if (!attempt) return false;
  const PaymentBehavior behavior = w.BehaviorOf(order.customer);
  order.decline = behavior.decline;
  order.decline_code = behavior.decline_code;
  const bool good = AttemptPayment(w, intent, order);
  invoice.json["attempt_count"] = Int(invoice.json, "attempt_count") + 1;
  if (good) {
    invoice.json["_legacy"]["charge"] = Str(intent.json, "latest_charge");
    MarkPaid(w, invoice);
  } else {
    MarkFailed(w, invoice);
  }
  return good;
}

bool CollectInvoiceByDefault(World& w, Object& invoice) {
  const std::string id = Str(At(At(invoice.json, "parent"), "subscription_details"), "subscription");
  const Object* sub = w.store.Find("subscription", id);
  return CollectInvoice(w, invoice, sub == nullptr ? "" : DefaultMethod(w, *sub), true);
}

void SubscriptionAfterInvoice(World& w, Object& invoice, bool paid) {
  Object* sub =
      w.store.Find("subscription", Str(At(At(invoice.json, "parent"), "subscription_details"), "subscription"));
  if (sub == nullptr || Str(sub->json, "latest_invoice") != invoice.id) return;
  const std::string status = Str(sub->json, "status");
  if (status == "canceled" || status == "incomplete_expired" || status == "trialing") return;
  if (paid) {
    SetStatus(w, *sub, status == "paused" ? "paused" : "active");
    return;
  }
  // An unpaid first invoice leaves it incomplete; an unpaid update changes nothing yet.
  if (Str(invoice.json, "billing_reason") != "subscription_cycle") return;
  if (status == "active") SetStatus(w, *sub, "past_due");
  if (Has(invoice.json, "next_payment_attempt")) return;
  const std::string final_status = w.BehaviorOf(Str(sub->json, "customer")).final_status;
  if (final_status == "canceled") {
    EndSubscription(w, *sub, "payment_failed");
  } else {
    SetStatus(w, *sub, final_status);
  }
}

}  // namespace stripesim
