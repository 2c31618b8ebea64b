#include "services/webhook/event_admin_store.h"

#include "common/status/status.h"

namespace billmesh::webhook {
namespace {

using db::Param;

Param OrNull(const std::string& text) { return text.empty() ? Param(std::nullopt) : Param(text); }

}  // namespace

bool EventFilter::Empty() const {
  return statuses.empty() && type_prefix.empty() && entity_id.empty() && provider_event_id.empty() &&
         provider_customer_id.empty() && object_id.empty() && !received_from.has_value() && !received_until.has_value();
}

absl::StatusOr<std::vector<EventRow>> FindEvents(db::Tx& tx, std::string_view env, std::string_view provider,
                                                 const EventFilter& filter, const std::optional<std::string>& before,
                                                 int limit) {
  const Param statuses = filter.statuses.empty() ? Param(std::nullopt) : Param::TextArray(filter.statuses);
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(R"sql(
    SELECT e.id, e.provider_event_id, e.type, e.status, coalesce(e.status_reason, ''), e.attempts,
           coalesce(e.entity_id::text, ''), coalesce(e.bound_entity_id::text, ''), coalesce(e.object_id, ''),
           coalesce(e.provider_customer_id, ''), coalesce(e.api_version, ''), e.provider_created_at, e.received_at,
           e.processed_at, e.run_after
    FROM billing.webhook_events e
    WHERE e.env = $1 AND e.provider = $2
      AND ($3::text[] IS NULL OR e.status = ANY ($3::text[]))
      AND ($4::text IS NULL OR starts_with(e.type, $4::text))
      AND ($5::uuid IS NULL OR e.entity_id = $5::uuid OR e.bound_entity_id = $5::uuid)
      AND ($6::text IS NULL OR e.id = (SELECT k.event_id FROM billing.webhook_event_keys k
                                       WHERE k.provider = $2 AND k.provider_event_id = $6::text))
      AND ($7::text IS NULL OR e.provider_customer_id = $7::text)
      AND ($8::text IS NULL OR e.object_id = $8::text)
      AND ($9::timestamptz IS NULL OR e.received_at >= $9::timestamptz)
      AND ($10::timestamptz IS NULL OR e.received_at < $10::timestamptz)
      AND ($11::uuid IS NULL OR e.id < $11::uuid)
    ORDER BY e.id DESC
    LIMIT $12
  )sql",
                           {env, provider, statuses, OrNull(filter.type_prefix), OrNull(filter.entity_id),
                            OrNull(filter.provider_event_id), OrNull(filter.provider_customer_id),
                            OrNull(filter.object_id), filter.received_from, filter.received_until, before, limit}));
  std::vector<EventRow> events;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row r = rows[i];
    events.push_back({r.Text(0), r.Text(1), r.Text(2), r.Text(3), r.Text(4), r.Int(5), r.Text(6), r.Text(7), r.Text(8),
                      r.Text(9), r.Text(10), r.Time(11), r.Time(12), r.OptTime(13), r.OptTime(14)});
  }
  return events;
}

absl::StatusOr<bool> EntityExists(db::Tx& tx, std::string_view env, std::string_view entity_id) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT 1 FROM billing.entities e WHERE e.id = $2 AND e.env = $1", {env, entity_id}));
  return !rows.empty();
}

}  // namespace billmesh::webhook
