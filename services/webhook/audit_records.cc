#include "services/webhook/audit_records.h"

#include "absl/strings/str_cat.h"
#include "common/status/strings.h"
#include "nlohmann/json.hpp"

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

std::string Dump(const nlohmann::json& detail) {
  return detail.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::vector<audit::Record> AuditRecords(std::string_view env, std::string_view provider, const provider::Event& event,
                                        const std::string& entity_id, const std::optional<std::string>& operation_key,
                                        const Applied& applied) {
  audit::Record base;
  base.env = std::string(env);
  base.entity_id = entity_id;
  base.actor = absl::StrCat("provider:", AbslView(provider));
  base.provider_event_id = event.id;

  std::vector<audit::Record> records;
  audit::Record processed = base;
  processed.action = audit::kWebhookProcessed;
  processed.operation_key = operation_key;
  processed.before_digest = applied.before_digest;
  processed.after_digest = applied.after_digest;
  processed.detail_json =
      Dump({{"type", event.type}, {"object_id", event.object_id.value_or("")}, {"result", applied.result}});
  records.push_back(std::move(processed));
  for (const SessionChange& change : Joined(applied.session_changes)) {
    // An opening isn't an end of a checkout; checkout audits it itself.
    if (change.to == SessionStatus::kOpen) continue;
    audit::Record record = base;
    record.action = ActionOf(change);
    record.operation_key = change.operation_key;
    record.before_digest = change.before_digest;
    record.after_digest = change.after_digest;
    const std::string from = change.from.has_value() ? std::string(checkout::NameOf(*change.from)) : "";
    record.detail_json = Dump({{"session_id", change.provider_session_id.value_or("")},
                               {"from", from},
                               {"to", std::string(checkout::NameOf(change.to))}});
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace billmesh::webhook
