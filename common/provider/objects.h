// What the provider tells us of its objects, in words that fit any provider (PRV-1). Plain values, read from events,
// answers and lists by the provider's own readers (Stripe: common/stripe/object_readers.h). Texts hold no NUL and valid
// UTF-8, ids have 1 to 255 bytes, times lie between the years 1970 and 9999: all of it can be stored as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace billmesh::provider {

// Keys of the metadata that we give to a checkout session and to the subscription it makes (CHK-5). They only confirm
// what we have stored ourselves (WHK-4).
inline constexpr std::string_view kMetadataOperationKey = "billmesh_operation_key";
inline constexpr std::string_view kMetadataEntityId = "billmesh_entity_id";
inline constexpr std::string_view kMetadataEnv = "billmesh_env";
inline constexpr std::string_view kMetadataPlanCode = "billmesh_plan_code";
inline constexpr std::string_view kMetadataPlanVersion = "billmesh_plan_version";
// Of what is bought once: the catalog's code of it (PRT-2).
inline constexpr std::string_view kMetadataItemCode = "billmesh_item_code";

// Those metadata as an object carries them back; each is absent where the object doesn't have it.
struct Correlation {
  std::optional<std::string> operation_key;
  std::optional<std::string> entity_id;
  std::optional<std::string> env;
  std::optional<std::string> plan_code;
  std::optional<std::string> plan_version;
  std::optional<std::string> item_code;
  friend bool operator==(const Correlation&, const Correlation&) = default;
};

struct CheckoutSession {
  std::string id;
  std::string mode;                // subscription, payment, setup, or a word that we don't know
  std::string status;              // open, complete, expired, or a word that we don't know
  std::string payment_status;      // paid, unpaid, no_payment_required, or a word that we don't know
  std::optional<std::string> url;  // only while it is open
  std::optional<std::string> customer_id;
  std::optional<std::string> subscription_id;
  std::optional<std::string> invoice_id;
  std::optional<std::string> payment_link_id;
  absl::Time created_at;
  absl::Time expires_at;
  bool livemode = false;
  Correlation correlation;
};

struct SubscriptionItem {
  std::string id;
  std::string price_id;
  std::optional<int64_t> quantity;  // absent for metered prices
  // Of the item itself, or the subscription's where only that has one (the shape before 2025).
  std::optional<absl::Time> period_start;
  std::optional<absl::Time> period_end;
};

struct Subscription {
  std::string id;
  std::string status;  // the provider's word
  std::optional<std::string> customer_id;
  std::optional<std::string> latest_invoice_id;
  bool cancel_at_period_end = false;
  bool collection_paused = false;
  absl::Time created_at;
  std::optional<absl::Time> cancel_at;
  std::optional<absl::Time> canceled_at;
  std::optional<absl::Time> ended_at;
  std::optional<absl::Time> trial_start;
  std::optional<absl::Time> trial_end;
  std::vector<SubscriptionItem> items;
  // False when the object shows only the first page of its items: those missing may still exist.
  bool items_complete = true;
  bool livemode = false;
  Correlation correlation;
};

struct Invoice {
  std::string id;
  std::string status;  // draft, open, paid, uncollectible, void, or a word that we don't know
  std::optional<std::string> customer_id;
  // From the top level (before 2025) or from the parent; absent for a one-off.
  std::optional<std::string> subscription_id;
  std::optional<std::string> number;
  std::string currency;  // ISO 4217, lower case
  int64_t total_minor = 0;
  int64_t amount_due_minor = 0;
  int64_t amount_paid_minor = 0;
  int64_t amount_remaining_minor = 0;
  int32_t attempt_count = 0;
  std::optional<std::string> billing_reason;
  std::optional<absl::Time> period_start;
  std::optional<absl::Time> period_end;
  std::optional<std::string> hosted_url;
  absl::Time created_at;
  bool livemode = false;
  // The invoice's own metadata, and what its subscription's had when it was made.
  Correlation correlation;
};

// A customer. One that was deleted is all but its id: nothing else of it is known any more.
struct Customer {
  std::string id;
  bool deleted = false;
  // What new invoices are charged to by default; absent where it is none, or nothing that we keep (a legacy source).
  std::optional<std::string> default_payment_method_id;
  std::optional<bool> livemode;  // absent when deleted
  Correlation correlation;
};

