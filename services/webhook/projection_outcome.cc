#include "services/webhook/projection_outcome.h"

#include <string_view>

namespace billmesh::webhook {

std::optional<Owner> OwnerOfKind(std::string_view kind) {
  if (kind == "checkout_session") return Owner::kCheckoutSessions;
  if (kind == "subscription") return Owner::kSubscriptions;
  if (kind == "invoice") return Owner::kInvoices;
  return std::nullopt;
}

std::string_view IdOf(const ProviderObject& object) {
  if (const auto* session = std::get_if<provider::CheckoutSession>(&object)) return session->id;
  if (const auto* subscription = std::get_if<provider::Subscription>(&object)) return subscription->id;
  if (const auto* invoice = std::get_if<provider::Invoice>(&object)) return invoice->id;
  return "";
}

bool IsLivemode(const ProviderObject& object) {
  if (const auto* session = std::get_if<provider::CheckoutSession>(&object)) return session->livemode;
  if (const auto* subscription = std::get_if<provider::Subscription>(&object)) return subscription->livemode;
  if (const auto* invoice = std::get_if<provider::Invoice>(&object)) return invoice->livemode;
  return false;
}

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
      return ProjectionOutcome::kRefused;
  }
  return ProjectionOutcome::kRefused;
}

}  // namespace billmesh::webhook
