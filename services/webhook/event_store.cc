#include "services/webhook/event_store.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "common/status/status.h"

namespace billmesh::webhook {
namespace {

using db::Param;
using OptTexts = std::vector<std::optional<std::string>>;

std::optional<int64_t> Micros(std::optional<absl::Duration> delay) {
  return delay.has_value() ? std::optional(absl::ToInt64Microseconds(*delay)) : std::nullopt;
}

// Ids as one text, for an array of arrays that unnest() would flatten; null for none.
std::optional<std::string> Joined(const std::vector<std::string>& ids) {
  return ids.empty() ? std::nullopt : std::optional(absl::StrJoin(ids, "\x1f"));
}

absl::Status LeaseLost() { return Fail(Reason::FAILURE_REASON_LEASE_LOST, "the lease on the event was lost"); }

std::vector<LeasedEvent> ReadLeased(const db::Result& rows) {
  std::vector<LeasedEvent> leased;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    LeasedEvent event;
    event.ref = {row.Text(0), row.Time(1), row.Int(2), row.Int(3), row.OptText(6), row.Bool(7)};
    event.status = ParseDisposition(row.View(4)).value_or(Disposition::kFailed);
    if (!row.IsNull(5)) event.payload = row.Bytes(5);
    leased.push_back(std::move(event));
  }
  return leased;
}

}  // namespace

void ClaimKeys(db::Tx& tx, std::string_view provider, std::vector<EventKey> keys,
               std::unordered_map<std::string, absl::Time>& fresh) {
  if (keys.empty()) return;
  std::sort(keys.begin(), keys.end(),
            [](const EventKey& a, const EventKey& b) { return a.provider_event_id < b.provider_event_id; });
  std::vector<std::string> event_ids, ids;
  for (EventKey& key : keys) {
    event_ids.push_back(std::move(key.provider_event_id));
    ids.push_back(std::move(key.id));
  }
  tx.Queue(R"sql(
    INSERT INTO billing.webhook_event_keys (provider, provider_event_id, event_id, received_at)
    SELECT $1, v.provider_event_id, v.event_id, clock.now
    FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY AS v (provider_event_id, event_id, place)
    CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
    ORDER BY v.place
    ON CONFLICT (provider, provider_event_id) DO NOTHING
    RETURNING provider_event_id, received_at
  )sql",
           {provider, Param::TextArray(event_ids), Param::UuidArray(ids)},
           [&fresh](const db::Result& rows) {
             for (int i = 0; i < rows.size(); ++i) fresh.emplace(rows[i].Text(0), rows[i].Time(1));
             return absl::OkStatus();
           },
           db::Format::kBinary);
}

absl::StatusOr<std::unordered_map<std::string, Disposition>> LoadDispositions(
    db::Tx& tx, std::string_view provider, const std::vector<std::string>& event_ids) {
  std::unordered_map<std::string, Disposition> found;
  if (event_ids.empty()) return found;
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT k.provider_event_id, e.status
    FROM billing.webhook_event_keys k
    JOIN billing.webhook_events e ON e.id = k.event_id AND e.received_at = k.received_at
    WHERE k.provider = $1 AND k.provider_event_id = ANY ($2::text[])
  )sql",
                                                  {provider, Param::TextArray(event_ids)}));
  for (int i = 0; i < rows.size(); ++i) {
    if (const auto disposition = ParseDisposition(rows[i].View(1))) found.emplace(rows[i].Text(0), *disposition);
  }
  return found;
}

