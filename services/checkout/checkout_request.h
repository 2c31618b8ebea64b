// What a buyer orders: checked, in canonical form, fingerprinted (IDM-2). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::checkout {

struct CheckoutOrder {
  std::string plan_code;
  std::string success_path;
  std::string cancel_path;
  int64_t seats = 0;  // 0: the plan's minimum
};

inline constexpr size_t kMaxClientKey = 255;
inline constexpr size_t kMaxPlanCode = 128;
inline constexpr int64_t kMaxSeats = 1'000'000;

// IDEMPOTENCY_KEY_REQUIRED for an empty key, INVALID_ARGUMENT (field) unless printable ASCII within bounds.
absl::Status CheckClientKey(std::string_view client_key);
// INVALID_ARGUMENT (field plan_code) unless it is printable ASCII within bounds.
absl::Status CheckPlanCode(std::string_view plan_code);
// INVALID_ARGUMENT or REDIRECT_PATH_INVALID, with the field.
absl::Status CheckOrder(const CheckoutOrder& order);

// The canonical form: equal orders give equal bytes. INVALID_ARGUMENT for text that isn't UTF-8.
absl::StatusOr<std::string> EncodeOrder(const CheckoutOrder& order);
absl::StatusOr<CheckoutOrder> DecodeOrder(std::string_view canonical);

// Hex SHA-256 of a canonical request.
std::string Fingerprint(std::string_view canonical_request);

// The recorded answer of a successful checkout, replayed as it is.
struct CheckoutAnswer {
  std::string operation;
  std::string url;  // empty when the session was no longer open
  std::string checkout_session_id;
  int64_t expires_at_unix_seconds = 0;
};
absl::StatusOr<std::string> EncodeAnswer(const CheckoutAnswer& answer);
absl::StatusOr<CheckoutAnswer> DecodeAnswer(std::string_view canonical);

}  // namespace billmesh::checkout
