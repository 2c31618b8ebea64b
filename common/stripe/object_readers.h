// Readers of Stripe's objects, for both API shapes (before and after the changes of 2025). Tolerant of unknown fields,
// unknown words, missing optional fields and expanded references (`customer` may be an id or an object); strict about
// types and sizes. Each takes the object's JSON, as an answer or list holds it. Thread safe; never throw. Errors:
// invalid_argument naming the field ("items.data[0].price: missing"), never a value.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "common/provider/objects.h"

namespace billmesh::stripe {

// Bounds of what is read; above them is an error.
inline constexpr size_t kMaxJsonBytes = 1 << 20;
inline constexpr int kMaxJsonDepth = 64;
inline constexpr size_t kMaxIdBytes = 255;
inline constexpr size_t kMaxTextBytes = 500;
inline constexpr size_t kMaxUrlBytes = 5000;
inline constexpr size_t kMaxItems = 100;

absl::StatusOr<provider::CheckoutSession> ReadCheckoutSession(std::string_view json);
absl::StatusOr<provider::Subscription> ReadSubscription(std::string_view json);
absl::StatusOr<provider::Invoice> ReadInvoice(std::string_view json);
// Of any kind that we read (object_format.h).
absl::StatusOr<provider::Object> ReadObject(std::string_view kind, std::string_view json);

}  // namespace billmesh::stripe