void InsertEvents(db::Tx& tx, std::string_view env, std::string_view provider,
                  const std::vector<const EventRecord*>& records) {
  if (records.empty()) return;
  std::vector<std::string> id, event_id, type, status;
  std::vector<std::string_view> payload;
  OptTexts api_version, object_id, customer, entity, reason, waits_for;
  std::vector<bool> livemode;
  std::vector<int64_t> attempts;
  std::vector<std::optional<int64_t>> delay_us;
  std::vector<std::optional<absl::Time>> received, created;
  for (const EventRecord* record : records) {
    const EventRecord& r = *record;
    id.push_back(r.ref.id);
    received.push_back(r.ref.received_at);
    event_id.push_back(r.event->id);
    type.push_back(r.event->type);
    api_version.push_back(r.event->api_version);
    livemode.push_back(r.event->livemode);
    created.push_back(r.event->created_at);
    object_id.push_back(r.event->object_id);
    customer.push_back(r.event->customer_id);
    entity.push_back(r.entity_id);
    status.emplace_back(NameOf(r.disposition));
    reason.push_back(r.reason.empty() ? std::nullopt : std::optional(r.reason));
    attempts.push_back(r.attempts);
    delay_us.push_back(Micros(r.run_after_delay));
    waits_for.push_back(Joined(r.waits_for));
    payload.push_back(*r.payload);
  }
  tx.Queue(R"sql(
    INSERT INTO billing.webhook_events (id, received_at, env, provider, provider_event_id, type, api_version, livemode,
                                        provider_created_at, object_id, provider_customer_id, entity_id, status, status_reason,
                                        attempts, run_after, waits_for, payload, processed_at,
                                        first_processed_at)
    SELECT v.id, v.received_at, $1, $2, v.provider_event_id, v.type, v.api_version, v.livemode, v.provider_created_at,
           v.object_id, v.provider_customer_id, v.entity_id, v.status, v.status_reason, v.attempts,
           clock.now + v.delay_us * interval '1 microsecond', string_to_array(v.waits_for, chr(31)), v.payload,
           CASE WHEN v.status = 'processed' THEN clock.now END, CASE WHEN v.status = 'processed' THEN clock.now END
    FROM unnest($3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::timestamptz[],
                $10::text[], $11::text[], $12::uuid[], $13::text[], $14::text[], $15::integer[], $16::bigint[],
                $17::text[], $18::bytea[])
      AS v (id, received_at, provider_event_id, type, api_version, livemode, provider_created_at, object_id,
            provider_customer_id, entity_id, status, status_reason, attempts, delay_us, waits_for, payload)
    CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
  )sql",
           {env, provider, Param::UuidArray(id), Param::TimeArray(received), Param::TextArray(event_id),
            Param::TextArray(type), Param::TextArray(api_version), Param::BoolArray(livemode),
            Param::TimeArray(created), Param::TextArray(object_id), Param::TextArray(customer),
            Param::UuidArray(entity), Param::TextArray(status), Param::TextArray(reason), Param::IntArray(attempts),
            Param::IntArray(delay_us), Param::TextArray(waits_for), Param::BytesArray(payload)});
}

void LockLeased(db::Tx& tx, const StoredRef& ref) {
  tx.Queue(R"sql(
    SELECT 1 FROM billing.webhook_events e
    WHERE e.id = $1 AND e.received_at = $2 AND e.lease_version = $3 AND e.lease_owner IS NOT NULL
    FOR UPDATE
  )sql",
           {ref.id, ref.received_at, ref.lease_version},
           [](const db::Result& rows) { return rows.empty() ? LeaseLost() : absl::OkStatus(); });
}

void FinishEvent(db::Tx& tx, const EventRecord& record) {
  tx.Queue(R"sql(
    UPDATE billing.webhook_events
    SET status = $4, status_reason = $5, entity_id = coalesce($6::uuid, entity_id), attempts = $7,
        run_after = billing.now() + $8::bigint * interval '1 microsecond', waits_for = string_to_array($9, chr(31)),
        processed_at = CASE WHEN $4 = 'processed' THEN billing.now() END,
        first_processed_at = coalesce(first_processed_at, CASE WHEN $4 = 'processed' THEN billing.now() END),
        lease_owner = NULL, lease_until = NULL
    WHERE id = $1 AND received_at = $2 AND lease_version = $3 AND lease_owner IS NOT NULL
  )sql",
           {record.ref.id, record.ref.received_at, record.ref.lease_version, NameOf(record.disposition),
            record.reason.empty() ? Param(std::nullopt) : Param(record.reason), record.entity_id, record.attempts,
            Micros(record.run_after_delay), Joined(record.waits_for)},
           [](const db::Result& done) { return done.affected() == 1 ? absl::OkStatus() : LeaseLost(); });
}

