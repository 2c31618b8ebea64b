#include "services/webhook/projection_write_store.h"

#include <algorithm>

#include "common/status/status.h"
#include "services/webhook/projection_rules.h"
#include "services/webhook/tracked_rows.h"

namespace billmesh::webhook {
namespace {

using db::Param;
using Texts = std::vector<std::string>;
using OptTexts = std::vector<std::optional<std::string>>;
using Ints = std::vector<int64_t>;
using OptInts = std::vector<std::optional<int64_t>>;
using Times = std::vector<std::optional<absl::Time>>;
using States = std::map<std::string, EntityState>;

template <typename Fn>
void ForEachWritten(const States& states, Fn fn) {
  for (const auto& [entity_id, state] : states) {
    for (const auto& tracked : state.subscriptions) {
      if (tracked.Written()) fn(tracked);
    }
  }
}

// The partial unique key on is_current wants the old one cleared by an earlier statement than the one that sets the
// new.
void ClearCurrent(db::Tx& tx, const States& states) {
  Texts ids;
  ForEachWritten(states, [&](const Tracked<SubscriptionRow>& t) {
    if (t.stored && t.stored->is_current && !t.row.is_current) ids.push_back(t.row.id);
  });
  if (ids.empty()) return;
  tx.Queue(
      "UPDATE billing.subscriptions SET is_current = false, updated_at = billing.now() WHERE id = ANY ($1::uuid[])",
      {Param::UuidArray(ids)});
}

absl::Status UpsertSubscriptions(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  Texts id, entity, subscription, customer, status, event;
  OptTexts operation, invoice;
  std::vector<bool> current, at_period_end, paused;
  Times cancel_at, canceled_at, ended_at, trial_start, trial_end, created, updated;
  ForEachWritten(states, [&](const Tracked<SubscriptionRow>& t) {
    const SubscriptionRow& r = t.row;
    id.push_back(r.id);
    entity.push_back(r.entity_id);
    subscription.push_back(r.provider_subscription_id);
    customer.push_back(r.provider_customer_id);
    operation.push_back(r.operation_key);
    status.emplace_back(RowOf(r.status).name);
    current.push_back(r.is_current);
    at_period_end.push_back(r.cancel_at_period_end);
    paused.push_back(r.collection_paused);
    cancel_at.push_back(r.cancel_at);
    canceled_at.push_back(r.canceled_at);
    ended_at.push_back(r.ended_at);
    trial_start.push_back(r.trial_start);
    trial_end.push_back(r.trial_end);
    created.emplace_back(r.provider_created_at);
    invoice.push_back(r.latest_invoice_id);
    updated.push_back(r.version.at);
    event.push_back(r.version.event_id);
  });
  if (id.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDistinct(subscription, "subscriptions_provider_subscription_key"));
  // provider_subscription_created_at is set once (WHK-7).
  tx.Queue(R"sql(
    INSERT INTO billing.subscriptions AS s (
      id, env, entity_id, provider, provider_subscription_id, provider_customer_id, operation_key, status, is_current,
      cancel_at_period_end, cancel_at, canceled_at, ended_at, trial_start, trial_end, provider_subscription_created_at,
      latest_invoice_id, collection_paused, provider_updated_at, provider_event_id, created_at, updated_at)
    SELECT v.id, $1, v.entity_id, $2, v.subscription, v.customer, v.operation_key, v.status, v.is_current,
           v.cancel_at_period_end, v.cancel_at, v.canceled_at, v.ended_at, v.trial_start, v.trial_end, v.created, v.invoice,
           v.paused, v.updated, v.event, clock.now, clock.now
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::boolean[],
                $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],
                $16::timestamptz[], $17::text[], $18::boolean[], $19::timestamptz[], $20::text[])
      AS v (id, entity_id, subscription, customer, operation_key, status, is_current, cancel_at_period_end, cancel_at,
            canceled_at, ended_at, trial_start, trial_end, created, invoice, paused, updated, event)
    CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
    ON CONFLICT (provider, provider_subscription_id) DO UPDATE
    SET provider_customer_id = EXCLUDED.provider_customer_id, operation_key = EXCLUDED.operation_key,
        status = EXCLUDED.status, is_current = EXCLUDED.is_current, cancel_at_period_end = EXCLUDED.cancel_at_period_end,
        cancel_at = EXCLUDED.cancel_at, canceled_at = EXCLUDED.canceled_at, ended_at = EXCLUDED.ended_at,
        trial_start = EXCLUDED.trial_start, trial_end = EXCLUDED.trial_end, latest_invoice_id = EXCLUDED.latest_invoice_id,
        collection_paused = EXCLUDED.collection_paused, provider_updated_at = EXCLUDED.provider_updated_at,
        provider_event_id = EXCLUDED.provider_event_id, updated_at = EXCLUDED.updated_at
    WHERE CASE WHEN s.id = EXCLUDED.id AND s.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('subscriptions_provider_subscription_key') END
  )sql",
           {env,
            provider,
            Param::UuidArray(id),
            Param::UuidArray(entity),
            Param::TextArray(subscription),
            Param::TextArray(customer),
            Param::TextArray(operation),
            Param::TextArray(status),
            Param::BoolArray(current),
            Param::BoolArray(at_period_end),
            Param::TimeArray(cancel_at),
            Param::TimeArray(canceled_at),
            Param::TimeArray(ended_at),
            Param::TimeArray(trial_start),
            Param::TimeArray(trial_end),
            Param::TimeArray(created),
            Param::TextArray(invoice),
            Param::BoolArray(paused),
            Param::TimeArray(updated),
            Param::TextArray(event)});
  return absl::OkStatus();
}

