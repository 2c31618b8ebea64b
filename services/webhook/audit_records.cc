#include "services/webhook/audit_records.h"

#include "absl/strings/str_cat.h"
#include "common/json/escape.h"

namespace billmesh::webhook {
namespace {

// Several moves of one session in one event are one change, from where it was to where it is.
std::vector<SessionChange> Joined(const std::vector<SessionChange>& changes) {
  std::vector<SessionChange> joined;
  for (const SessionChange& change : changes) {
    bool known = false;
    for (SessionChange& earlier : joined) {
      if (earlier.operation_key != change.operation_key) continue;
      earlier.to = change.to;
      earlier.paid_late = earlier.paid_late || change.paid_late;
      earlier.after_digest = change.after_digest;
      known = true;
    }
    if (!known) joined.push_back(change);
  }
  return joined;
}

std::string ActionOf(const SessionChange& change) {
  if (change.paid_late) return kCheckoutPaidLate;
  if (change.to == SessionStatus::kExpired) return audit::kCheckoutSessionExpired;
  const bool completed_before = change.from == SessionStatus::kCompletedPendingSubscription;
  return completed_before ? audit::kCheckoutReconciled : audit::kCheckoutCompleted;
}

using Member = std::pair<std::string_view, std::string_view>;

std::string JsonObject(const std::vector<Member>& members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    if (out.size() > 1) out += ',';
    json::AppendQuoted(out, name);
    out += ':';
    json::AppendQuoted(out, value);
  }
  return out + "}";
}

}  // namespace

std::vector<audit::Record> AuditRecords(const AuditOrigin& origin, const ObjectResult& result) {
  const Applied& applied = result.applied;
  audit::Record base;
  base.env = origin.env;
  base.entity_id = result.entity_id;
  base.actor = absl::StrCat("provider:", origin.provider);
  base.provider_event_id = origin.provider_event_id;

  std::vector<audit::Record> records;
  audit::Record own = base;
  const bool fetched = !origin.provider_event_id.has_value();
  own.action = fetched ? audit::kProjectionRefreshed : audit::kWebhookProcessed;
  own.operation_key = result.operation_key;
  own.before_digest = applied.before_digest;
  own.after_digest = applied.after_digest;
  std::vector<Member> detail = {{"type", origin.type}, {"object_id", origin.object_id}, {"result", applied.result}};
  if (fetched) detail.emplace_back("requested_by", origin.requested_by);
  own.detail_json = JsonObject(detail);
  records.push_back(std::move(own));
  for (const SessionChange& change : Joined(applied.session_changes)) {
    // An opening isn't an end of a checkout; checkout audits it itself.
    if (change.to == SessionStatus::kOpen) continue;
    audit::Record record = base;
    record.action = ActionOf(change);
    record.operation_key = change.operation_key;
    record.before_digest = change.before_digest;
    record.after_digest = change.after_digest;
    const std::string session_id = change.provider_session_id.value_or("");
    const std::string_view from = change.from.has_value() ? checkout::NameOf(*change.from) : "";
    record.detail_json = JsonObject({{"session_id", session_id}, {"from", from}, {"to", checkout::NameOf(change.to)}});
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace billmesh::webhook
