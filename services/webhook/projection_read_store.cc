#include "services/webhook/projection_read_store.h"

#include <cstdlib>
#include <utility>

#include "common/status/status.h"
#include "services/webhook/customer_store.h"
#include "services/webhook/payment_store.h"

namespace billmesh::webhook {
namespace {

using db::Param;

SessionStatus ReadSessionStatus(std::string_view stored) {
  const auto status = checkout::ParseSessionStatus(stored);
  if (!status.has_value()) std::abort();  // the database's CHECK holds the same list
  return *status;
}

using States = std::map<std::string, EntityState>;
absl::Status TakeSessions(const db::Result& rows, States& states);
absl::Status TakeSubscriptions(const db::Result& rows, States& states);
absl::Status TakeInvoices(const db::Result& rows, States& states);

void QueueSessions(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                   const EvidenceQuery& touched, std::map<std::string, EntityState>& states) {
  tx.Queue(R"sql(
    SELECT s.id, s.entity_id, s.operation_id, s.operation_key, s.provider_session_id, s.provider_customer_id,
           s.provider_subscription_id, s.mode, s.status, s.plan_code, s.plan_version, s.url, s.expires_at, s.late_paid_at,
           s.provider_updated_at, s.provider_event_id
    FROM billing.checkout_sessions s
    WHERE s.entity_id = ANY ($2::uuid[]) AND s.provider = $1
      AND (s.provider_session_id = ANY ($3::text[]) OR s.operation_key = ANY ($4::text[])
           OR s.status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending'))
    ORDER BY s.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched.sessions),
            Param::TextArray(touched.operations)},
           [&states](const db::Result& rows) { return TakeSessions(rows, states); });
}

absl::Status TakeSessions(const db::Result& rows, std::map<std::string, EntityState>& states) {
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row r = rows[i];
    TrackedSession tracked;
    SessionRow& row = tracked.row;
    row.id = r.Text(0);
    row.entity_id = r.Text(1);
    row.operation_id = r.OptText(2);
    row.operation_key = r.Text(3);
    row.provider_session_id = r.OptText(4);
    row.provider_customer_id = r.OptText(5);
    row.provider_subscription_id = r.OptText(6);
    row.mode = r.Text(7);
    row.status = ReadSessionStatus(r.View(8));
    row.plan_code = r.OptText(9);
    row.plan_version = r.OptInt(10);
    row.url = r.OptText(11);
    row.expires_at = r.Time(12);
    row.late_paid_at = r.OptTime(13);
    row.version = {r.OptTime(14), r.OptText(15).value_or("")};
    tracked.stored = row;
    states[row.entity_id].sessions.push_back(std::move(tracked));
  }
  return absl::OkStatus();
}

// With their items, a row each. Those that a session waits for too, though they have ended already.
void QueueSubscriptions(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                        const EvidenceQuery& touched, std::map<std::string, EntityState>& states) {
  // "C": the order that the rules sort items in.
  tx.Queue(R"sql(
    SELECT s.id, s.entity_id, s.provider_subscription_id, s.provider_customer_id, s.operation_key, s.status, s.is_current,
           s.cancel_at_period_end, s.collection_paused, s.cancel_at, s.canceled_at, s.ended_at, s.trial_start, s.trial_end,
           s.provider_subscription_created_at, s.latest_invoice_id, s.provider_updated_at, s.provider_event_id,
           i.id, i.provider_item_id, i.provider_price_id, i.quantity, i.current_period_start, i.current_period_end
    FROM billing.subscriptions s
    LEFT JOIN billing.subscription_items i ON i.subscription_id = s.id
    WHERE s.entity_id = ANY ($2::uuid[]) AND s.provider = $1
      AND (s.status NOT IN ('canceled', 'incomplete_expired') OR s.provider_subscription_id = ANY ($3::text[])
           OR s.provider_subscription_id IN (
             SELECT c.provider_subscription_id
             FROM billing.checkout_sessions c
             WHERE c.entity_id = ANY ($2::uuid[]) AND c.provider = $1
               AND (c.provider_session_id = ANY ($4::text[]) OR c.operation_key = ANY ($5::text[])
                    OR c.status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending'))))
    ORDER BY s.id, i.provider_item_id COLLATE "C"
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched.subscriptions),
            Param::TextArray(touched.sessions), Param::TextArray(touched.operations)},
           [&states](const db::Result& rows) { return TakeSubscriptions(rows, states); }, db::Format::kBinary);
}

SubscriptionRow ReadSubscription(const db::Row& r) {
  SubscriptionRow row;
  row.id = r.Text(0);
  row.entity_id = r.Text(1);
  row.provider_subscription_id = r.Text(2);
  row.provider_customer_id = r.Text(3);
  row.operation_key = r.OptText(4);
  row.status = SubscriptionStatusFromName(r.View(5));
  row.is_current = r.Bool(6);
  row.cancel_at_period_end = r.Bool(7);
  row.collection_paused = r.Bool(8);
  row.cancel_at = r.OptTime(9);
  row.canceled_at = r.OptTime(10);
  row.ended_at = r.OptTime(11);
  row.trial_start = r.OptTime(12);
  row.trial_end = r.OptTime(13);
  row.provider_created_at = r.Time(14);
  row.latest_invoice_id = r.OptText(15);
  row.version = {r.Time(16), r.Text(17)};
  return row;
}

absl::Status TakeSubscriptions(const db::Result& rows, States& states) {
  for (int i = 0; i < rows.size();) {
    Tracked<SubscriptionRow> tracked;
    SubscriptionRow& row = tracked.row;
    row = ReadSubscription(rows[i]);
    for (; i < rows.size() && rows[i].Text(0) == row.id; ++i) {
      const db::Row r = rows[i];
      if (r.IsNull(18)) continue;  // it has no items
      row.items.push_back({r.Text(18), r.Text(19), r.Text(20), r.OptInt(21), r.OptTime(22), r.OptTime(23)});
    }
    tracked.stored = row;
    states[row.entity_id].subscriptions.push_back(std::move(tracked));
  }
  return absl::OkStatus();
}

void QueueInvoices(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                   const std::vector<std::string>& touched, std::map<std::string, EntityState>& states) {
  tx.Queue(R"sql(
    SELECT i.id, i.entity_id, i.provider_invoice_id, i.provider_customer_id, i.provider_subscription_id, i.number, i.status,
           i.currency, i.total_minor, i.amount_due_minor, i.amount_paid_minor, i.amount_remaining_minor, i.attempt_count,
           i.billing_reason, i.period_start, i.period_end, i.hosted_invoice_url, i.provider_created_at,
           i.provider_updated_at, i.provider_event_id
    FROM billing.invoices i
    WHERE i.entity_id = ANY ($2::uuid[]) AND i.provider = $1 AND i.provider_invoice_id = ANY ($3::text[])
    ORDER BY i.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)},
           [&states](const db::Result& rows) { return TakeInvoices(rows, states); });
}

