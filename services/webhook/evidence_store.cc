#include "services/webhook/evidence_store.h"

#include "nlohmann/json.hpp"

namespace billmesh::webhook {
namespace {

using db::Param;

std::optional<std::string> NonEmpty(std::optional<std::string> text) {
  return text.has_value() && text->empty() ? std::nullopt : std::move(text);
}

OperationFact OperationOf(const db::Row& r) {
  OperationFact fact{r.Text(2), r.Text(1), r.Text(3), r.OptText(4), r.OptInt(5), r.OptText(6)};
  if (r.IsNull(7)) return fact;
  // The order as checkout recorded it: {"item_code", "quantity", …}; an ad-hoc amount has no item.
  const auto order = nlohmann::json::parse(r.View(7), nullptr, /*allow_exceptions=*/false);
  if (!order.is_object()) return fact;
  const auto code = order.find("item_code"), quantity = order.find("quantity");
  if (code == order.end() || !code->is_string() || quantity == order.end() || !quantity->is_number_integer())
    return fact;
  fact.item_code = code->get<std::string>();
  fact.item_quantity = quantity->get<int64_t>();
  return fact;
}

SessionFact SessionOf(const db::Row& r) { return {r.Text(1), r.Text(2), r.OptText(3), NonEmpty(r.OptText(4))}; }

// How the keys of one kind are looked up: by the provider ($1), in this environment ($2), those of the list ($3). The
// key comes first in a row, its entity second.
struct Lookup {
  std::vector<std::string> EvidenceQuery::*keys;
  const char* sql;
  void (*take)(const db::Row& row, Evidence& evidence);
};

constexpr Lookup kLookups[] = {
    {&EvidenceQuery::customers, R"sql(
    SELECT c.provider_customer_id, c.entity_id
    FROM billing.entity_customers c
    JOIN billing.entities e ON e.id = c.entity_id AND e.env = $2
    WHERE c.provider = $1 AND c.provider_customer_id = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.entity_of_customer[r.Text(0)] = r.Text(1); }},
    {&EvidenceQuery::sessions, R"sql(
    SELECT s.provider_session_id, s.entity_id, s.operation_key, s.provider_session_id, s.provider_customer_id
    FROM billing.checkout_sessions s
    WHERE s.provider = $1 AND s.env = $2 AND s.provider_session_id = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.sessions[r.Text(0)] = SessionOf(r); }},
    {&EvidenceQuery::operations, R"sql(
    SELECT s.operation_key, s.entity_id, s.operation_key, s.provider_session_id, s.provider_customer_id
    FROM billing.checkout_sessions s
    WHERE s.provider = $1 AND s.env = $2 AND s.operation_key = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.sessions_of_operation[r.Text(0)] = SessionOf(r); }},
    {&EvidenceQuery::operations, R"sql(
    SELECT r.operation_key, r.entity_id, r.id::text, r.action, r.plan_code, r.plan_version, c.provider_customer_id,
           CASE WHEN r.action = 'create_payment_link' THEN r.canonical_request END
    FROM billing.request_idempotency r
    LEFT JOIN billing.entity_customers c ON c.entity_id = r.entity_id AND c.provider = r.provider AND c.ended_at IS NULL
    WHERE r.provider = $1 AND r.env = $2 AND r.operation_key = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.operations[r.Text(0)] = OperationOf(r); }},
    {&EvidenceQuery::subscriptions, R"sql(
    SELECT s.provider_subscription_id, s.entity_id, s.operation_key
    FROM billing.subscriptions s
    WHERE s.provider = $1 AND s.env = $2 AND s.provider_subscription_id = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) {
       e.subscriptions[r.Text(0)] = {r.Text(1), r.OptText(2)};
     }},
    {&EvidenceQuery::invoices, R"sql(
    SELECT i.provider_invoice_id, i.entity_id
    FROM billing.invoices i
    WHERE i.provider = $1 AND i.env = $2 AND i.provider_invoice_id = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.entity_of_invoice[r.Text(0)] = r.Text(1); }},
    {&EvidenceQuery::payments, R"sql(
    SELECT p.provider_payment_id, p.entity_id
    FROM billing.payments p
    WHERE p.provider = $1 AND p.env = $2 AND p.provider_payment_id = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.entity_of_payment[r.Text(0)] = r.Text(1); }},
    {&EvidenceQuery::payment_methods, R"sql(
    SELECT m.provider_payment_method_id, m.entity_id
    FROM billing.payment_methods m
    WHERE m.provider = $1 AND m.env = $2 AND m.provider_payment_method_id = ANY ($3::text[])
  )sql",
     [](const db::Row& r, Evidence& e) { e.entity_of_payment_method[r.Text(0)] = r.Text(1); }},
};

}  // namespace

void EvidenceQuery::Add(const EventKeys& keys) {
  const auto add = [](const std::optional<std::string>& key, std::vector<std::string>& to) {
    if (key.has_value()) to.push_back(*key);
  };
  add(keys.customer_id, customers);
  add(keys.session_id, sessions);
  add(keys.subscription_id, subscriptions);
  add(keys.invoice_id, invoices);
  add(keys.correlation.operation_key, operations);
  add(keys.payment_id, payments);
  add(keys.payment_method_id, payment_methods);
  add(keys.customer_row_id, customer_rows);
  add(keys.refund_id, refunds);
  add(keys.dispute_id, disputes);
  add(keys.credit_note_id, credit_notes);
}

// A statement a kind that is asked for: most batches name two of them.
void QueueEvidence(db::Tx& tx, std::string_view provider, std::string_view env, const EvidenceQuery& query,
                   Evidence& evidence) {
  for (const Lookup& lookup : kLookups) {
    if ((query.*lookup.keys).empty()) continue;
    tx.Queue(lookup.sql, {provider, env, Param::TextArray(query.*lookup.keys)},
             [&lookup, &evidence](const db::Result& rows) {
               for (int i = 0; i < rows.size(); ++i) lookup.take(rows[i], evidence);
               return absl::OkStatus();
             });
  }
}

}  // namespace billmesh::webhook