absl::Status DeferEvent(db::Tx& tx, const StoredRef& ref, const lease::Backoff& backoff, Lane lane) {
  ASSIGN_OR_RETURN(const db::Result done,
                   tx.Exec(R"sql(
    UPDATE billing.webhook_events
    SET status = CASE WHEN $6 THEN 'pending' ELSE status END, status_reason = CASE WHEN $6 THEN $7 ELSE status_reason END,
        run_after = billing.now() + least(greatest(billing.now() - received_at, $4::interval), $5::interval),
        lease_owner = NULL, lease_until = NULL
    WHERE id = $1 AND received_at = $2 AND lease_version = $3 AND lease_owner IS NOT NULL
  )sql",
                           {ref.id, ref.received_at, ref.lease_version, Param::Interval(backoff.base),
                            Param::Interval(backoff.max), lane == Lane::kSetAside, kSetAside}));
  return done.affected() == 1 ? absl::OkStatus() : LeaseLost();
}

absl::StatusOr<std::vector<LeasedEvent>> LeaseDue(db::Tx& tx, std::string_view env, std::string_view provider,
                                                  std::string_view owner, absl::Duration lease, int limit, Lane lane) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(R"sql(
    WITH due AS (
      SELECT e.id, e.received_at
      FROM billing.webhook_events e
      WHERE e.status IN ('pending', 'failed', 'parked') AND e.env = $1 AND e.provider = $2
        AND e.run_after <= billing.now()
        AND (e.lease_until IS NULL OR e.lease_until <= billing.now())
        AND (coalesce(e.status_reason, '') = $6) = $7
      ORDER BY e.run_after
      LIMIT $5
      FOR UPDATE SKIP LOCKED
    )
    UPDATE billing.webhook_events e
    SET lease_owner = $3, lease_until = billing.now() + $4::interval, lease_version = e.lease_version + 1
    FROM due
    WHERE e.id = due.id AND e.received_at = due.received_at
    RETURNING e.id, e.received_at, e.lease_version, e.attempts, e.status, e.payload, e.bound_entity_id,
              e.first_processed_at IS NOT NULL OR e.processed_at IS NOT NULL
  )sql",
                           {env, provider, owner, Param::Interval(lease), limit, kSetAside, lane == Lane::kSetAside}));
  return ReadLeased(rows);
}

absl::StatusOr<std::vector<LeasedEvent>> LeaseLinked(db::Tx& tx, std::string_view env, std::string_view provider,
                                                     std::string_view owner, absl::Duration lease, int limit) {
  // Once it's linked, no event can be parked for these reasons again: it isn't taken up all the time.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    WITH linked AS (
      SELECT e.id, e.received_at
      FROM billing.webhook_events e
      WHERE e.status = 'parked' AND e.provider_customer_id IS NOT NULL AND e.env = $1 AND e.provider = $2
        AND e.status_reason IN ('nothing_stored_matches', 'customer_not_linked')
        AND (e.lease_until IS NULL OR e.lease_until <= billing.now())
        AND EXISTS (SELECT 1 FROM billing.entity_customers c
                    JOIN billing.entities owner ON owner.id = c.entity_id AND owner.env = $1
                    WHERE c.provider = $2 AND c.provider_customer_id = e.provider_customer_id)
      ORDER BY e.received_at
      LIMIT $5
      FOR UPDATE OF e SKIP LOCKED
    )
    UPDATE billing.webhook_events e
    SET lease_owner = $3, lease_until = billing.now() + $4::interval, lease_version = e.lease_version + 1
    FROM linked
    WHERE e.id = linked.id AND e.received_at = linked.received_at
    RETURNING e.id, e.received_at, e.lease_version, e.attempts, e.status, e.payload, e.bound_entity_id,
              e.first_processed_at IS NOT NULL OR e.processed_at IS NOT NULL
  )sql",
                                                  {env, provider, owner, Param::Interval(lease), limit}));
  return ReadLeased(rows);
}

