#include "services/webhook/projection_outcome.h"

#include <string_view>

#include "common/provider/object_format.h"

namespace billmesh::webhook {
namespace {

struct KindRow {
  std::string_view kind;
  Owner owner;
};
constexpr KindRow kKinds[] = {
    {provider::kCheckoutSessionKind, Owner::kCheckoutSessions},
    {provider::kSubscriptionKind, Owner::kSubscriptions},
    {provider::kInvoiceKind, Owner::kInvoices},
    {provider::kCustomerKind, Owner::kCustomers},
    {provider::kPaymentMethodKind, Owner::kPaymentMethods},
    {provider::kPaymentKind, Owner::kPayments},
    {provider::kChargeKind, Owner::kPayments},
    {provider::kRefundKind, Owner::kPayments},
    {provider::kDisputeKind, Owner::kPayments},
    {provider::kCreditNoteKind, Owner::kPayments},
    {provider::kInvoicePaymentKind, Owner::kPayments},
};

struct IdVisitor {
  std::string_view operator()(const std::monostate&) const { return ""; }
  template <typename T>
  std::string_view operator()(const T& object) const {
    return object.id;
  }
};

struct LivemodeVisitor {
  std::optional<bool> operator()(const std::monostate&) const { return std::nullopt; }
  std::optional<bool> operator()(const provider::Refund&) const { return std::nullopt; }
  template <typename T>
  std::optional<bool> operator()(const T& object) const {
    return object.livemode;
  }
};

}  // namespace

std::optional<Owner> OwnerOfKind(std::string_view kind) {
  for (const KindRow& row : kKinds) {
    if (row.kind == kind) return row.owner;
  }
  return std::nullopt;
}

std::string_view IdOf(const ProviderObject& object) { return std::visit(IdVisitor(), object); }
std::optional<bool> LivemodeOf(const ProviderObject& object) { return std::visit(LivemodeVisitor(), object); }

std::string_view NameOf(ProjectionOutcome outcome) {
  switch (outcome) {
    case ProjectionOutcome::kChanged:
      return "changed";
    case ProjectionOutcome::kUnchanged:
      return "unchanged";
    case ProjectionOutcome::kUnbound:
      return "unbound";
    case ProjectionOutcome::kContradicted:
      return "contradicted";
    case ProjectionOutcome::kRefused:
      return "refused";
  }
  return "";
}

bool Changed(const Applied& applied) {
  return std::string_view(applied.result) == kApplied || !applied.session_changes.empty();
}

ProjectionOutcome OutcomeOf(const ObjectResult& result) {
  switch (result.disposition) {
    case Disposition::kProcessed:
      return Changed(result.applied) ? ProjectionOutcome::kChanged : ProjectionOutcome::kUnchanged;
    case Disposition::kParked:
      return ProjectionOutcome::kUnbound;
    case Disposition::kQuarantined:
      return ProjectionOutcome::kContradicted;
    case Disposition::kIgnored:
      // A session without a key of ours, of a customer that nobody has: it may be anybody's.
      if (result.entity_id.empty() && result.reason == kNotOurCheckout) return ProjectionOutcome::kUnbound;
      return ProjectionOutcome::kRefused;
    case Disposition::kPending:
    case Disposition::kFailed:
    case Disposition::kDead:
    case Disposition::kDismissed:
      return ProjectionOutcome::kRefused;
  }
  return ProjectionOutcome::kRefused;
}

}  // namespace billmesh::webhook
