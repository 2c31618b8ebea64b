// This daemon's metrics and guardrails (OBS-1, OBS-2). Thread safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/webhook/event_rules.h"

namespace billmesh::webhook {

// Guardrail codes.
inline constexpr char kCorrelationMismatch[] = "BILLING_CHECKOUT_CORRELATION_MISMATCH";
inline constexpr char kLatePayment[] = "BILLING_CHECKOUT_PAID_LATE";
inline constexpr char kDuplicateSubscription[] = "BILLING_DUPLICATE_SUBSCRIPTION";
inline constexpr char kCanonicalTieBreak[] = "BILLING_CANONICAL_TIE_BREAK";
inline constexpr char kDisputeOpened[] = "BILLING_DISPUTE_OPENED";
inline constexpr char kWebhookFailed[] = "BILLING_WEBHOOK_FAILED";
inline constexpr char kWebhookDead[] = "BILLING_WEBHOOK_DEAD_LETTER";
inline constexpr char kSignatureFailure[] = "BILLING_WEBHOOK_SIGNATURE_FAILURE";
inline constexpr char kFencingConflict[] = "BILLING_WEBHOOK_FENCING_CONFLICT";

// billmesh_webhook_events_total{type,outcome}. Types are the provider's and unbounded: the first kMaxTypeLabels are
// counted by their name (WHK-3), later ones as "other".
inline constexpr size_t kMaxTypeLabels = 300;
void CountEvent(std::string_view type, std::string_view outcome);

// billmesh_webhook_signature_failures_total{cause} and the guardrail.
void CountSignatureFailure(const std::string& cause);

// billmesh_webhook_batches_total and billmesh_webhook_batched_events_total: their ratio is the mean size of a batch.
void CountBatch(size_t events);

// billmesh_webhook_projected_objects_total{kind,outcome}: fetched objects and what became of them.
void CountProjected(std::string_view kind, std::string_view outcome);

// billmesh_webhook_lag_seconds: from receipt to the commit that applied it.
void ObserveLag(absl::Duration lag);

// billmesh_webhook_clock_skew_seconds: the provider's signing time minus our clock.
void SetClockSkew(absl::Duration skew);

// billmesh_webhook_ties_total: what the provider had to be asked: versions that only event ids, or marks of fetched
// snapshots, told apart; tries of one second; a charge that a payment names and that isn't kept.
void CountTie();

// billmesh_webhook_stored_events{status}, billmesh_webhook_oldest_due_seconds.
void SetStoredEvents(std::string_view status, int64_t count);
void SetOldestDue(absl::Duration age);

}  // namespace billmesh::webhook
