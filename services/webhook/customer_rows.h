// Customers at the provider and how they can pay, as values (PRT-5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "services/webhook/tracked.h"

namespace billmesh::webhook {

struct CustomerRow {
  std::string id;
  std::string entity_id;
  std::string provider_customer_id;
  std::optional<std::string> default_payment_method_id;
  // When we were told so; the provider doesn't say when it was.
  std::optional<absl::Time> deleted_at;
  Version version;
  friend bool operator==(const CustomerRow&, const CustomerRow&) = default;
};

struct PaymentMethodRow {
  std::string id;
  std::string entity_id;
  std::string provider_payment_method_id;
  std::string provider_customer_id;  // that it is attached to, or was last
  std::string type;
  std::optional<std::string> brand, last4;
  std::optional<int64_t> exp_month, exp_year;
  std::optional<std::string> wallet;
  absl::Time provider_created_at;
  // When we were told so.
  std::optional<absl::Time> detached_at;
  Version version;
  friend bool operator==(const PaymentMethodRow&, const PaymentMethodRow&) = default;
};

inline Stage StageOf(const CustomerRow& row) { return row.deleted_at.has_value() ? Stage::kEnded : Stage::kLive; }
// What is detached can't be attached again (https://docs.stripe.com/api/payment_methods/detach).
inline Stage StageOf(const PaymentMethodRow& row) { return row.detached_at.has_value() ? Stage::kEnded : Stage::kLive; }

// Hex SHA-256 of a row's content (for the audit log): equal for equal content, versions and our own ids apart.
std::string DigestOf(const CustomerRow& row);
std::string DigestOf(const PaymentMethodRow& row);

}  // namespace billmesh::webhook
