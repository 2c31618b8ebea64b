#include "services/webhook/event_rules.h"

#include <array>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/provider/object_format.h"
#include "common/status/strings.h"

namespace billmesh::webhook {
namespace {

struct DispositionRow {
  Disposition disposition;
  std::string_view name;
};
constexpr std::array<DispositionRow, 8> kDispositions = {{
    {Disposition::kPending, "pending"},
    {Disposition::kProcessed, "processed"},
    {Disposition::kIgnored, "ignored"},
    {Disposition::kParked, "parked"},
    {Disposition::kQuarantined, "quarantined"},
    {Disposition::kFailed, "failed"},
    {Disposition::kDead, "dead"},
    {Disposition::kDismissed, "dismissed"},
}};

// Begins the types of thin events about objects of the first API.
constexpr std::string_view kThinPrefix = "v1.";
// Begins the mark of a fetched version. Event ids hold no space.
constexpr std::string_view kFetchedMark = "fetched ";
constexpr size_t kMarkDigits = 32;  // of the SHA-256: 128 bits

struct Class {
  Owner owner;
  std::string_view kind;
};
struct ClassVisitor {
  Class operator()(const std::monostate&) const { return {Owner::kNone, ""}; }
  Class operator()(const provider::CheckoutSession&) const {
    return {Owner::kCheckoutSessions, provider::kCheckoutSessionKind};
  }
  Class operator()(const provider::Subscription&) const { return {Owner::kSubscriptions, provider::kSubscriptionKind}; }
  Class operator()(const provider::Invoice&) const { return {Owner::kInvoices, provider::kInvoiceKind}; }
  Class operator()(const provider::Customer&) const { return {Owner::kCustomers, provider::kCustomerKind}; }
  Class operator()(const provider::PaymentMethod&) const {
    return {Owner::kPaymentMethods, provider::kPaymentMethodKind};
  }
  Class operator()(const provider::Payment&) const { return {Owner::kPayments, provider::kPaymentKind}; }
  Class operator()(const provider::Charge&) const { return {Owner::kPayments, provider::kChargeKind}; }
  Class operator()(const provider::Refund&) const { return {Owner::kPayments, provider::kRefundKind}; }
  Class operator()(const provider::Dispute&) const { return {Owner::kPayments, provider::kDisputeKind}; }
  Class operator()(const provider::CreditNote&) const { return {Owner::kPayments, provider::kCreditNoteKind}; }
  Class operator()(const provider::InvoicePayment&) const { return {Owner::kPayments, provider::kInvoicePaymentKind}; }
};

// Whether the event holds an object that its type's owner takes.
bool HoldsObjectOf(Owner owner, const provider::Object& object) {
  return owner != Owner::kNone && OwnerOf(object) == owner;
}

// The snapshot event's name of a thin one: https://docs.stripe.com/event-destinations.
std::string_view SnapshotType(const provider::Event& event) {
  const std::string_view type = event.type;
  return event.thin && type.substr(0, kThinPrefix.size()) == kThinPrefix ? type.substr(kThinPrefix.size()) : type;
}

// Whether the event holds less than the whole object.
bool IsPart(const provider::Event& event) {
  const auto* subscription = std::get_if<provider::Subscription>(&event.object);
  return event.thin || (subscription != nullptr && !subscription->items_complete);
}

}  // namespace

std::string_view NameOf(Disposition disposition) {
  for (const auto& row : kDispositions) {
    if (row.disposition == disposition) return row.name;
  }
  return "";
}

std::optional<Disposition> ParseDisposition(std::string_view stored) {
  for (const auto& row : kDispositions) {
    if (row.name == stored) return row.disposition;
  }
  return std::nullopt;
}

const std::vector<TypeRule>& OwnershipMatrix() {
  static const auto* const kMatrix = new std::vector<TypeRule>{
      {"checkout.session.", Owner::kCheckoutSessions, true, provider::kCheckoutSessionKind},
      {"customer.subscription.", Owner::kSubscriptions, true, provider::kSubscriptionKind},
      {"invoice.", Owner::kInvoices, true, provider::kInvoiceKind},
      {"invoice.upcoming", Owner::kInvoices, false, ""},  // a preview: it has no id
      {"invoice.deleted", Owner::kInvoices, false, ""},   // a draft that never was: what we have of it stays a draft
      {"invoice_payment.", Owner::kPayments, true, provider::kInvoicePaymentKind},
      {"payment_intent.", Owner::kPayments, true, provider::kPaymentKind},
      {"charge.", Owner::kPayments, true, provider::kChargeKind},
      {"charge.dispute.", Owner::kPayments, true, provider::kDisputeKind},
      {"charge.refund.", Owner::kPayments, true, provider::kRefundKind},
      {"refund.", Owner::kPayments, true, provider::kRefundKind},
      {"credit_note.", Owner::kPayments, true, provider::kCreditNoteKind},
      {"customer.", Owner::kCustomers, true, provider::kCustomerKind},
      {"customer.bank_account.", Owner::kCustomers, false, ""},
      {"customer.card.", Owner::kCustomers, false, ""},
      {"customer.discount.", Owner::kCustomers, false, ""},
      {"customer.source.", Owner::kCustomers, false, ""},
      {"customer.tax_id.", Owner::kCustomers, false, ""},
      {"customer_cash_balance_transaction.", Owner::kNone, false, ""},
      {"payment_method.", Owner::kPaymentMethods, true, provider::kPaymentMethodKind},
      {"account.", Owner::kNone, false, ""},
      {"balance.", Owner::kNone, false, ""},
      {"billing_portal.", Owner::kNone, false, ""},
      {"coupon.", Owner::kNone, false, ""},
      {"entitlements.", Owner::kNone, false, ""},
      {"invoiceitem.", Owner::kNone, false, ""},
      {"mandate.", Owner::kNone, false, ""},
      {"payment_link.", Owner::kNone, false, ""},
      {"payout.", Owner::kNone, false, ""},
      {"plan.", Owner::kNone, false, ""},
      {"price.", Owner::kNone, false, ""},
      {"product.", Owner::kNone, false, ""},
      {"promotion_code.", Owner::kNone, false, ""},
      {"quote.", Owner::kNone, false, ""},
      {"radar.", Owner::kNone, false, ""},
      {"review.", Owner::kNone, false, ""},
      {"setup_intent.", Owner::kNone, false, ""},
      {"source.", Owner::kNone, false, ""},
      {"subscription_schedule.", Owner::kNone, false, ""},
      {"tax_rate.", Owner::kNone, false, ""},
      {"test_helpers.", Owner::kNone, false, ""},
      {"transfer.", Owner::kNone, false, ""},
  };
  return *kMatrix;
}

Owner OwnerOf(const provider::Object& object) { return std::visit(ClassVisitor(), object).owner; }
std::string_view KindOf(const provider::Object& object) { return std::visit(ClassVisitor(), object).kind; }

const TypeRule* RuleFor(std::string_view type) {
  const TypeRule* best = nullptr;
  for (const TypeRule& rule : OwnershipMatrix()) {
    const bool longer = best == nullptr || rule.prefix.size() > best->prefix.size();
    if (longer && type.substr(0, rule.prefix.size()) == rule.prefix) best = &rule;
  }
  return best;
}

Routed Route(const provider::Event& event, bool livemode) {
  const auto ignored = [](const char* reason) { return Routed{Disposition::kIgnored, reason}; };
  const auto failed = [](std::string reason) { return Routed{Disposition::kFailed, std::move(reason)}; };
  if (event.livemode != livemode) return ignored(kEnvironmentMismatch);
  if (event.account.has_value()) return ignored(kConnectedAccount);
  const TypeRule* rule = RuleFor(SnapshotType(event));
  if (rule == nullptr) return ignored(kUnknownType);
  if (!rule->applied) return ignored(kTypeNotKept);
  if (!event.object_error.empty()) return failed("object_malformed: " + event.object_error);
  if (!event.object_id.has_value()) return ignored(kObjectWithoutId);
  if (!event.thin && !HoldsObjectOf(rule->owner, event.object)) return failed("object_of_another_kind");
  return Routed{Disposition::kPending, IsPart(event) ? kNeedsFetch : "", rule->owner, rule->kind};
}

Version FetchedVersion(absl::Time provider_date, std::string_view object_json) {
  return {absl::FromUnixSeconds(absl::ToUnixSeconds(provider_date)),
          absl::StrCat(AbslView(kFetchedMark), crypto::Sha256Hex(object_json).substr(0, kMarkDigits))};
}

bool IsFetched(const Version& version) { return version.event_id.compare(0, kFetchedMark.size(), kFetchedMark) == 0; }

bool Wins(const Precedence& incoming, const Precedence& stored) {
  const auto key = [](const Precedence& p) {
    return std::make_tuple(p.stage, p.version.at.value_or(absl::InfinitePast()), !IsFetched(p.version),
                           std::string_view(p.version.event_id));
  };
  return key(incoming) > key(stored);
}

bool IsTie(const Precedence& incoming, const Precedence& stored) {
  return incoming.stage == stored.stage && incoming.version.at == stored.version.at &&
         IsFetched(incoming.version) == IsFetched(stored.version) &&
         incoming.version.event_id != stored.version.event_id;
}

}  // namespace billmesh::webhook
