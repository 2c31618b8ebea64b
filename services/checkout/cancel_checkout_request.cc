#include "services/checkout/cancel_checkout_request.h"

#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/order_fields.h"

namespace billmesh::checkout {

absl::Status CheckOrder(const CancelCheckoutOrder& order) {
  if (!order.operation.empty()) return absl::OkStatus();
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "operation is required", {{"field", "operation"}});
}

absl::StatusOr<std::string> EncodeOrder(const CancelCheckoutOrder& order) {
  return json::Canonical({{"operation", order.operation}});
}

absl::StatusOr<CancelCheckoutOrder> DecodeCancelCheckoutOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json order, json::Parse(canonical));
  return CancelCheckoutOrder{TextOf(order, "operation")};
}

absl::StatusOr<std::string> EncodeAnswer(const CancelCheckoutAnswer& answer) {
  return json::Canonical(
      {{"operation", answer.operation}, {"session_status", std::string(NameOf(answer.session_status))}});
}

absl::StatusOr<CancelCheckoutAnswer> DecodeCancelCheckoutAnswer(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json answer, json::Parse(canonical));
  const auto status = ParseSessionStatus(TextOf(answer, "session_status"));
  if (!status.has_value()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "a recorded cancellation has no session status that we know",
                {{"field", "session_status"}});
  }
  return CancelCheckoutAnswer{TextOf(answer, "operation"), *status};
}

}  // namespace billmesh::checkout
