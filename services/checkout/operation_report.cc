#include "services/checkout/operation_report.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "common/audit/digest.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"

namespace billmesh::checkout {

void CountOutcome(const std::string& action, const std::string& outcome) {
  telemetry::GetCounter("billmesh_checkout_operations_total", "Client writes by action and outcome",
                        {{"action", action}, {"outcome", outcome}})
      .Add();
}

void LogOutcome(const Action& action, const WriteRequest& request, const std::string& operation_key,
                const Answer& answer, bool replayed) {
  const auto* refusal = std::get_if<Refusal>(&answer);
  std::vector<telemetry::Field> fields = {
      {"action", action.name()}, {"entity_id", request.entity_id}, {"replayed", replayed ? "true" : "false"}};
  if (!operation_key.empty()) fields.emplace_back("operation_key", operation_key);
  if (refusal != nullptr) fields.emplace_back("code", CodeOf(refusal->reason));
  telemetry::LogFields(telemetry::Level::kInfo, refusal == nullptr ? "operation succeeded" : "operation refused",
                       fields);
}

std::optional<std::string> DigestOf(const Operation* operation) {
  if (operation == nullptr) return std::nullopt;
  const Operation& o = *operation;
  return audit::Digest({{"id", o.id},
                        {"entity_id", o.entity_id},
                        {"action", o.action},
                        {"operation_key", o.operation_key},
                        {"fingerprint", o.fingerprint},
                        {"provider", o.provider},
                        {"plan_code", o.plan_code},
                        {"plan_version", absl::StrCat(o.plan_version)},
                        {"status", std::string(NameOf(o.status))},
                        {"failure_code", o.failure_code},
                        {"response", o.response}});
}

}  // namespace billmesh::checkout
