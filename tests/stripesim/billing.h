#pragma once

// The engine beneath the endpoints: what paying, renewing, failing, cancelling and expiring do to
// the objects, and the events that Stripe sends with it.

#include <optional>
#include <string>

#include "tests/stripesim/world.h"

namespace stripesim {

// --- payments.cc
struct PaymentOrder {
  std::string customer;  // may be empty
  int64_t amount = 0;
  std::string currency;
  std::string payment_method;  // may be empty: then it can't succeed
  std::string invoice;         // may be empty
  std::string description;
  Json metadata = Json::object();
  bool decline = false;
  std::string decline_code = "generic_decline";
};

// Makes a payment intent for the order (payment_intent.created), not attempted yet.
Object& CreatePaymentIntent(World& w, const PaymentOrder& order);
// Tries to charge it: charge.succeeded + payment_intent.succeeded, or charge.failed +
// payment_intent.payment_failed. Returns whether it succeeded.
bool AttemptPayment(World& w, Object& intent, const PaymentOrder& order);
// Cancels the intent of an invoice that needs no payment any more (payment_intent.canceled), where there is one that
// isn't paid.
void CancelInvoicePayment(World& w, Object& invoice, const std::string& reason);
// Whether the method is one of the test cards that fail when charged, and with which code.
std::optional<std::string> CardDecline(World& w, const std::string& payment_method);

// --- refunds.cc
// Gives back `amount` of the charge: refund.created, charge.refunded. `params` may hold metadata and a reason. Throws
// ApiError for more than is left of it.
Object& MakeRefund(World& w, Object& charge, int64_t amount, const Json& params);
// What the bank says of it later: `status` is succeeded (of a pending one) or failed (with a reason; the charge has the
// amount back). Throws ApiError for anything else.
void SettleRefund(World& w, Object& refund, const std::string& status, const std::string& failure_reason);

// --- disputes.cc
// A dispute of a charge, or an inquiry that may become one: charge.dispute.created, and funds_withdrawn unless it's an
// inquiry. `reason` empty: fraudulent.
Object& OpenDispute(World& w, const std::string& charge_id, const std::string& reason, bool inquiry);
// To another status, with the events that go with it. Throws ApiError where it can't follow the present one.
void MoveDispute(World& w, Object& dispute, const std::string& status);

// --- invoicing.cc
// A draft invoice over the subscription's items (and its pending prorations), invoice.created.
// `amount_zero`: as at the start of a trial.
Object& DraftInvoice(World& w, Object& sub, const std::string& reason, bool amount_zero);
// An invoice over a payment-mode session's lines.
Object& DraftSessionInvoice(World& w, const Object& session);
// draft → open, invoice.finalized.
void FinalizeInvoice(World& w, Object& invoice);
// Opens its payment and attempts it: paid (invoice.paid, invoice_payment.paid, …) or
// invoice.payment_failed with the next attempt scheduled. `attempt` false: only opens the payment
// (incomplete subscriptions that wait for a card). Returns whether it is paid.
bool CollectInvoice(World& w, Object& invoice, const std::string& payment_method, bool attempt);
// Collects with whatever method the subscription or customer has as default.
bool CollectInvoiceByDefault(World& w, Object& invoice);
void MarkVoid(World& w, Object& invoice);
// The card that pays for this subscription; empty where there is none.
std::string DefaultMethod(World& w, const Object& sub);

// --- subscribe.cc
struct NewSubscription {
  std::string customer;
  std::string default_payment_method;  // may be empty
  Json items;                          // [{"price":id,"quantity":n,"metadata":{}}]
  Json metadata = Json::object();
  Json description;                  // null or text
  int64_t trial_end = 0;             // 0: no trial
  int64_t billing_cycle_anchor = 0;  // 0: now (or the trial's end)
  Json days_until_due;               // null, or what collection_method=send_invoice needs
  Json trial_settings;               // null: create_invoice
  bool attempt = true;               // false: leave the first invoice open, status incomplete
};
// Creates it with its first invoice and collects that: customer.subscription.created, the
// invoice's events, customer.subscription.updated where the payment made it active.
Object& StartSubscription(World& w, const NewSubscription& order);
// An item as it stands in a subscription.
Json MakeItem(World& w, const std::string& subscription, const Json& price, int64_t quantity, const Json& metadata,
              int64_t period_start, int64_t period_end);
// The end of the period that starts at `start`, on the grid of `anchor`.
int64_t PeriodEnd(const Json& price, int64_t anchor, int64_t start);
// The earliest end of its items' periods.
int64_t CurrentPeriodEnd(const Json& sub);

// --- lifecycle.cc
// Timers of a subscription's present period, trial and cancellation.
void ScheduleSubscription(World& w, const Object& sub);
// Ends it: canceled, customer.subscription.deleted.
void EndSubscription(World& w, Object& sub, const std::string& reason);
// Follows what happened to an invoice: past_due, active again, unpaid, canceled.
void SubscriptionAfterInvoice(World& w, Object& invoice, bool paid);
// Open → expired, checkout.session.expired.
void ExpireOpenSession(World& w, Object& session);
// Runs everything due until the clock's present time, each at its own time.
void RunDueTimers(World& w);

// --- subscriptions.cc
// A subscription that's over can only have details added to it: throws ApiError.
void RefuseIfOver(const Object& sub);

// --- session_payment.cc
struct PayerDetails {
  std::string email;
  std::string name;
};
// Completes an open session as a payer with a good card would. Throws ApiError where it isn't open.
void PaySession(World& w, Object& session, const PayerDetails& payer);
// One declined card: the session stays open.
void FailSession(World& w, Object& session, const std::string& decline_code);

// Counts for the oracle: subscription-mode sessions open now.
void NoteSessionOpened(World& w, Object& session);
void NoteSessionClosed(World& w, Object& session);

}  // namespace stripesim
