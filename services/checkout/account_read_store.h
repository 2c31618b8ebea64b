// What an entity has, as its snapshot and its lists show it (PRT-5, PRT-7). Tenant scope: row-level security keeps
// every function within the bound entity. All take an open transaction and never begin or commit one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/checkout/account_page.h"

namespace billmesh::checkout {

struct CustomerRow {
  std::string provider;
  absl::Time linked_at;
};

struct InvoiceRow {
  std::string id;
  std::string number;
  std::string status;
  std::string currency;
  int64_t total_minor = 0;
  int64_t amount_due_minor = 0;
  int64_t amount_paid_minor = 0;
  int64_t amount_remaining_minor = 0;
  std::string billing_reason;
  std::optional<absl::Time> period_start;
  std::optional<absl::Time> period_end;
  std::string hosted_url;
  absl::Time created_at;  // the provider's
};

struct PaymentRow {
  std::string id;
  std::string status;
  std::string currency;
  int64_t amount_minor = 0;
  int64_t amount_refunded_minor = 0;
  std::string failure_code;
  std::string dispute_status;
  std::string invoice_id;
  std::string item_code;
  absl::Time created_at;  // the provider's
};

struct PaymentMethodRow {
  std::string id;
  std::string type;
  std::string brand;
  std::string last4;
  std::optional<int64_t> exp_month;
  std::optional<int64_t> exp_year;
  std::string wallet;
  bool is_default = false;
  absl::Time created_at;  // the provider's
};

// The entity's revision: whoever changes what an entity has raises it in the same transaction. So two readings that
// agree tell that all statements between them saw one state.
absl::StatusOr<int64_t> ReadRevision(db::Tx& tx, std::string_view entity_id);

// The live customer; none where the provider has deleted it.
absl::StatusOr<std::optional<CustomerRow>> ReadLiveCustomer(db::Tx& tx, std::string_view entity_id);

// Newest first, at most `limit`, from below `after` on.
absl::StatusOr<std::vector<InvoiceRow>> ReadInvoices(db::Tx& tx, std::string_view entity_id,
                                                     const std::optional<PagePlace>& after, int limit);
absl::StatusOr<std::vector<PaymentRow>> ReadNewestPayments(db::Tx& tx, std::string_view entity_id, int limit);

// Attached methods of the live customer.
absl::StatusOr<std::vector<PaymentMethodRow>> ReadPaymentMethods(db::Tx& tx, std::string_view entity_id,
                                                                 const std::optional<PagePlace>& after, int limit);
// The same, but the default one comes first.
absl::StatusOr<std::vector<PaymentMethodRow>> ReadPaymentMethodsDefaultFirst(db::Tx& tx, std::string_view entity_id,
                                                                             int limit);

}  // namespace billmesh::checkout
