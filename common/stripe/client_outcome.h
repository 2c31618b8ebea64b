// What an answer of the provider proves (IDM-8), and whether it is worth asking again. Pure tables.
#pragma once

#include <optional>
#include <string_view>

#include "common/http/client.h"
#include "common/provider/payment_provider.h"

namespace billmesh::stripe {

// The `type` of an error body.
enum class ErrorType {
  kNone,  // no error object in the body: what answered may not even be the provider
  kApiError,
  kCardError,
  kIdempotencyError,
  kInvalidRequestError,
  kOther,
};
ErrorType ParseErrorType(std::string_view type);

struct Answer {
  http::TransportFailure transport = http::TransportFailure::kNone;
  int status = 0;
  // A 2xx body that is a whole JSON object.
  bool readable = false;
  ErrorType error_type = ErrorType::kNone;
  // The Stripe-Should-Retry header, where it came.
  std::optional<bool> should_retry;
  // The Retry-After header came.
  bool has_retry_after = false;
};

// Of a write, `earlier_unknown` says that a sending of the same request went out before and nobody
// knows what became of it: a refusal of this one then proves nothing. Reads change nothing, so that
// for them it is always false.
provider::Outcome ClassifyAnswer(const Answer& answer, bool earlier_unknown);

// The official client's order: obey Stripe-Should-Retry; then connection errors, 409, 5xx; and 429
// where the provider says when to come back.
bool ShouldRetry(const Answer& answer);

}  // namespace billmesh::stripe