struct ItemColumns {
  Texts id, entity, subscription, item, price;
  OptInts quantity;
  Times start, end;
  void Add(const SubscriptionRow& subscription_row, const ItemRow& r, std::string row_id) {
    id.push_back(std::move(row_id));
    entity.push_back(subscription_row.entity_id);
    subscription.push_back(subscription_row.id);
    item.push_back(r.provider_item_id);
    price.push_back(r.provider_price_id);
    quantity.push_back(r.quantity);
    start.push_back(r.period_start);
    end.push_back(r.period_end);
  }
};

// One that another subscription holds is refused by its key.
void InsertItems(db::Tx& tx, std::string_view provider, const ItemColumns& c) {
  if (c.id.empty()) return;
  tx.Queue(R"sql(
    INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id,
                                            quantity, current_period_start, current_period_end, created_at, updated_at)
    SELECT v.id, v.entity_id, v.subscription_id, $1, v.item, v.price, v.quantity, v.period_start, v.period_end, clock.now,
           clock.now
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[],
                $9::timestamptz[])
      AS v (id, entity_id, subscription_id, item, price, quantity, period_start, period_end)
    CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
  )sql",
           {provider, Param::UuidArray(c.id), Param::UuidArray(c.entity), Param::UuidArray(c.subscription),
            Param::TextArray(c.item), Param::TextArray(c.price), Param::IntArray(c.quantity), Param::TimeArray(c.start),
            Param::TimeArray(c.end)});
}

// Found as they were loaded, by their subscription: an index of items by id would be one more to read.
void UpdateItems(db::Tx& tx, const ItemColumns& c) {
  if (c.id.empty()) return;
  tx.Queue(R"sql(
    UPDATE billing.subscription_items i
    SET provider_price_id = v.price, quantity = v.quantity, current_period_start = v.period_start,
        current_period_end = v.period_end, updated_at = clock.now
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
           AS v (subscription_id, item, price, quantity, period_start, period_end)
    CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
    WHERE i.subscription_id = v.subscription_id AND i.provider_item_id = v.item
  )sql",
           {Param::UuidArray(c.subscription), Param::TextArray(c.item), Param::TextArray(c.price),
            Param::IntArray(c.quantity), Param::TimeArray(c.start), Param::TimeArray(c.end)});
}

absl::Status WriteItems(db::Tx& tx, IdGenerator& ids, std::string_view provider, const States& states) {
  Texts gone;
  ItemColumns made, changed;
  ForEachWritten(states, [&](const Tracked<SubscriptionRow>& t) {
    const std::vector<ItemRow> none;
    const std::vector<ItemRow>& old = t.stored ? t.stored->items : none;
    for (const ItemRow& o : old) {
      const bool stays =
          std::any_of(t.row.items.begin(), t.row.items.end(), [&](const ItemRow& n) { return n.id == o.id; });
      if (!stays) gone.push_back(o.id);
    }
    for (const ItemRow& n : t.row.items) {
      if (std::find(old.begin(), old.end(), n) != old.end()) continue;
      if (n.id.empty()) {
        made.Add(t.row, n, ids.NewId());
      } else {
        changed.Add(t.row, n, n.id);
      }
    }
  });
  if (!gone.empty()) {
    tx.Queue("DELETE FROM billing.subscription_items WHERE id = ANY ($1::uuid[])", {Param::UuidArray(gone)});
  }
  RETURN_IF_ERROR(CheckDistinct(made.item, "subscription_items_provider_item_key"));
  UpdateItems(tx, changed);
  InsertItems(tx, provider, made);
  return absl::OkStatus();
}

