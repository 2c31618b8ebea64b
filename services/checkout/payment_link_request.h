// What a payment link asks for and answers: checked and in canonical form (IDM-2, PRT-2). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::checkout {

inline constexpr size_t kMaxItemCode = 128;
inline constexpr size_t kMaxAdHocName = 250;  // characters
inline constexpr int64_t kMaxAdHocAmount = 99'999'999;
inline constexpr int64_t kMaxLinkQuantity = 1000;

// An amount of the caller's own.
struct AdHocItem {
  std::string name;
  int64_t unit_amount_minor = 0;
  std::string currency;  // ISO 4217, lower case
};

// Exactly one of item_code and ad_hoc.
struct PaymentLinkOrder {
  std::string item_code;  // of a one-off item of the catalog
  std::optional<AdHocItem> ad_hoc;
  int64_t quantity = 0;      // 0 means 1
  std::string success_path;  // empty: the provider's own page
};

// INVALID_ARGUMENT or REDIRECT_PATH_INVALID, with the field. Whether the currency is the deployment's is asked later.
absl::Status CheckOrder(const PaymentLinkOrder& order);

// The canonical form: equal orders give equal bytes (quantity 0 is 1). INVALID_ARGUMENT for text that isn't UTF-8.
absl::StatusOr<std::string> EncodeOrder(const PaymentLinkOrder& order);
absl::StatusOr<PaymentLinkOrder> DecodePaymentLinkOrder(std::string_view canonical);

// The recorded answer, replayed as it is.
struct PaymentLinkAnswer {
  std::string operation;
  std::string url;
};
absl::StatusOr<std::string> EncodeAnswer(const PaymentLinkAnswer& answer);
absl::StatusOr<PaymentLinkAnswer> DecodePaymentLinkAnswer(std::string_view canonical);

}  // namespace billmesh::checkout
