// One client write as it is stored (IDM): the row of request_idempotency, and what is answered.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/time/time.h"
#include "common/lease/lease.h"
#include "common/status/status.h"

namespace billmesh::checkout {

enum class OperationStatus { kPending, kSucceeded, kFailed, kExpired };

inline constexpr std::array<std::pair<OperationStatus, std::string_view>, 4> kOperationStatusNames = {{
    {OperationStatus::kPending, "pending"},
    {OperationStatus::kSucceeded, "succeeded"},
    {OperationStatus::kFailed, "failed"},
    {OperationStatus::kExpired, "expired"},
}};

// As stored.
constexpr std::string_view NameOf(OperationStatus status) {
  for (const auto& [known, name] : kOperationStatusNames) {
    if (known == status) return name;
  }
  return "";
}

constexpr std::optional<OperationStatus> ParseOperationStatus(std::string_view name) {
  for (const auto& [status, known] : kOperationStatusNames) {
    if (known == name) return status;
  }
  return std::nullopt;
}

struct Operation {
  std::string id;
  std::string env;
  std::string entity_id;
  std::string action;
  std::string client_key;
  std::string fingerprint;        // hex SHA-256 of canonical_request
  std::string canonical_request;  // canonical JSON, the action's own
  std::string operation_key;      // what the provider's metadata carry
  std::string actor;
  OperationStatus status = OperationStatus::kPending;
  lease::Lease lease;        // nobody's once it ended
  std::string failure_code;  // of failed and expired ones
  std::string response;      // of succeeded ones: canonical JSON
  std::string provider;
  std::string plan_code;  // empty for actions without a plan
  int64_t plan_version = 0;
  std::optional<absl::Time> replay_deadline_at;
  std::optional<absl::Time> session_expires_at_upper_bound;
  int64_t recovery_attempts = 0;
  absl::Time created_at;
  std::optional<absl::Time> completed_at;
};

// A business outcome that isn't success: a value, so that the transaction that found it commits.
struct Refusal {
  Reason reason = Reason::FAILURE_REASON_UNSPECIFIED;
  std::string message;
  Metadata metadata = {};
};

// What the client is told: the response's canonical JSON, or a refusal.
using Answer = std::variant<std::string, Refusal>;

}  // namespace billmesh::checkout