absl::Status UpsertInvoices(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  Texts id, entity, invoice, status, currency, event;
  OptTexts customer, subscription, number, reason, url;
  Ints total, due, paid, remaining, attempts;
  Times start, end, created, updated;
  for (const auto& [entity_id, state] : states) {
    for (const auto& tracked : state.invoices) {
      if (!tracked.Written()) continue;
      const InvoiceRow& r = tracked.row;
      id.push_back(r.id);
      entity.push_back(r.entity_id);
      invoice.push_back(r.provider_invoice_id);
      customer.push_back(r.provider_customer_id);
      subscription.push_back(r.provider_subscription_id);
      number.push_back(r.number);
      status.emplace_back(RowOf(r.status).name);
      currency.push_back(r.currency);
      total.push_back(r.total_minor);
      due.push_back(r.amount_due_minor);
      paid.push_back(r.amount_paid_minor);
      remaining.push_back(r.amount_remaining_minor);
      attempts.push_back(r.attempt_count);
      reason.push_back(r.billing_reason);
      start.push_back(r.period_start);
      end.push_back(r.period_end);
      url.push_back(r.hosted_invoice_url);
      created.emplace_back(r.provider_created_at);
      updated.push_back(r.version.at);
      event.push_back(r.version.event_id);
    }
  }
  if (id.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDistinct(invoice, "invoices_provider_invoice_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.invoices AS i (
      id, env, entity_id, provider, provider_invoice_id, provider_customer_id, provider_subscription_id, number, status,
      currency, total_minor, amount_due_minor, amount_paid_minor, amount_remaining_minor, attempt_count, billing_reason,
      period_start, period_end, hosted_invoice_url, provider_created_at, provider_updated_at, provider_event_id, created_at,
      updated_at)
    SELECT v.id, $1, v.entity_id, $2, v.invoice, v.customer, v.subscription, v.number, v.status, v.currency, v.total, v.due,
           v.paid, v.remaining, v.attempts, v.reason, v.period_start, v.period_end, v.url, v.created, v.updated, v.event,
           clock.now, clock.now
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::integer[], $16::text[],
                $17::timestamptz[], $18::timestamptz[], $19::text[], $20::timestamptz[], $21::timestamptz[], $22::text[])
      AS v (id, entity_id, invoice, customer, subscription, number, status, currency, total, due, paid, remaining, attempts,
            reason, period_start, period_end, url, created, updated, event)
    CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
    ON CONFLICT (provider, provider_invoice_id) DO UPDATE
    SET provider_customer_id = EXCLUDED.provider_customer_id, provider_subscription_id = EXCLUDED.provider_subscription_id,
        number = EXCLUDED.number, status = EXCLUDED.status, currency = EXCLUDED.currency, total_minor = EXCLUDED.total_minor,
        amount_due_minor = EXCLUDED.amount_due_minor, amount_paid_minor = EXCLUDED.amount_paid_minor,
        amount_remaining_minor = EXCLUDED.amount_remaining_minor, attempt_count = EXCLUDED.attempt_count,
        billing_reason = EXCLUDED.billing_reason, period_start = EXCLUDED.period_start, period_end = EXCLUDED.period_end,
        hosted_invoice_url = EXCLUDED.hosted_invoice_url, provider_updated_at = EXCLUDED.provider_updated_at,
        provider_event_id = EXCLUDED.provider_event_id, updated_at = EXCLUDED.updated_at
    WHERE CASE WHEN i.id = EXCLUDED.id AND i.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('invoices_provider_invoice_key') END
  )sql",
           {env,
            provider,
            Param::UuidArray(id),
            Param::UuidArray(entity),
            Param::TextArray(invoice),
            Param::TextArray(customer),
            Param::TextArray(subscription),
            Param::TextArray(number),
            Param::TextArray(status),
            Param::TextArray(currency),
            Param::IntArray(total),
            Param::IntArray(due),
            Param::IntArray(paid),
            Param::IntArray(remaining),
            Param::IntArray(attempts),
            Param::TextArray(reason),
            Param::TimeArray(start),
            Param::TimeArray(end),
            Param::TextArray(url),
            Param::TimeArray(created),
            Param::TimeArray(updated),
            Param::TextArray(event)});
  return absl::OkStatus();
}

