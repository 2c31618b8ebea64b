#include "services/webhook/webhook_metrics.h"

#include <mutex>
#include <set>

#include "common/telemetry/metrics.h"

namespace billmesh::webhook {
namespace {

// The name itself while there is room for another label, else "other".
std::string TypeLabel(std::string_view type) {
  static std::mutex mutex;
  static auto* const known = new std::set<std::string, std::less<>>;  // guarded by mutex
  std::lock_guard lock(mutex);
  if (known->find(type) != known->end()) return std::string(type);
  if (known->size() >= kMaxTypeLabels) return "other";
  return *known->emplace(type).first;
}

}  // namespace

void CountEvent(std::string_view type, std::string_view outcome) {
  telemetry::GetCounter("billmesh_webhook_events_total", "Events by type and what became of them",
                        {{"type", TypeLabel(type)}, {"outcome", std::string(outcome)}})
      .Add();
}

void CountSignatureFailure(const std::string& cause) {
  telemetry::GetCounter("billmesh_webhook_signature_failures_total", "Deliveries refused for their signature",
                        {{"cause", cause}})
      .Add();
  telemetry::Guardrail(kSignatureFailure, {{"cause", cause}});
}

void CountBatch(size_t events) {
  static auto& batches =
      telemetry::GetCounter("billmesh_webhook_batches_total", "Transactions that stored and applied events");
  static auto& batched = telemetry::GetCounter("billmesh_webhook_batched_events_total", "Events in those transactions");
  batches.Add();
  batched.Add(static_cast<double>(events));
}

void CountProjected(std::string_view kind, std::string_view outcome) {
  telemetry::GetCounter("billmesh_webhook_projected_objects_total", "Fetched objects and what became of them",
                        {{"kind", std::string(kind)}, {"outcome", std::string(outcome)}})
      .Add();
}

void ObserveLag(absl::Duration lag) {
  static auto& seconds =
      telemetry::GetHistogram("billmesh_webhook_lag_seconds", "From an event's receipt to the commit that applied it");
  seconds.Observe(absl::ToDoubleSeconds(lag));
}

void SetClockSkew(absl::Duration skew) {
  static auto& seconds = telemetry::GetGauge("billmesh_webhook_clock_skew_seconds",
                                             "The provider's signing time minus this clock, last delivery");
  seconds.Set(absl::ToDoubleSeconds(skew));
}

void CountTie() {
  static auto& ties =
      telemetry::GetCounter("billmesh_webhook_ties_total",
                            "Objects whose truth the provider had to be asked for: only ids told apart what was known");
  ties.Add();
}

void SetStoredEvents(std::string_view status, int64_t count) {
  telemetry::GetGauge("billmesh_webhook_stored_events", "Stored events that aren't done with, by status",
                      {{"status", std::string(status)}})
      .Set(static_cast<double>(count));
}

void SetOldestDue(absl::Duration age) {
  static auto& seconds =
      telemetry::GetGauge("billmesh_webhook_oldest_due_seconds",
                          "How long the longest waiting event has been due; one set aside, since it came");
  seconds.Set(absl::ToDoubleSeconds(age));
}

}  // namespace billmesh::webhook
