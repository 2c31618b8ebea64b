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
  std::optional<std::string> customer_id;
  // The object, where its kind is one that we read.
  std::variant<std::monostate, CheckoutSession, Subscription, Invoice> object;
  // Why the object of a kind that we read could not be; the event itself is sound. Names fields, never values.
  std::string object_error;
};

}  // namespace billmesh::provider