absl::Status TakeInvoices(const db::Result& rows, std::map<std::string, EntityState>& states) {
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row r = rows[i];
    Tracked<InvoiceRow> tracked;
    InvoiceRow& row = tracked.row;
    row.id = r.Text(0);
    row.entity_id = r.Text(1);
    row.provider_invoice_id = r.Text(2);
    row.provider_customer_id = r.OptText(3);
    row.provider_subscription_id = r.OptText(4);
    row.number = r.OptText(5);
    row.status = InvoiceStatusFromName(r.View(6));
    row.currency = r.Text(7);
    row.total_minor = r.Int(8);
    row.amount_due_minor = r.Int(9);
    row.amount_paid_minor = r.Int(10);
    row.amount_remaining_minor = r.Int(11);
    row.attempt_count = r.Int(12);
    row.billing_reason = r.OptText(13);
    row.period_start = r.OptTime(14);
    row.period_end = r.OptTime(15);
    row.hosted_invoice_url = r.OptText(16);
    row.provider_created_at = r.Time(17);
    row.version = {r.Time(18), r.Text(19)};
    tracked.stored = row;
    states[row.entity_id].invoices.push_back(std::move(tracked));
  }
  return absl::OkStatus();
}

}  // namespace

void LockObjects(db::Tx& tx, std::string_view provider, const std::vector<std::string>& object_ids) {
  if (object_ids.empty()) return;
  // In one order, as every caller's. Objects that share a hash share a lock: one waits for nothing then, no more.
  tx.Queue(R"sql(
    SELECT pg_advisory_xact_lock(hashtext('billmesh.object'), o.key)
    FROM (SELECT DISTINCT hashtext($1 || ' ' || id) AS key FROM unnest($2::text[]) id ORDER BY key) o
  )sql",
           {provider, Param::TextArray(object_ids)});
}

void LockEntities(db::Tx& tx, const std::vector<std::string>& entity_ids) {
  if (entity_ids.empty()) return;
  tx.Queue("SELECT e.id FROM billing.entities e WHERE e.id = ANY ($1::uuid[]) ORDER BY e.id FOR NO KEY UPDATE",
           {Param::UuidArray(entity_ids)});
}

absl::StatusOr<std::map<std::string, int64_t>> ReadRevisions(db::Tx& tx, const std::vector<std::string>& entity_ids) {
  std::map<std::string, int64_t> revisions;
  if (entity_ids.empty()) return revisions;
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT e.id, e.revision FROM billing.entities e WHERE e.id = ANY ($1::uuid[])",
                           {Param::UuidArray(entity_ids)}));
  for (int i = 0; i < rows.size(); ++i) revisions.emplace(rows[i].Text(0), rows[i].Int(1));
  return revisions;
}

absl::StatusOr<std::map<std::string, EntityState>> LoadStates(db::Tx& tx, std::string_view provider,
                                                              const std::vector<std::string>& entity_ids,
                                                              const EvidenceQuery& touched) {
  std::map<std::string, EntityState> states;
  for (const std::string& id : entity_ids) states[id].entity_id = id;
  if (entity_ids.empty()) return states;
  if (!touched.sessions.empty() || !touched.subscriptions.empty()) {
    QueueSessions(tx, provider, entity_ids, touched, states);
    QueueSubscriptions(tx, provider, entity_ids, touched, states);
  }
  if (!touched.invoices.empty()) QueueInvoices(tx, provider, entity_ids, touched.invoices, states);
  QueuePayments(tx, provider, entity_ids, touched, states);
  QueueCustomers(tx, provider, entity_ids, touched, states);
  RETURN_IF_ERROR(tx.Flush());
  return states;
}

}  // namespace billmesh::webhook
