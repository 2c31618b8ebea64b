#include "services/checkout/cancel_checkout_request.h"

#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::checkout {
namespace {

// A member of a document; empty where it has none of the type.
std::string Text(const nlohmann::json& document, const char* name) {
  const auto it = document.find(name);
  return it != document.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

absl::Status CheckOrder(const CancelCheckoutOrder& order) {
  if (!order.operation.empty()) return absl::OkStatus();
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "operation is required", {{"field", "operation"}});
}

absl::StatusOr<std::string> EncodeOrder(const CancelCheckoutOrder& order) {
  return json::Canonical({{"operation", order.operation}});
}

absl::StatusOr<CancelCheckoutOrder> DecodeCancelCheckoutOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json order, json::Parse(canonical));
  return CancelCheckoutOrder{Text(order, "operation")};
}

absl::StatusOr<std::string> EncodeAnswer(const CancelCheckoutAnswer& answer) {
  return json::Canonical(
      {{"operation", answer.operation}, {"session_status", std::string(NameOf(answer.session_status))}});
}

absl::StatusOr<CancelCheckoutAnswer> DecodeCancelCheckoutAnswer(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json answer, json::Parse(canonical));
  const auto status = ParseSessionStatus(Text(answer, "session_status"));
  if (!status.has_value()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "a recorded cancellation has no session status that we know",
                {{"field", "session_status"}});
  }
  return CancelCheckoutAnswer{Text(answer, "operation"), *status};
}

}  // namespace billmesh::checkout
