// Customers, payment methods, payments and what becomes of them (object_fields.h).
#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status/strings.h"
#include "common/stripe/object_fields.h"
#include "common/stripe/object_readers.h"

namespace billmesh::stripe {
namespace {

constexpr size_t kMaxStoredWordBytes = 40;
constexpr size_t kLastFour = 4;

bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= kMaxStoredWordBytes && absl::ascii_islower(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

// A word that is kept: what can't be one (and so could be anything, a card number even) counts as absent (PRT-6).
std::optional<std::string> OptWord(const Fields& fields, std::string_view key) {
  auto word = fields.OptText(key, kMaxTextBytes);
  if (word.has_value()) absl::AsciiStrToLower(&*word);
  return word.has_value() && IsWord(*word) ? word : std::nullopt;
}

std::string Word(const Fields& fields, std::string_view key) {
  auto word = OptWord(fields, key);
  if (!word.has_value()) fields.Fail(key, "not a word");
  return word.value_or("");
}

int64_t Amount(const Fields& fields, std::string_view key) {
  const int64_t amount = fields.Int(key);
  if (amount < 0) fields.Fail(key, "negative");
  return amount;
}

// Objects of payments name the payment; old charges were made without one and are named themselves.
std::string PaymentIdOf(const Fields& fields, std::string_view charge_key) {
  if (auto payment = fields.OptReference("payment_intent")) return *payment;
  if (auto charge = fields.OptReference(charge_key)) return *charge;
  fields.Fail("payment_intent", "missing, and no charge either");
  return "";
}

// Of a payment's last error: the bank's reason, where it gave one.
std::optional<std::string> FailureOf(const Fields& payment) {
  const auto error = payment.Object("last_payment_error");
  if (!error) return std::nullopt;
  if (auto declined = OptWord(*error, "decline_code")) return declined;
  if (auto code = OptWord(*error, "code")) return code;
  return "unknown";
}

// Where brand and last four stand in the details of each type: https://docs.stripe.com/api/payment_methods/object.
struct DetailNames {
  std::string_view type;
  std::string_view brand;  // "": it has none
};
constexpr std::array<DetailNames, 10> kDetails = {{
    {"card", "brand"},
    {"card_present", "brand"},
    {"interac_present", "brand"},
    {"acss_debit", "bank_name"},
    {"au_becs_debit", ""},
    {"bacs_debit", ""},
    {"sepa_debit", ""},
    {"us_bank_account", "bank_name"},
    {"nz_bank_account", "bank_name"},
    {"fpx", "bank"},
}};

void ReadExpiry(const Fields& details, provider::PaymentMethod& method) {
  const auto month = details.OptInt("exp_month"), year = details.OptInt("exp_year");
  const bool known = month.value_or(0) >= 1 && month.value_or(0) <= 12 && year.value_or(0) >= 1970 && year.value_or(0) <= 9999;
  if (!known) return;
  method.exp_month = static_cast<int32_t>(*month);
  method.exp_year = static_cast<int32_t>(*year);
}

void ReadDetails(const Fields& fields, provider::PaymentMethod& method) {
  const auto* names = std::find_if(kDetails.begin(), kDetails.end(),
                                   [&](const DetailNames& row) { return row.type == method.type; });
  const auto details = fields.Object(method.type);
  if (names == kDetails.end() || !details) return;
  if (!names->brand.empty()) method.brand = OptWord(*details, names->brand);
  auto last4 = details->OptText("last4", kMaxTextBytes);
  const bool four = last4.has_value() && last4->size() == kLastFour &&
                    std::all_of(last4->begin(), last4->end(), [](unsigned char c) { return absl::ascii_isalnum(c); });
  if (four) method.last4 = std::move(last4);
  ReadExpiry(*details, method);
  if (const auto wallet = details->Object("wallet")) method.wallet = OptWord(*wallet, "type");
}

}  // namespace

provider::Customer CustomerFrom(const Fields& fields) {
  provider::Customer customer;
  customer.id = fields.Id("id");
  customer.deleted = fields.BoolOr("deleted", false);
  if (fields.Find("livemode")) customer.livemode = fields.Bool("livemode");
  if (customer.deleted) return customer;
  if (const auto settings = fields.Object("invoice_settings")) {
    customer.default_payment_method_id = settings->OptReference("default_payment_method");
  }
  ReadCorrelation(fields, customer.correlation);
  return customer;
}

provider::PaymentMethod PaymentMethodFrom(const Fields& fields) {
  provider::PaymentMethod method;
  method.id = fields.Id("id");
  method.customer_id = fields.OptReference("customer");
  method.type = Word(fields, "type");
  method.created_at = fields.Time("created");
  method.livemode = fields.Bool("livemode");
  ReadDetails(fields, method);
  return method;
}

provider::Payment PaymentFrom(const Fields& fields) {
  provider::Payment payment;
  payment.id = fields.Id("id");
  payment.status = fields.Text("status", kMaxTextBytes);
  payment.currency = ReadCurrency(fields);
  payment.amount_minor = Amount(fields, "amount");
  payment.customer_id = fields.OptReference("customer");
  payment.invoice_id = fields.OptReference("invoice");
  payment.failure_code = FailureOf(fields);
  payment.latest_charge_id = fields.OptReference("latest_charge");
  payment.created_at = fields.Time("created");
  payment.canceled_at = fields.OptTime("canceled_at");
  payment.livemode = fields.Bool("livemode");
  ReadCorrelation(fields, payment.correlation);
  return payment;
}

provider::Charge ChargeFrom(const Fields& fields) {
  provider::Charge charge;
  charge.id = fields.Id("id");
  charge.payment_id = PaymentIdOf(fields, "id");
  charge.status = fields.Text("status", kMaxTextBytes);
  charge.currency = ReadCurrency(fields);
  charge.amount_minor = Amount(fields, "amount");
  charge.amount_refunded_minor = fields.Find("amount_refunded") ? Amount(fields, "amount_refunded") : 0;
  charge.customer_id = fields.OptReference("customer");
  charge.invoice_id = fields.OptReference("invoice");
  charge.failure_code = OptWord(fields, "failure_code");
  charge.created_at = fields.Time("created");
  charge.livemode = fields.Bool("livemode");
  ReadCorrelation(fields, charge.correlation);
  return charge;
}

provider::Refund RefundFrom(const Fields& fields) {
  provider::Refund refund;
  refund.id = fields.Id("id");
  refund.payment_id = PaymentIdOf(fields, "charge");
  refund.status = fields.Text("status", kMaxTextBytes);
  refund.currency = ReadCurrency(fields);
  refund.amount_minor = Amount(fields, "amount");
  refund.failure_code = OptWord(fields, "failure_reason");
  refund.created_at = fields.Time("created");
  ReadCorrelation(fields, refund.correlation);
  return refund;
}

provider::Dispute DisputeFrom(const Fields& fields) {
  provider::Dispute dispute;
  dispute.id = fields.Id("id");
  dispute.payment_id = PaymentIdOf(fields, "charge");
  dispute.status = fields.Text("status", kMaxTextBytes);
  dispute.currency = ReadCurrency(fields);
  dispute.amount_minor = Amount(fields, "amount");
  dispute.cause = OptWord(fields, "reason");
  dispute.created_at = fields.Time("created");
  dispute.livemode = fields.Bool("livemode");
  return dispute;
}

provider::CreditNote CreditNoteFrom(const Fields& fields) {
  provider::CreditNote note;
  note.id = fields.Id("id");
  note.invoice_id = fields.OptReference("invoice").value_or("");
  if (note.invoice_id.empty()) fields.Fail("invoice", "missing");
  note.customer_id = fields.OptReference("customer");
  note.status = fields.Text("status", kMaxTextBytes);
  note.currency = ReadCurrency(fields);
  note.total_minor = fields.Int("total");
  note.number = fields.OptText("number", kMaxTextBytes);
  note.created_at = fields.Time("created");
  note.voided_at = fields.OptTime("voided_at");
  note.livemode = fields.Bool("livemode");
  return note;
}

provider::InvoicePayment InvoicePaymentFrom(const Fields& fields) {
  provider::InvoicePayment paid;
  paid.id = fields.Id("id");
  paid.invoice_id = fields.OptReference("invoice").value_or("");
  if (paid.invoice_id.empty()) fields.Fail("invoice", "missing");
  if (const auto payment = fields.Object("payment")) {
    paid.payment_id = payment->OptReference("payment_intent");
    if (!paid.payment_id) paid.payment_id = payment->OptReference("charge");
  }
  paid.status = fields.Text("status", kMaxTextBytes);
  paid.livemode = fields.Bool("livemode");
  return paid;
}

}  // namespace billmesh::stripe
