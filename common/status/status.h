// Errors with a reason. Every fault or refusal of the API is an absl::Status that carries a FailureReason and metadata; how a
// reason is answered (gRPC code, HTTP status, retryable) stands once, in failure_reason.proto. Rendering to HTTP happens
// only at the edge. All functions are thread safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "billing/types/v1/failure_reason.pb.h"
#include "common/status/strings.h"

namespace billmesh {

using Reason = billing::types::v1::FailureReason;
using Metadata = std::map<std::string, std::string>;

// The domain of our ErrorInfo details.
inline constexpr char kErrorDomain[] = "billmesh";

// How a reason is answered; see billing.types.v1.FailureRule.
struct FailureRule {
  std::string code;
  absl::StatusCode grpc_code;
  int http_status;
  bool retryable;
};

// A status of the reason's canonical code. The message is for people and must hold no secret; metadata are for programs.
absl::Status Fail(Reason reason, std::string_view message, Metadata metadata = {});

// The reason of a status; FAILURE_REASON_UNSPECIFIED for OK and for errors made elsewhere.
Reason ReasonOf(const absl::Status& status);
Metadata MetadataOf(const absl::Status& status);

// The rule of a reason; that of FAILURE_REASON_UNSPECIFIED for an unknown number.
const FailureRule& RuleOf(Reason reason);
// The reason whose code this is, UNSPECIFIED if none ("checkout_in_progress" → CHECKOUT_IN_PROGRESS).
Reason ReasonFromCode(std::string_view code);
// Shorthand for RuleOf(reason).code.
const std::string& CodeOf(Reason reason);

// Whether the same request may succeed later with nothing else changed.
inline bool IsRetryable(const absl::Status& status) { return RuleOf(ReasonOf(status)).retryable; }

}  // namespace billmesh

#define BILLMESH_CONCAT_INNER(a, b) a##b
#define BILLMESH_CONCAT(a, b) BILLMESH_CONCAT_INNER(a, b)

// Returns the error of a Status expression from the enclosing function.
#define RETURN_IF_ERROR(expr)                             \
  do {                                                    \
    if (absl::Status status_ = (expr); !status_.ok()) {   \
      return status_;                                     \
    }                                                     \
  } while (false)

// ASSIGN_OR_RETURN(auto x, StatusOrExpression());
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_IMPL(BILLMESH_CONCAT(statusor_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) {                            \
    return tmp.status();                      \
  }                                           \
  lhs = std::move(tmp).value()
