#include "services/webhook/outcome_report.h"

#include <algorithm>

#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {

void ReportApplied(const ObjectResult& result, const std::vector<Duplicate>& new_duplicates,
                   const std::function<telemetry::Labels()>& fields) {
  if (result.applied.tie || result.applied.fetch.has_value()) CountTie();
  for (const SessionChange& change : result.applied.session_changes) {
    if (change.paid_late) telemetry::Guardrail(kLatePayment, fields());
  }
  if (result.applied.dispute_opened) telemetry::Guardrail(kDisputeOpened, fields());
  const bool new_duplicate = std::any_of(new_duplicates.begin(), new_duplicates.end(),
                                         [&](const Duplicate& d) { return d.entity_id == result.entity_id; });
  if (result.applied.canonical_tie && new_duplicate) telemetry::Guardrail(kCanonicalTieBreak, fields());
}

void ReportDuplicates(const std::vector<Duplicate>& new_duplicates) {
  for (const Duplicate& duplicate : new_duplicates) {
    telemetry::Guardrail(kDuplicateSubscription, {{"entity_id", duplicate.entity_id},
                                                  {"provider_subscription_id", duplicate.provider_subscription_id},
                                                  {"canonical_subscription_id", duplicate.canonical_subscription_id}});
  }
}

}  // namespace billmesh::webhook
