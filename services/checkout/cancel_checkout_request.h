// What cancelling a checkout asks for and answers: checked and in canonical form (IDM-2, CHK-12). Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/checkout/session_status.h"

namespace billmesh::checkout {

struct CancelCheckoutOrder {
  std::string operation;  // the checkout's id
};

// INVALID_ARGUMENT (field operation) where it is empty. An id that is none of the entity's is NOT_FOUND, later.
absl::Status CheckOrder(const CancelCheckoutOrder& order);

// The canonical form: equal orders give equal bytes. INVALID_ARGUMENT for text that isn't UTF-8.
absl::StatusOr<std::string> EncodeOrder(const CancelCheckoutOrder& order);
absl::StatusOr<CancelCheckoutOrder> DecodeCancelCheckoutOrder(std::string_view canonical);

// The recorded answer, replayed as it is.
struct CancelCheckoutAnswer {
  std::string operation;  // the checkout's id
  // EXPIRED when it was cancelled, a completed state when it had been paid first.
  SessionStatus session_status = SessionStatus::kExpired;
};
absl::StatusOr<std::string> EncodeAnswer(const CancelCheckoutAnswer& answer);
// INVALID_ARGUMENT where the document holds no such answer.
absl::StatusOr<CancelCheckoutAnswer> DecodeCancelCheckoutAnswer(std::string_view canonical);

}  // namespace billmesh::checkout
