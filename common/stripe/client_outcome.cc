#include "common/stripe/client_outcome.h"

#include <algorithm>
#include <array>
#include <utility>

namespace billmesh::stripe {
namespace {

using http::TransportFailure;
using provider::Outcome;

constexpr std::array<std::pair<std::string_view, ErrorType>, 4> kErrorTypes = {{
    {"api_error", ErrorType::kApiError},
    {"card_error", ErrorType::kCardError},
    {"idempotency_error", ErrorType::kIdempotencyError},
    {"invalid_request_error", ErrorType::kInvalidRequestError},
}};

// Statuses with which the provider refuses a request before anything is made. Not here, because
// nothing follows from them: 401 and 403 (our key, not the request), 408, 424, 425 and 429 (come
// back), 409 (another request with the key may be running), and everything that isn't listed.
constexpr std::array kRefusingStatuses = {400, 402, 404, 405, 406, 410, 411, 413, 414, 415, 422};
// Error types that come with such a refusal. idempotency_error means that the key was used before.
constexpr std::array kRefusingTypes = {ErrorType::kCardError, ErrorType::kInvalidRequestError};

template <typename Range, typename Value>
bool Contains(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

}  // namespace

ErrorType ParseErrorType(std::string_view type) {
  if (type.empty()) return ErrorType::kNone;
  for (const auto& [name, value] : kErrorTypes) {
    if (name == type) return value;
  }
  return ErrorType::kOther;
}

Outcome ClassifyAnswer(const Answer& answer, bool earlier_unknown) {
  if (answer.transport != TransportFailure::kNone) return Outcome::kUnknown;
  if (answer.status >= 200 && answer.status < 300) {
    return answer.readable ? Outcome::kSuccess : Outcome::kUnknown;
  }
  const bool refused = Contains(kRefusingStatuses, answer.status) && Contains(kRefusingTypes, answer.error_type);
  return refused && !earlier_unknown ? Outcome::kRejected : Outcome::kUnknown;
}

bool ShouldRetry(const Answer& answer) {
  if (answer.transport != TransportFailure::kNone) return true;
  if (answer.should_retry.has_value()) return *answer.should_retry;
  if (answer.status >= 200 && answer.status < 300) return !answer.readable;
  if (answer.status == 429) return answer.has_retry_after;
  return answer.status == 409 || answer.status >= 500;
}

}  // namespace billmesh::stripe