// The database checks each move of a status by itself: a session that passed through a state in this transaction is
// written once for each state before its last.
void WalkSessions(db::Tx& tx, const std::vector<const TrackedSession*>& updated) {
  for (size_t step = 0;; ++step) {
    Texts ids, statuses;
    OptTexts sessions;
    for (const TrackedSession* tracked : updated) {
      if (step + 1 >= tracked->path.size()) continue;
      ids.push_back(tracked->row.id);
      statuses.emplace_back(checkout::NameOf(tracked->path[step]));
      sessions.push_back(tracked->row.provider_session_id);
    }
    if (ids.empty()) return;
    tx.Queue(R"sql(
      UPDATE billing.checkout_sessions s SET status = v.status, provider_session_id = v.session
      FROM unnest($1::uuid[], $2::text[], $3::text[]) AS v (id, status, session)
      WHERE s.id = v.id
    )sql",
             {Param::UuidArray(ids), Param::TextArray(statuses), Param::TextArray(sessions)});
  }
}

// The columns of sessions that the provider's word decides.
struct SessionColumns {
  Texts id, status;
  OptTexts session, customer, subscription, url, event;
  Times expires, late, updated;
  void Add(const SessionRow& r) {
    id.push_back(r.id);
    status.emplace_back(checkout::NameOf(r.status));
    session.push_back(r.provider_session_id);
    customer.push_back(r.provider_customer_id);
    subscription.push_back(r.provider_subscription_id);
    url.push_back(r.url);
    expires.emplace_back(r.expires_at);
    late.push_back(r.late_paid_at);
    updated.push_back(r.version.at);
    event.push_back(r.version.event_id.empty() ? std::nullopt : std::optional(r.version.event_id));
  }
};

void UpdateSessions(db::Tx& tx, const std::vector<const TrackedSession*>& changed) {
  if (changed.empty()) return;
  WalkSessions(tx, changed);
  SessionColumns c;
  for (const TrackedSession* tracked : changed) c.Add(tracked->row);
  tx.Queue(
      R"sql(
    UPDATE billing.checkout_sessions s
    SET status = v.status, provider_session_id = v.session, provider_customer_id = v.customer,
        provider_subscription_id = v.subscription, url = v.url, expires_at = v.expires_at, late_paid_at = v.late_paid_at,
        provider_updated_at = v.updated, provider_event_id = v.event, updated_at = billing.now(),
        ended_at = CASE WHEN v.status IN ('completed_reconciled', 'expired', 'abandoned')
                        THEN coalesce(s.ended_at, billing.now()) END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                $8::timestamptz[], $9::timestamptz[], $10::text[])
      AS v (id, status, session, customer, subscription, url, expires_at, late_paid_at, updated, event)
    WHERE s.id = v.id
  )sql",
      {Param::UuidArray(c.id), Param::TextArray(c.status), Param::TextArray(c.session), Param::TextArray(c.customer),
       Param::TextArray(c.subscription), Param::TextArray(c.url), Param::TimeArray(c.expires), Param::TimeArray(c.late),
       Param::TimeArray(c.updated), Param::TextArray(c.event)});
}

void InsertSessions(db::Tx& tx, std::string_view env, std::string_view provider,
                    const std::vector<const TrackedSession*>& made) {
  if (made.empty()) return;
  SessionColumns c;
  Texts entity, operation_key, mode;
  OptTexts operation_id, plan;
  OptInts version;
  for (const TrackedSession* tracked : made) {
    const SessionRow& r = tracked->row;
    c.Add(r);
    entity.push_back(r.entity_id);
    operation_id.push_back(r.operation_id);
    operation_key.push_back(r.operation_key);
    mode.push_back(r.mode);
    plan.push_back(r.plan_code);
    version.push_back(r.plan_version);
  }
  tx.Queue(R"sql(
    INSERT INTO billing.checkout_sessions (
      id, env, entity_id, operation_id, operation_key, provider, provider_session_id, provider_customer_id,
      provider_subscription_id, mode, status, plan_code, plan_version, url, expires_at, late_paid_at, provider_updated_at,
      provider_event_id, ended_at)
    SELECT v.id, $1, v.entity_id, v.operation_id, v.operation_key, $2, v.session, v.customer, v.subscription, v.mode, v.status,
           v.plan_code, v.plan_version, v.url, v.expires_at, v.late_paid_at, v.updated, v.event,
           CASE WHEN v.status IN ('completed_reconciled', 'expired', 'abandoned') THEN billing.now() END
    FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
                $10::timestamptz[], $11::timestamptz[], $12::text[], $13::uuid[], $14::uuid[], $15::text[], $16::text[],
                $17::text[], $18::integer[])
      AS v (id, status, session, customer, subscription, url, expires_at, late_paid_at, updated, event, entity_id,
            operation_id, operation_key, mode, plan_code, plan_version)
  )sql",
           {env, provider, Param::UuidArray(c.id), Param::TextArray(c.status), Param::TextArray(c.session),
            Param::TextArray(c.customer), Param::TextArray(c.subscription), Param::TextArray(c.url),
            Param::TimeArray(c.expires), Param::TimeArray(c.late), Param::TimeArray(c.updated),
            Param::TextArray(c.event), Param::UuidArray(entity), Param::UuidArray(operation_id),
            Param::TextArray(operation_key), Param::TextArray(mode), Param::TextArray(plan), Param::IntArray(version)});
}

