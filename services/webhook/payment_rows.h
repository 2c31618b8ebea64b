// Payments and what becomes of them, as values: what the payment store reads and writes and what the rules decide over.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/webhook/tracked.h"

namespace billmesh::webhook {

enum class PaymentStatus { kPending, kRequiresAction, kProcessing, kSucceeded, kFailed, kCanceled };

struct PaymentStatusRow {
  std::string_view provider_word;
  PaymentStatus status;
  std::string_view name;  // as stored
  Stage stage;
};

// One that waits for a method is pending; it failed where the provider says why the last try did.
inline constexpr std::array<PaymentStatusRow, 7> kPaymentStatuses = {{
    {"requires_payment_method", PaymentStatus::kPending, "pending", Stage::kLive},
    {"requires_confirmation", PaymentStatus::kPending, "pending", Stage::kLive},
    {"requires_action", PaymentStatus::kRequiresAction, "requires_action", Stage::kLive},
    {"processing", PaymentStatus::kProcessing, "processing", Stage::kLive},
    {"requires_capture", PaymentStatus::kProcessing, "processing", Stage::kLive},
    {"succeeded", PaymentStatus::kSucceeded, "succeeded", Stage::kEnded},
    {"canceled", PaymentStatus::kCanceled, "canceled", Stage::kEnded},
}};

enum class ChargeStatus { kPending, kSucceeded, kFailed };

struct ChargeStatusRow {
  std::string_view provider_word;
  ChargeStatus status;
  std::string_view name;
  Stage stage;
  PaymentStatus payment_status;  // of a payment that nothing else is known of
};

// No stage ends it: what is refunded may come back when the refund fails.
inline constexpr std::array<ChargeStatusRow, 3> kChargeStatuses = {{
    {"pending", ChargeStatus::kPending, "pending", Stage::kInitial, PaymentStatus::kProcessing},
    {"succeeded", ChargeStatus::kSucceeded, "succeeded", Stage::kLive, PaymentStatus::kSucceeded},
    {"failed", ChargeStatus::kFailed, "failed", Stage::kLive, PaymentStatus::kFailed},
}};

enum class RefundStatus { kPending, kRequiresAction, kSucceeded, kFailed, kCanceled };

struct RefundStatusRow {
  std::string_view provider_word;
  RefundStatus status;
  std::string_view name;
  Stage stage;
};

// A refund that succeeded may fail later: the payer's bank sends it back.
inline constexpr std::array<RefundStatusRow, 5> kRefundStatuses = {{
    {"pending", RefundStatus::kPending, "pending", Stage::kInitial},
    {"requires_action", RefundStatus::kRequiresAction, "requires_action", Stage::kInitial},
    {"succeeded", RefundStatus::kSucceeded, "succeeded", Stage::kLive},
    {"failed", RefundStatus::kFailed, "failed", Stage::kEnded},
    {"canceled", RefundStatus::kCanceled, "canceled", Stage::kEnded},
}};

enum class DisputeStatus { kOpen, kWon, kLost, kClosed };

struct DisputeStatusRow {
  std::string_view provider_word;
  DisputeStatus status;
  std::string_view name;
};

// An inquiry ("warning") may grow into a dispute, and a lost one may yet be won: time alone orders them.
inline constexpr std::array<DisputeStatusRow, 8> kDisputeStatuses = {{
    {"needs_response", DisputeStatus::kOpen, "open"},
    {"under_review", DisputeStatus::kOpen, "open"},
    {"warning_needs_response", DisputeStatus::kOpen, "open"},
    {"warning_under_review", DisputeStatus::kOpen, "open"},
    {"won", DisputeStatus::kWon, "won"},
    {"lost", DisputeStatus::kLost, "lost"},
    {"warning_closed", DisputeStatus::kClosed, "closed"},
    {"prevented", DisputeStatus::kClosed, "closed"},
}};

enum class CreditNoteStatus { kIssued, kVoid };

struct CreditNoteStatusRow {
  std::string_view provider_word;
  CreditNoteStatus status;
  std::string_view name;
  Stage stage;
};

inline constexpr std::array<CreditNoteStatusRow, 2> kCreditNoteStatuses = {{
    {"issued", CreditNoteStatus::kIssued, "issued", Stage::kLive},
    {"void", CreditNoteStatus::kVoid, "void", Stage::kEnded},
}};

// The latest attempt of a payment that we know of.
struct ChargePart {
  std::string provider_charge_id;
  ChargeStatus status = ChargeStatus::kPending;
  absl::Time created_at;
  Version version;
  friend bool operator==(const ChargePart&, const ChargePart&) = default;
};

// What the buyer pays once. The payment itself and its charges are objects of their own at the provider; whichever is
// seen first makes the row, and what the payment says wins over what a charge says of it.
struct PaymentRow {
  std::string id;
  std::string entity_id;
  std::string provider_payment_id;
  std::optional<std::string> provider_customer_id;  // none: a guest, or a customer that isn't linked to the entity
  std::optional<std::string> provider_invoice_id;
  PaymentStatus status = PaymentStatus::kPending;
  std::string currency;
  int64_t amount_minor = 0;
  int64_t amount_refunded_minor = 0;  // of the latest attempt
  std::optional<std::string> failure_code;
  std::optional<std::string> operation_key;
  std::optional<std::string> item_code;  // both or neither (ENT-9)
  std::optional<int64_t> item_quantity;
  absl::Time provider_created_at;
  std::optional<absl::Time> succeeded_at, canceled_at;
  std::optional<std::string> latest_charge_id;  // what the payment itself calls its latest attempt
  Version version;                              // of the payment itself; without a time: only a charge is known
  std::optional<ChargePart> charge;
  bool IsKnownByItself() const { return version.at.has_value(); }
  friend bool operator==(const PaymentRow&, const PaymentRow&) = default;
};

inline void TakeVersions(const PaymentRow& row, PaymentRow& other) {
  other.version = row.version;
  if (row.charge.has_value() && other.charge.has_value()) other.charge->version = row.charge->version;
}

struct RefundRow {
  std::string id;
  std::string entity_id;
  std::string provider_refund_id;
  std::string provider_payment_id;
  RefundStatus status = RefundStatus::kPending;
  std::string currency;
  int64_t amount_minor = 0;
  std::optional<std::string> failure_code;
  absl::Time provider_created_at;
  Version version;
  friend bool operator==(const RefundRow&, const RefundRow&) = default;
};

struct DisputeRow {
  std::string id;
  std::string entity_id;
  std::string provider_dispute_id;
  std::string provider_payment_id;
  DisputeStatus status = DisputeStatus::kOpen;
  std::string currency;
  int64_t amount_minor = 0;
  std::optional<std::string> cause;
  absl::Time provider_created_at;
  Version version;
  friend bool operator==(const DisputeRow&, const DisputeRow&) = default;
};

struct CreditNoteRow {
  std::string id;
  std::string entity_id;
  std::string provider_credit_note_id;
  std::string provider_invoice_id;
  std::optional<std::string> number;
  CreditNoteStatus status = CreditNoteStatus::kIssued;
  std::string currency;
  int64_t total_minor = 0;
  absl::Time provider_created_at;
  std::optional<absl::Time> voided_at;
  Version version;
  friend bool operator==(const CreditNoteRow&, const CreditNoteRow&) = default;
};

// By the provider's word; null for one that we don't know.
const PaymentStatusRow* FindPaymentWord(std::string_view provider_word);
const ChargeStatusRow* FindChargeWord(std::string_view provider_word);
const RefundStatusRow* FindRefundWord(std::string_view provider_word);
const DisputeStatusRow* FindDisputeWord(std::string_view provider_word);
const CreditNoteStatusRow* FindCreditNoteWord(std::string_view provider_word);

// As stored, and back (aborts: the database's CHECKs hold the same lists).
std::string_view NameOf(PaymentStatus status);
std::string_view NameOf(ChargeStatus status);
std::string_view NameOf(RefundStatus status);
std::string_view NameOf(DisputeStatus status);
std::string_view NameOf(CreditNoteStatus status);
PaymentStatus PaymentStatusFromName(std::string_view stored);
ChargeStatus ChargeStatusFromName(std::string_view stored);
RefundStatus RefundStatusFromName(std::string_view stored);
DisputeStatus DisputeStatusFromName(std::string_view stored);
CreditNoteStatus CreditNoteStatusFromName(std::string_view stored);

// How far in its life (for the merge rule).
Stage StageOf(PaymentStatus status);
Stage StageOf(ChargeStatus status);
Stage StageOf(RefundStatus status);
Stage StageOf(CreditNoteStatus status);

// Hex SHA-256 of a row's content (for the audit log): equal for equal content, versions and our own ids apart.
std::string DigestOf(const PaymentRow& row);
std::string DigestOf(const RefundRow& row);
std::string DigestOf(const DisputeRow& row);
std::string DigestOf(const CreditNoteRow& row);

}  // namespace billmesh::webhook
