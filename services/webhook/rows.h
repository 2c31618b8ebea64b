// The rows that this daemon owns, as values: what stores read and write and what the rules decide over. Statuses are
// tables, so that every word of the provider's has its place (WHK-7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/checkout/session_status.h"
#include "services/webhook/customer_rows.h"
#include "services/webhook/payment_rows.h"
#include "services/webhook/tracked.h"

namespace billmesh::webhook {

using checkout::SessionStatus;

enum class SubscriptionStatus {
  kIncomplete,
  kIncompleteExpired,
  kTrialing,
  kActive,
  kPastDue,
  kCanceled,
  kUnpaid,
  kPaused,
};

struct SubscriptionStatusRow {
  std::string_view provider_word;
  SubscriptionStatus status;
  std::string_view name;  // as stored
  Stage stage;
};

inline constexpr std::array<SubscriptionStatusRow, 8> kSubscriptionStatuses = {{
    {"incomplete", SubscriptionStatus::kIncomplete, "incomplete", Stage::kInitial},
    {"incomplete_expired", SubscriptionStatus::kIncompleteExpired, "incomplete_expired", Stage::kEnded},
    {"trialing", SubscriptionStatus::kTrialing, "trialing", Stage::kLive},
    {"active", SubscriptionStatus::kActive, "active", Stage::kLive},
    {"past_due", SubscriptionStatus::kPastDue, "past_due", Stage::kLive},
    {"canceled", SubscriptionStatus::kCanceled, "canceled", Stage::kEnded},
    {"unpaid", SubscriptionStatus::kUnpaid, "unpaid", Stage::kLive},
    {"paused", SubscriptionStatus::kPaused, "paused", Stage::kLive},
}};

enum class InvoiceStatus { kDraft, kOpen, kUncollectible, kPaid, kVoid };

struct InvoiceStatusRow {
  std::string_view provider_word;
  InvoiceStatus status;
  std::string_view name;  // as stored
  Stage stage;
};

// An uncollectible invoice may still be paid or voided; those two are the ends.
inline constexpr std::array<InvoiceStatusRow, 5> kInvoiceStatuses = {{
    {"draft", InvoiceStatus::kDraft, "draft", Stage::kInitial},
    {"open", InvoiceStatus::kOpen, "open", Stage::kLive},
    {"uncollectible", InvoiceStatus::kUncollectible, "uncollectible", Stage::kEnding},
    {"paid", InvoiceStatus::kPaid, "paid", Stage::kEnded},
    {"void", InvoiceStatus::kVoid, "void", Stage::kEnded},
}};

const SubscriptionStatusRow* FindSubscriptionWord(
    std::string_view provider_word);  // null for a word that we don't know
const SubscriptionStatusRow& RowOf(SubscriptionStatus status);
SubscriptionStatus SubscriptionStatusFromName(
    std::string_view stored);  // aborts: the database's CHECK holds the same list
const InvoiceStatusRow* FindInvoiceWord(std::string_view provider_word);
const InvoiceStatusRow& RowOf(InvoiceStatus status);
InvoiceStatus InvoiceStatusFromName(std::string_view stored);

inline bool HasEnded(SubscriptionStatus status) { return RowOf(status).stage == Stage::kEnded; }

struct ItemRow {
  std::string id;  // ours; empty until it is written
  std::string provider_item_id;
  std::string provider_price_id;
  std::optional<int64_t> quantity;
  std::optional<absl::Time> period_start;
  std::optional<absl::Time> period_end;
  friend bool operator==(const ItemRow&, const ItemRow&) = default;
};

struct SubscriptionRow {
  std::string id;
  std::string entity_id;
  std::string provider_subscription_id;
  std::string provider_customer_id;
  std::optional<std::string> operation_key;
  SubscriptionStatus status = SubscriptionStatus::kIncomplete;
  bool is_current = false;
  bool cancel_at_period_end = false;
  bool collection_paused = false;
  std::optional<absl::Time> cancel_at, canceled_at, ended_at, trial_start, trial_end;
  absl::Time provider_created_at;  // set once
  std::optional<std::string> latest_invoice_id;
  std::vector<ItemRow> items;  // by provider_item_id
  Version version;
  friend bool operator==(const SubscriptionRow&, const SubscriptionRow&) = default;
};

struct SessionRow {
  std::string id;
  std::string entity_id;
  std::optional<std::string> operation_id;
  std::string operation_key;
  std::optional<std::string> provider_session_id;
  std::optional<std::string> provider_customer_id;
  std::optional<std::string> provider_subscription_id;
  std::string mode = "subscription";
  SessionStatus status = SessionStatus::kOpen;
  std::optional<std::string> plan_code;
  std::optional<int64_t> plan_version;
  std::optional<std::string> url;
  absl::Time expires_at;
  std::optional<absl::Time> late_paid_at;
  Version version;
  friend bool operator==(const SessionRow&, const SessionRow&) = default;
};

struct InvoiceRow {
  std::string id;
  std::string entity_id;
  std::string provider_invoice_id;
  std::optional<std::string> provider_customer_id;  // none: not linked to the entity; then it is a one-off
  std::optional<std::string> provider_subscription_id;
  std::optional<std::string> number;
  InvoiceStatus status = InvoiceStatus::kDraft;
  std::string currency;
  int64_t total_minor = 0;
  int64_t amount_due_minor = 0;
  int64_t amount_paid_minor = 0;
  int64_t amount_remaining_minor = 0;
  int64_t attempt_count = 0;
  std::optional<std::string> billing_reason;
  std::optional<absl::Time> period_start, period_end;
  std::optional<std::string> hosted_invoice_url;
  absl::Time provider_created_at;
  Version version;
  friend bool operator==(const InvoiceRow&, const InvoiceRow&) = default;
};

struct TrackedSession : Tracked<SessionRow> {
  // The statuses gone through since it was loaded, the present one last: the database checks each move by itself.
  std::vector<SessionStatus> path;
};

// Another live subscription beside the canonical one (WHK-8).
struct Duplicate {
  std::string entity_id;
  std::string provider_subscription_id;
  std::string canonical_subscription_id;  // our row's id
};

// What is loaded of one entity under its lock, and worked on until it's written.
struct EntityState {
  std::string entity_id;
  std::vector<Tracked<SubscriptionRow>> subscriptions;  // all that live, and those that are touched
  std::vector<TrackedSession> sessions;                 // all that block, and those that are touched
  std::vector<Tracked<InvoiceRow>> invoices;            // those that are touched, as all below
  std::vector<Tracked<PaymentRow>> payments;
  std::vector<Tracked<RefundRow>> refunds;
  std::vector<Tracked<DisputeRow>> disputes;
  std::vector<Tracked<CreditNoteRow>> credit_notes;
  std::vector<Tracked<CustomerRow>> customers;
  std::vector<Tracked<PaymentMethodRow>> payment_methods;
  std::vector<Duplicate> duplicates;
  bool ContentChanged() const;
};

// Hex SHA-256 of a row's content (for the audit log): equal for equal content, versions and our own ids apart.
std::string DigestOf(const SubscriptionRow& row);
std::string DigestOf(const SessionRow& row);
std::string DigestOf(const InvoiceRow& row);

}  // namespace billmesh::webhook
