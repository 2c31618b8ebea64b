#include "services/webhook/customer_store.h"

#include "common/status/status.h"
#include "services/webhook/column.h"
#include "services/webhook/tracked_rows.h"

namespace billmesh::webhook {
namespace {

using db::Param;
using Ids = std::vector<std::string>;
using States = std::map<std::string, EntityState>;

void QueueCustomerRows(db::Tx& tx, std::string_view provider, const Ids& entity_ids, const Ids& touched,
                       States& states) {
  if (touched.empty()) return;
  tx.Queue(R"sql(
    SELECT c.id, c.entity_id, c.provider_customer_id, c.provider_default_payment_method_id, c.deleted_at,
           c.provider_updated_at, c.provider_event_id
    FROM billing.customers c
    WHERE c.entity_id = ANY ($2::uuid[]) AND c.provider = $1 AND c.provider_customer_id = ANY ($3::text[])
    ORDER BY c.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)}, [&states](const db::Result& rows) {
             for (int i = 0; i < rows.size(); ++i) {
               const db::Row r = rows[i];
               Keep(CustomerRow{r.Text(0), r.Text(1), r.Text(2), r.OptText(3), r.OptTime(4), {r.Time(5), r.Text(6)}},
                    &EntityState::customers, states);
             }
             return absl::OkStatus();
           });
}

void QueuePaymentMethods(db::Tx& tx, std::string_view provider, const Ids& entity_ids, const Ids& touched,
                         States& states) {
  if (touched.empty()) return;
  tx.Queue(R"sql(
    SELECT m.id, m.entity_id, m.provider_payment_method_id, m.provider_customer_id, m.type, m.brand, m.last4, m.exp_month,
           m.exp_year, m.wallet, m.provider_created_at, m.detached_at, m.provider_updated_at, m.provider_event_id
    FROM billing.payment_methods m
    WHERE m.entity_id = ANY ($2::uuid[]) AND m.provider = $1 AND m.provider_payment_method_id = ANY ($3::text[])
    ORDER BY m.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)}, [&states](const db::Result& rows) {
             for (int i = 0; i < rows.size(); ++i) {
               const db::Row r = rows[i];
               Keep(PaymentMethodRow{r.Text(0),
                                     r.Text(1),
                                     r.Text(2),
                                     r.Text(3),
                                     r.Text(4),
                                     r.OptText(5),
                                     r.OptText(6),
                                     r.OptInt(7),
                                     r.OptInt(8),
                                     r.OptText(9),
                                     r.Time(10),
                                     r.OptTime(11),
                                     {r.Time(12), r.Text(13)}},
                    &EntityState::payment_methods, states);
             }
             return absl::OkStatus();
           });
}

absl::Status UpsertCustomers(db::Tx& tx, std::string_view env, std::string_view provider,
                             const std::vector<const CustomerRow*>& rows) {
  if (rows.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDistinct(rows, &CustomerRow::provider_customer_id, "customers_provider_customer_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.customers AS c (id, env, entity_id, provider, provider_customer_id, provider_default_payment_method_id,
                                        deleted_at, provider_updated_at, provider_event_id)
    SELECT v.id, $1, v.entity_id, $2, v.customer, v.method, v.deleted, v.updated, v.event
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::text[])
      AS v (id, entity_id, customer, method, deleted, updated, event)
    ON CONFLICT (provider, provider_customer_id) DO UPDATE
    SET provider_default_payment_method_id = EXCLUDED.provider_default_payment_method_id, deleted_at = EXCLUDED.deleted_at,
        provider_updated_at = EXCLUDED.provider_updated_at, provider_event_id = EXCLUDED.provider_event_id,
        updated_at = billing.now()
    WHERE CASE WHEN c.id = EXCLUDED.id AND c.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('customers_provider_customer_key') END
  )sql",
           {env, provider, UuidColumn(rows, &CustomerRow::id), UuidColumn(rows, &CustomerRow::entity_id),
            Column(rows, &CustomerRow::provider_customer_id), Column(rows, &CustomerRow::default_payment_method_id),
            Column(rows, &CustomerRow::deleted_at), Column(rows, VersionTime<CustomerRow>),
            Column(rows, VersionEvent<CustomerRow>)});
  return absl::OkStatus();
}

