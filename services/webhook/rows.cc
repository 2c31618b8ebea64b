#include "services/webhook/rows.h"

#include "services/webhook/row_digest.h"
#include "services/webhook/word_table.h"

namespace billmesh::webhook {
namespace {

template <typename Rows>
bool AnyContentChanged(const Rows& rows) {
  for (const auto& row : rows) {
    if (row.ContentChanged()) return true;
  }
  return false;
}

}  // namespace

const SubscriptionStatusRow* FindSubscriptionWord(std::string_view word) {
  return FindWord(kSubscriptionStatuses, word);
}
const SubscriptionStatusRow& RowOf(SubscriptionStatus status) { return FindStatus(kSubscriptionStatuses, status); }
SubscriptionStatus SubscriptionStatusFromName(std::string_view stored) {
  return FindName(kSubscriptionStatuses, stored).status;
}
const InvoiceStatusRow* FindInvoiceWord(std::string_view word) { return FindWord(kInvoiceStatuses, word); }
const InvoiceStatusRow& RowOf(InvoiceStatus status) { return FindStatus(kInvoiceStatuses, status); }
InvoiceStatus InvoiceStatusFromName(std::string_view stored) { return FindName(kInvoiceStatuses, stored).status; }

bool EntityState::ContentChanged() const {
  return AnyContentChanged(subscriptions) || AnyContentChanged(sessions) || AnyContentChanged(invoices) ||
         AnyContentChanged(payments) || AnyContentChanged(refunds) || AnyContentChanged(disputes) ||
         AnyContentChanged(credit_notes) || AnyContentChanged(customers) || AnyContentChanged(payment_methods);
}

std::string DigestOf(const SubscriptionRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_subscription_id).Add(row.provider_customer_id).Add(row.operation_key);
  digest.Add(RowOf(row.status).name).Add(int64_t{row.is_current}).Add(int64_t{row.cancel_at_period_end});
  digest.Add(int64_t{row.collection_paused}).Add(row.cancel_at).Add(row.canceled_at).Add(row.ended_at);
  digest.Add(row.trial_start).Add(row.trial_end).Add(row.provider_created_at).Add(row.latest_invoice_id);
  for (const ItemRow& item : row.items) {
    digest.Add(item.provider_item_id).Add(item.provider_price_id).Add(item.quantity);
    digest.Add(item.period_start).Add(item.period_end);
  }
  return digest.Hex();
}

std::string DigestOf(const SessionRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.operation_key).Add(row.provider_session_id).Add(row.provider_customer_id);
  digest.Add(row.provider_subscription_id).Add(row.mode).Add(checkout::NameOf(row.status)).Add(row.plan_code);
  digest.Add(row.plan_version).Add(row.url).Add(row.expires_at).Add(row.late_paid_at);
  return digest.Hex();
}

std::string DigestOf(const InvoiceRow& row) {
  Digest digest;
  digest.Add(row.entity_id)
      .Add(row.provider_invoice_id)
      .Add(row.provider_customer_id)
      .Add(row.provider_subscription_id);
  digest.Add(row.number).Add(RowOf(row.status).name).Add(row.currency).Add(row.total_minor).Add(row.amount_due_minor);
  digest.Add(row.amount_paid_minor).Add(row.amount_remaining_minor).Add(row.attempt_count).Add(row.billing_reason);
  digest.Add(row.period_start).Add(row.period_end).Add(row.hosted_invoice_url).Add(row.provider_created_at);
  return digest.Hex();
}

}  // namespace billmesh::webhook
