// How a provider writes requests and objects down (PRV-1). Checkout says what it wants in these
// words; the format turns that into the parameters that are frozen, and turns answers back. Pure:
// no I/O, no clock; the same spec always gives the same bytes. Thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/provider/objects.h"

namespace billmesh::provider {

// Correlation that the provider keeps with an object and gives back.
using ObjectMetadata = std::map<std::string, std::string>;

// The key of the metadata by which a subscription tells the last change of ours that it took: the change's own value,
// beside what says who bought it (CHK-5), which stays.
inline constexpr char kMetadataChange[] = "billmesh_change";

// The purposes of a FrozenCall, stored in provider_steps.purpose.
inline constexpr char kCreateCustomer[] = "create_customer";
inline constexpr char kCreateCheckoutSession[] = "create_checkout_session";
inline constexpr char kExpireCheckoutSession[] = "expire_checkout_session";
inline constexpr char kCreatePortalSession[] = "create_portal_session";
inline constexpr char kCreatePaymentLink[] = "create_payment_link";
inline constexpr char kUpdateSubscription[] = "update_subscription";
inline constexpr char kCancelSubscription[] = "cancel_subscription";
// Only reads: a step that asks what is there before the next one is decided. There is no call to send for it.
inline constexpr char kReadSubscription[] = "read_subscription";

// The kinds of PaymentProvider::Retrieve and List, and of EventSource::ReadObject (all but payment links).
inline constexpr char kCustomerKind[] = "customer";
inline constexpr char kCheckoutSessionKind[] = "checkout_session";
inline constexpr char kSubscriptionKind[] = "subscription";
inline constexpr char kPaymentLinkKind[] = "payment_link";
inline constexpr char kInvoiceKind[] = "invoice";
inline constexpr char kPaymentKind[] = "payment";
inline constexpr char kChargeKind[] = "charge";
inline constexpr char kRefundKind[] = "refund";
inline constexpr char kDisputeKind[] = "dispute";
inline constexpr char kCreditNoteKind[] = "credit_note";
inline constexpr char kInvoicePaymentKind[] = "invoice_payment";
inline constexpr char kPaymentMethodKind[] = "payment_method";

// Canonical JSON to freeze, and the name of its schema ("stripe.customer.v1").
struct EncodedParams {
  std::string json;
  std::string schema;
};

struct CustomerSpec {
  std::string name;  // may be empty; left out where the provider has no room for it
  ObjectMetadata metadata;
};

struct LineItem {
  std::string price_id;             // the provider's
  std::optional<int64_t> quantity;  // none for metered prices
};

// A hosted checkout that ends in a subscription.
struct CheckoutSessionSpec {
  std::string customer_id;  // the provider's
  std::vector<LineItem> items;
  std::string success_url;
  std::string cancel_url;
  absl::Time expires_at;    // whole seconds
  std::string reference;    // ours, shown beside the session in the provider's console
  ObjectMetadata metadata;  // put on the session and on the subscription that it makes
  int64_t trial_days = 0;
  bool automatic_tax = false;
  bool allow_promotion_codes = false;
};

// A page where the buyer manages the subscription and the payment methods. It lives for minutes, carries no metadata
// and can't be found again: whoever needs it once more makes another.
struct PortalSessionSpec {
  std::string customer_id;  // the provider's
  std::string return_url;
};

// One line of a payment link: a price that the provider has, or an amount of its own.
struct OneOffLine {
  std::string price_id;  // empty: the three below
  std::string name;      // what the buyer sees
  std::string currency;  // ISO 4217, lower case
  int64_t unit_amount_minor = 0;
  int64_t quantity = 1;
};

// A page where something is bought once. An invoice is made with the payment.
struct PaymentLinkSpec {
  std::vector<OneOffLine> lines;
  std::string success_url;  // where the buyer goes after paying; empty: the provider's own page
  // Put on the link, and on the payment and the invoice that it makes.
  ObjectMetadata metadata;
  // The link takes so many payments, then it is closed.
  int64_t payments_limit = 1;
};

// A change of one item of a subscription.
struct SubscriptionItemChange {
  std::string item_id;   // the provider's; empty: a new item
  std::string price_id;  // of a new item
  int64_t quantity = 0;  // 0 removes the item
};

// A change of a subscription that goes on. One with metadata only changes nothing else, and is answered with the
// subscription as it is.
struct SubscriptionUpdateSpec {
  std::string subscription_id;  // the provider's
  std::optional<bool> cancel_at_period_end;
  // Takes an end on a date back. Not together with cancel_at_period_end: the provider takes one of them.
  bool clear_cancel_at = false;
  std::vector<SubscriptionItemChange> items;
  // Added to the subscription's, whose other keys stay as they are: they say who bought it.
  ObjectMetadata metadata;
};

// What frozen parameters say of themselves: enough to check them and to look their object up.
struct FrozenFacts {
  // The object that the call changes; none for a call that makes one.
  std::optional<std::string> object_id;
  ObjectMetadata metadata;
  std::optional<std::string> customer_id;
  std::optional<absl::Time> expires_at;
};

// A page of the provider's that a buyer is sent to: portal session or payment link.
struct HostedPage {
  std::string id;
  std::string url;
};

// What every object that we make has.
struct ObjectSnapshot {
  std::string id;
  bool deleted = false;
  std::optional<std::string> customer_id;  // of objects that belong to a customer
  ObjectMetadata metadata;
};

// One page of a list, newest first.
struct ListSnapshot {
  std::vector<ObjectSnapshot> objects;
  std::vector<std::string> objects_json;  // each of them whole, in the same order
  bool has_more = false;
};

class ObjectFormat {
 public:
  virtual ~ObjectFormat() = default;
  // The provider's name, as stored in rows: "stripe".
  virtual std::string provider() const = 0;