// How a customer can pay (PRT-5). Nothing here can hold a card number (PRT-6): words begin with a letter and have at
// most 40 characters, last4 has exactly 4.
struct PaymentMethod {
  std::string id;
  std::optional<std::string> customer_id;  // absent: attached to nobody, or not any more
  std::string type;                        // card, sepa_debit, link, …
  std::optional<std::string> brand;        // lower case
  std::optional<std::string> last4;
  std::optional<int32_t> exp_month;  // 1 to 12; both or neither
  std::optional<int32_t> exp_year;
  std::optional<std::string> wallet;  // apple_pay, google_pay, …
  absl::Time created_at;
  bool livemode = false;
};

// What a buyer pays once, however often it is tried.
struct Payment {
  std::string id;
  std::string status;  // the provider's word
  std::string currency;
  int64_t amount_minor = 0;
  std::optional<std::string> customer_id;
  std::optional<std::string> invoice_id;    // before 2025 only; since then see InvoicePayment
  std::optional<std::string> failure_code;  // why the last try failed; a word, no free text
  std::optional<std::string> latest_charge_id;  // the last try; none before the first, and in shapes before 2022-11-15
  absl::Time created_at;
  std::optional<absl::Time> canceled_at;
  bool livemode = false;
  Correlation correlation;
};

// One try to take a payment's money.
struct Charge {
  std::string id;
  // The payment that it is a try of; of old ones without a payment, the charge's own id.
  std::string payment_id;
  std::string status;  // pending, succeeded, failed, or a word that we don't know
  std::string currency;
  int64_t amount_minor = 0;
  int64_t amount_refunded_minor = 0;
  std::optional<std::string> customer_id;
  std::optional<std::string> invoice_id;  // before 2025 only
  std::optional<std::string> failure_code;
  absl::Time created_at;
  bool livemode = false;
  Correlation correlation;
};

struct Refund {
  std::string id;
  // The payment that is given back; of old ones without a payment, the charge's id.
  std::string payment_id;
  std::string status;  // pending, requires_action, succeeded, failed, canceled, or a word that we don't know
  std::string currency;
  int64_t amount_minor = 0;
  std::optional<std::string> failure_code;
  absl::Time created_at;
  Correlation correlation;
};

// A payer's bank takes the money back, or asks about it.
struct Dispute {
  std::string id;
  // The payment that is disputed; of old ones without a payment, the charge's id.
  std::string payment_id;
  std::string status;  // the provider's word
  std::string currency;
  int64_t amount_minor = 0;
  std::optional<std::string> cause;  // the provider's word
  absl::Time created_at;
  bool livemode = false;
};

// Lowers what an invoice asks for.
struct CreditNote {
  std::string id;
  std::string invoice_id;
  std::optional<std::string> customer_id;
  std::string status;  // issued, void, or a word that we don't know
  std::string currency;
  int64_t total_minor = 0;
  std::optional<std::string> number;
  absl::Time created_at;
  std::optional<absl::Time> voided_at;
  bool livemode = false;
};

// Which payment pays which invoice (since 2025).
struct InvoicePayment {
  std::string id;
  std::string invoice_id;
  // Absent where the invoice was paid by something that we don't keep (out of band).
  std::optional<std::string> payment_id;
  std::string status;  // open, paid, canceled, or a word that we don't know
  bool livemode = false;
};

// An object of a kind that we read, whatever brought it.
using Object = std::variant<std::monostate, CheckoutSession, Subscription, Invoice, Customer, PaymentMethod, Payment,
                            Charge, Refund, Dispute, CreditNote, InvoicePayment>;

// Something that happened, told by the provider.
struct Event {
  std::string id;    // 1 to 255 visible ASCII characters
  std::string type;  // likewise
  std::optional<std::string> api_version;
  absl::Time created_at;  // the provider's time, whole seconds
  bool livemode = false;
  // A notification without the object: what it is about must be fetched.
  bool thin = false;
  // Set when it happened in another account that is connected to ours.
  std::optional<std::string> account;
  // The key of the request that caused it, if one did.
  std::optional<std::string> idempotency_key;
  // What it is about. The id is absent for objects without one.
  std::string object_kind;
  std::optional<std::string> object_id;
  // The object's customer; of one that has just lost it, the customer that it had.
  std::optional<std::string> customer_id;
  // The object, where its kind is one that we read.
  Object object;
  // Why the object of a kind that we read could not be; the event itself is sound. Names fields, never values.
  std::string object_error;
};

}  // namespace billmesh::provider