absl::StatusOr<LeasedEvent> LeaseForOperator(db::Tx& tx, std::string_view env, std::string_view provider,
                                             std::string_view provider_event_id, std::string_view owner,
                                             absl::Duration lease) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    UPDATE billing.webhook_events e
    SET lease_owner = $4, lease_until = billing.now() + $5::interval, lease_version = e.lease_version + 1
    FROM billing.webhook_event_keys k
    WHERE k.provider = $2 AND k.provider_event_id = $3 AND e.id = k.event_id AND e.received_at = k.received_at AND e.env = $1
      AND (e.lease_until IS NULL OR e.lease_until <= billing.now())
    RETURNING e.id, e.received_at, e.lease_version, e.attempts, e.status, e.payload, e.bound_entity_id,
              e.first_processed_at IS NOT NULL OR e.processed_at IS NOT NULL
  )sql",
                                                  {env, provider, provider_event_id, owner, Param::Interval(lease)}));
  if (!rows.empty()) return std::move(ReadLeased(rows)[0]);
  ASSIGN_OR_RETURN(const auto known, LoadDispositions(tx, provider, {std::string(provider_event_id)}));
  if (known.empty()) return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such event", {{"what", "event"}});
  return Fail(Reason::FAILURE_REASON_LEASE_LOST, "a worker is at the event");
}

absl::Status SetBound(db::Tx& tx, const StoredRef& ref, std::string_view entity_id) {
  return tx
      .Exec(R"sql(
    UPDATE billing.webhook_events SET bound_entity_id = $3 WHERE id = $1 AND received_at = $2
  )sql",
            {ref.id, ref.received_at, entity_id})
      .status();
}

absl::Status Dismiss(db::Tx& tx, const StoredRef& ref, std::string_view reason) {
  return tx
      .Exec(R"sql(
    UPDATE billing.webhook_events
    SET status = 'dismissed', status_reason = $3, run_after = NULL, lease_owner = NULL, lease_until = NULL
    WHERE id = $1 AND received_at = $2
  )sql",
            {ref.id, ref.received_at, reason})
      .status();
}

void WakeParked(db::Tx& tx, std::string_view env, std::string_view provider, const std::vector<std::string>& object_ids,
                bool& has_due) {
  if (object_ids.empty()) return;
  // One that a worker holds is skipped: it locks the event before the entity, we do it the other way round.
  tx.QueueAndTake(R"sql(
    WITH waiting AS (
      SELECT e.id, e.received_at
      FROM billing.webhook_events e
      WHERE e.status = 'parked' AND e.waits_for && $3::text[] AND e.env = $1 AND e.provider = $2
      FOR UPDATE SKIP LOCKED
    )
    UPDATE billing.webhook_events e
    SET run_after = billing.now()
    FROM waiting
    WHERE e.id = waiting.id AND e.received_at = waiting.received_at
  )sql",
                  {env, provider, Param::TextArray(object_ids)},
                  [&has_due](const db::Result& woken) { has_due = has_due || woken.affected() > 0; });
}

absl::StatusOr<EventStats> ReadEventStats(db::Tx& tx, std::string_view env, std::string_view provider) {
  // Each branch has an index of its own: those that are settled, nearly all, are not looked at.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT e.status, count(*),
           coalesce(greatest(0, extract(epoch FROM billing.now() - min(e.due_at)
                                        FILTER (WHERE e.status IN ('pending', 'failed'))) * 1000), 0)::bigint
    FROM (SELECT o.status, o.env, o.provider,
                 CASE WHEN o.status_reason = $3 THEN o.received_at ELSE o.run_after END AS due_at
          FROM billing.webhook_events o
          WHERE o.status IN ('pending', 'failed', 'parked')
          UNION ALL
          SELECT a.status, a.env, a.provider, NULL
          FROM billing.webhook_events a
          WHERE a.status IN ('quarantined', 'dead')) e
    WHERE e.env = $1 AND e.provider = $2
    GROUP BY e.status
  )sql",
                                                  {env, provider, kSetAside}));
  EventStats stats;
  for (int i = 0; i < rows.size(); ++i) {
    stats.count_by_status[rows[i].Text(0)] = rows[i].Int(1);
    stats.oldest_due = std::max(stats.oldest_due, absl::Milliseconds(rows[i].Int(2)));
  }
  return stats;
}

absl::StatusOr<int64_t> EnsurePartitions(db::Tx& tx, int days) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT (billing.ensure_partitions('webhook_events', $1) + billing.ensure_partitions('audit_log', $1))::bigint
  )sql",
                                                  {days}));
  return rows[0].Int(0);
}

}  // namespace billmesh::webhook