  // Errors: INVALID_ARGUMENT for text that isn't UTF-8 or over the provider's bounds.
  virtual absl::StatusOr<EncodedParams> EncodeCustomer(const CustomerSpec& spec) const = 0;
  virtual absl::StatusOr<EncodedParams> EncodeCheckoutSession(const CheckoutSessionSpec& spec) const = 0;
  virtual absl::StatusOr<EncodedParams> EncodePortalSession(const PortalSessionSpec& spec) const = 0;
  virtual absl::StatusOr<EncodedParams> EncodePaymentLink(const PaymentLinkSpec& spec) const = 0;
  virtual absl::StatusOr<EncodedParams> EncodeSubscriptionUpdate(const SubscriptionUpdateSpec& spec) const = 0;
  // Of calls that have an object and no more to say: ending a subscription at once, expiring a checkout session.
  virtual absl::StatusOr<EncodedParams> EncodeObjectCall(std::string_view object_id) const = 0;

  // Readers fail (INVALID_ARGUMENT) where a member that they need is missing or of another type,
  // and ignore all that they don't know.
  virtual absl::StatusOr<FrozenFacts> ReadFrozen(std::string_view params_json) const = 0;
  // What a frozen kUpdateSubscription changes.
  virtual absl::StatusOr<SubscriptionUpdateSpec> ReadSubscriptionUpdate(std::string_view params_json) const = 0;
  virtual absl::StatusOr<CheckoutSession> ReadCheckoutSession(std::string_view object_json) const = 0;
  virtual absl::StatusOr<Subscription> ReadSubscription(std::string_view object_json) const = 0;
  virtual absl::StatusOr<HostedPage> ReadHostedPage(std::string_view object_json) const = 0;
  virtual absl::StatusOr<ObjectSnapshot> ReadObject(std::string_view object_json) const = 0;
  virtual absl::StatusOr<ListSnapshot> ReadList(std::string_view list_json) const = 0;
};

}  // namespace billmesh::provider
