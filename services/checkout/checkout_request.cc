#include "services/checkout/checkout_request.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/order_fields.h"
#include "services/checkout/redirect_path.h"

namespace billmesh::checkout {
namespace {

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
}

absl::Status CheckPath(std::string_view path, const char* field) {
  if (path.empty()) return InvalidField(field, "is required");
  return JoinRedirect("", path, field).status();
}

}  // namespace

absl::Status CheckClientKey(std::string_view client_key) {
  if (client_key.empty()) {
    return Fail(Reason::FAILURE_REASON_IDEMPOTENCY_KEY_REQUIRED, "this write needs an Idempotency-Key");
  }
  if (client_key.size() > kMaxClientKey || !IsPrintable(client_key)) {
    return InvalidField("idempotency_key", "must be 1 to 255 printable ASCII characters");
  }
  return absl::OkStatus();
}

absl::Status CheckPlanCode(std::string_view plan_code) {
  if (plan_code.empty()) return InvalidField("plan_code", "is required");
  if (plan_code.size() > kMaxPlanCode || !IsPrintable(plan_code)) {
    return InvalidField("plan_code", "must be at most 128 printable ASCII characters");
  }
  return absl::OkStatus();
}

absl::Status CheckOrder(const CheckoutOrder& order) {
  RETURN_IF_ERROR(CheckPlanCode(order.plan_code));
  if (order.seats < 0 || order.seats > kMaxSeats) return InvalidField("seats", "must be 0 to 1000000");
  RETURN_IF_ERROR(CheckPath(order.success_path, "success_path"));
  return CheckPath(order.cancel_path, "cancel_path");
}

absl::StatusOr<std::string> EncodeOrder(const CheckoutOrder& order) {
  return json::Canonical({{"plan_code", order.plan_code},
                          {"success_path", order.success_path},
                          {"cancel_path", order.cancel_path},
                          {"seats", order.seats}});
}

absl::StatusOr<CheckoutOrder> DecodeOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json order, json::Parse(canonical));
  return CheckoutOrder{TextOf(order, "plan_code"), TextOf(order, "success_path"), TextOf(order, "cancel_path"),
                       IntegerOf(order, "seats")};
}

std::string Fingerprint(std::string_view canonical_request) { return crypto::Sha256Hex(canonical_request); }

absl::StatusOr<std::string> EncodeAnswer(const CheckoutAnswer& answer) {
  return json::Canonical({{"operation", answer.operation},
                          {"url", answer.url},
                          {"checkout_session_id", answer.checkout_session_id},
                          {"expires_at", answer.expires_at_unix_seconds}});
}

absl::StatusOr<CheckoutAnswer> DecodeAnswer(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json answer, json::Parse(canonical));
  return CheckoutAnswer{TextOf(answer, "operation"), TextOf(answer, "url"), TextOf(answer, "checkout_session_id"),
                        IntegerOf(answer, "expires_at")};
}

}  // namespace billmesh::checkout
