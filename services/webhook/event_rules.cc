#include "services/webhook/event_rules.h"

#include <array>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/strings.h"

namespace billmesh::webhook {
namespace {

struct DispositionRow {
  Disposition disposition;
  std::string_view name;
};
constexpr std::array<DispositionRow, 7> kDispositions = {{
    {Disposition::kPending, "pending"},
    {Disposition::kProcessed, "processed"},
    {Disposition::kIgnored, "ignored"},
    {Disposition::kParked, "parked"},
    {Disposition::kQuarantined, "quarantined"},
    {Disposition::kFailed, "failed"},
    {Disposition::kDead, "dead"},
}};

// Begins the mark of a fetched version. Event ids hold no space.
constexpr std::string_view kFetchedMark = "fetched ";
constexpr size_t kMarkDigits = 32;  // of the SHA-256: 128 bits

// Whether the event holds the object that its type promises.
bool HoldsObjectOf(Owner owner, const provider::Event& event) {
  switch (owner) {
    case Owner::kCheckoutSessions:
      return std::holds_alternative<provider::CheckoutSession>(event.object);
    case Owner::kSubscriptions:
      return std::holds_alternative<provider::Subscription>(event.object);
    case Owner::kInvoices:
      return std::holds_alternative<provider::Invoice>(event.object);
    default:
      return false;
  }
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
      {"checkout.session.", Owner::kCheckoutSessions, true},
      {"customer.subscription.", Owner::kSubscriptions, true},
      {"invoice.", Owner::kInvoices, true},
      {"invoice.upcoming", Owner::kInvoices, false},  // a preview: it has no id
      {"invoice.deleted", Owner::kInvoices, false},   // a draft that never was: what we have of it stays a draft
      {"invoice_payment.", Owner::kPayments, false},
      {"payment_intent.", Owner::kPayments, false},
      {"charge.", Owner::kPayments, false},
      {"refund.", Owner::kPayments, false},
      {"credit_note.", Owner::kPayments, false},
      {"customer.", Owner::kCustomers, false},
      {"payment_method.", Owner::kPaymentMethods, false},
      {"account.", Owner::kNone, false},
      {"balance.", Owner::kNone, false},
      {"billing_portal.", Owner::kNone, false},
      {"coupon.", Owner::kNone, false},
      {"entitlements.", Owner::kNone, false},
      {"invoiceitem.", Owner::kNone, false},
      {"mandate.", Owner::kNone, false},
      {"payment_link.", Owner::kNone, false},
      {"payout.", Owner::kNone, false},
      {"plan.", Owner::kNone, false},
      {"price.", Owner::kNone, false},
      {"product.", Owner::kNone, false},
      {"promotion_code.", Owner::kNone, false},
      {"quote.", Owner::kNone, false},
      {"radar.", Owner::kNone, false},
      {"review.", Owner::kNone, false},
      {"setup_intent.", Owner::kNone, false},
      {"source.", Owner::kNone, false},
      {"subscription_schedule.", Owner::kNone, false},
      {"tax_rate.", Owner::kNone, false},
      {"test_helpers.", Owner::kNone, false},
      {"transfer.", Owner::kNone, false},
  };
  return *kMatrix;
}

const TypeRule* RuleFor(std::string_view type) {
  const TypeRule* best = nullptr;
  for (const TypeRule& rule : OwnershipMatrix()) {
    const bool longer = best == nullptr || rule.prefix.size() > best->prefix.size();
    if (longer && type.substr(0, rule.prefix.size()) == rule.prefix) best = &rule;
  }
  return best;
}

Routed Route(const provider::Event& event, bool livemode) {
  const auto ignored = [](const char* reason) { return Routed{Disposition::kIgnored, reason, Owner::kNone}; };
  const auto failed = [](std::string reason) { return Routed{Disposition::kFailed, std::move(reason), Owner::kNone}; };
  if (event.livemode != livemode) return ignored(kEnvironmentMismatch);
  if (event.thin) return ignored(kThinNotConfigured);
  if (event.account.has_value()) return ignored(kConnectedAccount);
  const TypeRule* rule = RuleFor(event.type);
  if (rule == nullptr) return ignored(kUnknownType);
  if (!rule->applied) return ignored(kTypeNotKept);
  if (!event.object_error.empty()) return failed("object_malformed: " + event.object_error);
  if (!event.object_id.has_value()) return ignored(kObjectWithoutId);
  if (!HoldsObjectOf(rule->owner, event)) return failed("object_of_another_kind");
  return Routed{Disposition::kPending, "", rule->owner};
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
