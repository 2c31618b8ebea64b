#include "services/checkout/account_read_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

// The keyset's parameters: both NULL for the first page.
db::Param TimeOf(const std::optional<PagePlace>& place) {
  return place.has_value() ? db::Param(place->created_at) : db::Param(std::nullopt);
}
db::Param IdOf(const std::optional<PagePlace>& place) {
  return place.has_value() ? db::Param(place->id) : db::Param(std::nullopt);
}

std::vector<PaymentMethodRow> MethodsOf(const db::Result& result) {
  std::vector<PaymentMethodRow> methods;
  methods.reserve(static_cast<size_t>(result.size()));
  for (int n = 0; n < result.size(); ++n) {
    const db::Row row = result[n];
    methods.push_back({row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.OptInt(4), row.OptInt(5), row.Text(6),
                       row.Bool(7), row.Time(8)});
  }
  return methods;
}

}  // namespace

absl::StatusOr<int64_t> ReadRevision(db::Tx& tx, std::string_view entity_id) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT e.revision FROM billing.entities e WHERE e.id = $1
  )sql",
                                                    {entity_id}));
  if (result.empty()) return Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity");
  return result[0].Int(0);
}

absl::StatusOr<std::optional<CustomerRow>> ReadLiveCustomer(db::Tx& tx, std::string_view entity_id) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT l.provider, l.created_at
    FROM billing.entity_customers l
    LEFT JOIN billing.customers c
      ON c.provider = l.provider AND c.provider_customer_id = l.provider_customer_id AND c.entity_id = l.entity_id
    WHERE l.entity_id = $1 AND l.ended_at IS NULL AND c.deleted_at IS NULL
    ORDER BY l.created_at DESC, l.id DESC
    LIMIT 1
  )sql",
                                                    {entity_id}));
  if (result.empty()) return std::optional<CustomerRow>();
  return std::optional<CustomerRow>(CustomerRow{result[0].Text(0), result[0].Time(1)});
}

absl::StatusOr<std::vector<InvoiceRow>> ReadInvoices(db::Tx& tx, std::string_view entity_id,
                                                     const std::optional<PagePlace>& after, int limit) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT i.id, coalesce(i.number, ''), i.status, i.currency, i.total_minor, i.amount_due_minor, i.amount_paid_minor,
           i.amount_remaining_minor, coalesce(i.billing_reason, ''), i.period_start, i.period_end,
           coalesce(i.hosted_invoice_url, ''), i.provider_created_at
    FROM billing.invoices i
    WHERE i.entity_id = $1
      AND (i.provider_created_at, i.id) < (coalesce($2::timestamptz, 'infinity'),
                                           coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY i.provider_created_at DESC, i.id DESC
    LIMIT $4
  )sql",
                                                    {entity_id, TimeOf(after), IdOf(after), limit}));
  std::vector<InvoiceRow> invoices;
  invoices.reserve(static_cast<size_t>(result.size()));
  for (int n = 0; n < result.size(); ++n) {
    const db::Row row = result[n];
    invoices.push_back({row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Int(4), row.Int(5), row.Int(6),
                        row.Int(7), row.Text(8), row.OptTime(9), row.OptTime(10), row.Text(11), row.Time(12)});
  }
  return invoices;
}

absl::StatusOr<std::vector<PaymentRow>> ReadNewestPayments(db::Tx& tx, std::string_view entity_id, int limit) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT p.id, p.status, p.currency, p.amount_minor, p.amount_refunded_minor, coalesce(p.failure_code, ''),
           coalesce(d.status, ''), coalesce(i.id::text, ''), coalesce(p.item_code, ''), p.provider_created_at
    FROM billing.payments p
    LEFT JOIN billing.invoices i
      ON i.provider = p.provider AND i.provider_invoice_id = p.provider_invoice_id AND i.entity_id = p.entity_id
    LEFT JOIN LATERAL (
      SELECT d.status
      FROM billing.disputes d
      WHERE d.provider = p.provider AND d.provider_payment_id = p.provider_payment_id AND d.entity_id = p.entity_id
      ORDER BY d.provider_created_at DESC, d.id DESC
      LIMIT 1
    ) d ON true
    WHERE p.entity_id = $1
    ORDER BY p.provider_created_at DESC, p.id DESC
    LIMIT $2
  )sql",
                                                    {entity_id, limit}));
  std::vector<PaymentRow> payments;
  for (int n = 0; n < result.size(); ++n) {
    const db::Row row = result[n];
    payments.push_back({row.Text(0), row.Text(1), row.Text(2), row.Int(3), row.Int(4), row.Text(5), row.Text(6),
                        row.Text(7), row.Text(8), row.Time(9)});
  }
  return payments;
}

absl::StatusOr<std::vector<PaymentMethodRow>> ReadPaymentMethods(db::Tx& tx, std::string_view entity_id,
                                                                 const std::optional<PagePlace>& after, int limit) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT m.id, m.type, coalesce(m.brand, ''), coalesce(m.last4, ''), m.exp_month, m.exp_year, coalesce(m.wallet, ''),
           coalesce(c.provider_default_payment_method_id = m.provider_payment_method_id, false), m.provider_created_at
    FROM billing.payment_methods m
    JOIN billing.entity_customers l
      ON l.provider = m.provider AND l.provider_customer_id = m.provider_customer_id AND l.entity_id = m.entity_id
    LEFT JOIN billing.customers c
      ON c.provider = l.provider AND c.provider_customer_id = l.provider_customer_id AND c.entity_id = l.entity_id
    WHERE m.entity_id = $1 AND m.detached_at IS NULL AND l.ended_at IS NULL AND c.deleted_at IS NULL
      AND (m.provider_created_at, m.id) < (coalesce($2::timestamptz, 'infinity'),
                                           coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY m.provider_created_at DESC, m.id DESC
    LIMIT $4
  )sql",
                                                    {entity_id, TimeOf(after), IdOf(after), limit}));
  return MethodsOf(result);
}

absl::StatusOr<std::vector<PaymentMethodRow>> ReadPaymentMethodsDefaultFirst(db::Tx& tx, std::string_view entity_id,
                                                                             int limit) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT m.id, m.type, coalesce(m.brand, ''), coalesce(m.last4, ''), m.exp_month, m.exp_year, coalesce(m.wallet, ''),
           coalesce(c.provider_default_payment_method_id = m.provider_payment_method_id, false) AS is_default,
           m.provider_created_at
    FROM billing.payment_methods m
    JOIN billing.entity_customers l
      ON l.provider = m.provider AND l.provider_customer_id = m.provider_customer_id AND l.entity_id = m.entity_id
    LEFT JOIN billing.customers c
      ON c.provider = l.provider AND c.provider_customer_id = l.provider_customer_id AND c.entity_id = l.entity_id
    WHERE m.entity_id = $1 AND m.detached_at IS NULL AND l.ended_at IS NULL AND c.deleted_at IS NULL
    ORDER BY is_default DESC, m.provider_created_at DESC, m.id DESC
    LIMIT $2
  )sql",
                                                    {entity_id, limit}));
  return MethodsOf(result);
}

}  // namespace billmesh::checkout