void InsertRemediations(db::Tx& tx, IdGenerator& ids, std::string_view env, std::string_view provider,
                        const States& states, std::vector<Duplicate>& duplicates) {
  Texts id, entity, subscription, canonical;
  for (const auto& [entity_id, state] : states) {
    for (const Duplicate& d : state.duplicates) {
      id.push_back(ids.NewId());
      entity.push_back(d.entity_id);
      subscription.push_back(d.provider_subscription_id);
      canonical.push_back(d.canonical_subscription_id);
    }
  }
  if (id.empty()) return;
  tx.QueueAndTake(R"sql(
    INSERT INTO billing.remediations (id, env, entity_id, provider, kind, provider_subscription_id, canonical_subscription_id,
                                      algorithm)
    SELECT v.id, $1, v.entity_id, $2, 'cancel_duplicate_subscription', v.subscription, v.canonical, $3
    FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[]) AS v (id, entity_id, subscription, canonical)
    ON CONFLICT (provider, kind, provider_subscription_id) DO NOTHING
    RETURNING entity_id, provider_subscription_id, canonical_subscription_id
  )sql",
                  {env, provider, kCanonicalAlgorithm, Param::UuidArray(id), Param::UuidArray(entity),
                   Param::TextArray(subscription), Param::UuidArray(canonical)},
                  [&duplicates](const db::Result& rows) {
                    for (int i = 0; i < rows.size(); ++i) {
                      duplicates.push_back({rows[i].Text(0), rows[i].Text(1), rows[i].Text(2)});
                    }
                  });
}

}  // namespace

absl::Status WriteStates(db::Tx& tx, IdGenerator& ids, std::string_view env, std::string_view provider,
                         const States& states, std::vector<Duplicate>& duplicates) {
  std::vector<const TrackedSession*> changed, made;
  for (const auto& [entity_id, state] : states) {
    for (const TrackedSession& tracked : state.sessions) {
      if (tracked.Written()) (tracked.stored ? changed : made).push_back(&tracked);
    }
  }
  ClearCurrent(tx, states);
  RETURN_IF_ERROR(UpsertSubscriptions(tx, env, provider, states));
  RETURN_IF_ERROR(WriteItems(tx, ids, provider, states));
  RETURN_IF_ERROR(UpsertInvoices(tx, env, provider, states));
  // Sessions that stop blocking make room for those that begin to.
  UpdateSessions(tx, changed);
  InsertSessions(tx, env, provider, made);
  InsertRemediations(tx, ids, env, provider, states, duplicates);
  return absl::OkStatus();
}

void BumpRevisions(db::Tx& tx, const std::vector<std::string>& entity_ids, std::vector<EntityChange>& changes) {
  if (entity_ids.empty()) return;
  tx.QueueAndTake(R"sql(
    WITH bumped AS (
      UPDATE billing.entities SET revision = revision + 1 WHERE id = ANY ($1::uuid[]) RETURNING id, revision
    )
    INSERT INTO billing.change_feed (entity_id, revision, created_at)
    SELECT b.id, b.revision, clock.now FROM bumped b CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
    RETURNING entity_id, revision
  )sql",
                  {Param::UuidArray(entity_ids)},
                  [&changes](const db::Result& rows) {
                    for (int i = 0; i < rows.size(); ++i) changes.push_back({rows[i].Text(0), rows[i].Int(1)});
                  },
                  db::Format::kBinary);
}

}  // namespace billmesh::webhook