// WHK-12: the entity's next checkout makes another customer.
void EndLinks(db::Tx& tx, std::string_view provider, const std::vector<const CustomerRow*>& rows) {
  Ids deleted;
  for (const CustomerRow* row : rows) {
    if (row->deleted_at.has_value()) deleted.push_back(row->provider_customer_id);
  }
  if (deleted.empty()) return;
  tx.Queue(R"sql(
    UPDATE billing.entity_customers SET ended_at = billing.now()
    WHERE provider = $1 AND provider_customer_id = ANY ($2::text[]) AND ended_at IS NULL
  )sql",
           {provider, Param::TextArray(deleted)});
}

absl::Status UpsertPaymentMethods(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  const auto rows = WrittenRows(states, &EntityState::payment_methods);
  if (rows.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(
      CheckDistinct(rows, &PaymentMethodRow::provider_payment_method_id, "payment_methods_provider_method_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.payment_methods AS m (
      id, env, entity_id, provider, provider_payment_method_id, provider_customer_id, type, brand, last4, exp_month, exp_year,
      wallet, provider_created_at, detached_at, provider_updated_at, provider_event_id)
    SELECT v.id, $1, v.entity_id, $2, v.method, v.customer, v.type, v.brand, v.last4, v.exp_month, v.exp_year, v.wallet,
           v.created, v.detached, v.updated, v.event
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::integer[],
                $11::integer[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::text[])
      AS v (id, entity_id, method, customer, type, brand, last4, exp_month, exp_year, wallet, created, detached, updated,
            event)
    ON CONFLICT (provider, provider_payment_method_id) DO UPDATE
    SET provider_customer_id = EXCLUDED.provider_customer_id, type = EXCLUDED.type, brand = EXCLUDED.brand,
        last4 = EXCLUDED.last4, exp_month = EXCLUDED.exp_month, exp_year = EXCLUDED.exp_year, wallet = EXCLUDED.wallet,
        detached_at = EXCLUDED.detached_at, provider_updated_at = EXCLUDED.provider_updated_at,
        provider_event_id = EXCLUDED.provider_event_id, updated_at = billing.now()
    WHERE CASE WHEN m.id = EXCLUDED.id AND m.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('payment_methods_provider_method_key') END
  )sql",
           {env, provider, UuidColumn(rows, &PaymentMethodRow::id), UuidColumn(rows, &PaymentMethodRow::entity_id),
            Column(rows, &PaymentMethodRow::provider_payment_method_id),
            Column(rows, &PaymentMethodRow::provider_customer_id), Column(rows, &PaymentMethodRow::type),
            Column(rows, &PaymentMethodRow::brand), Column(rows, &PaymentMethodRow::last4),
            Column(rows, &PaymentMethodRow::exp_month), Column(rows, &PaymentMethodRow::exp_year),
            Column(rows, &PaymentMethodRow::wallet), Column(rows, &PaymentMethodRow::provider_created_at),
            Column(rows, &PaymentMethodRow::detached_at), Column(rows, VersionTime<PaymentMethodRow>),
            Column(rows, VersionEvent<PaymentMethodRow>)});
  return absl::OkStatus();
}

}  // namespace

void QueueCustomers(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                    const EvidenceQuery& touched, std::map<std::string, EntityState>& states) {
  QueueCustomerRows(tx, provider, entity_ids, touched.customer_rows, states);
  QueuePaymentMethods(tx, provider, entity_ids, touched.payment_methods, states);
}

absl::Status WriteCustomers(db::Tx& tx, std::string_view env, std::string_view provider,
                            const std::map<std::string, EntityState>& states) {
  const auto customers = WrittenRows(states, &EntityState::customers);
  RETURN_IF_ERROR(UpsertCustomers(tx, env, provider, customers));
  EndLinks(tx, provider, customers);
  return UpsertPaymentMethods(tx, env, provider, states);
}

}  // namespace billmesh::webhook
