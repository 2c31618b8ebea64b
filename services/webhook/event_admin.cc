#include "services/webhook/event_admin.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/webhook/data_error.h"

namespace billmesh::webhook {
namespace {

// Within the transaction only: it ends with it.
constexpr absl::Duration kLease = absl::Seconds(30);
// What takes a dry run back: an error that isn't one.
constexpr char kTakenBack[] = "dry run";
constexpr char kHeldByAWorker[] = "a worker is at it";
constexpr char kUnreadable[] = "its payload is scrubbed or can't be read any more";

bool MayBind(Disposition status) { return status == Disposition::kParked || status == Disposition::kQuarantined; }
bool MayDismiss(Disposition status) {
  return MayBind(status) || status == Disposition::kFailed || status == Disposition::kDead;
}

absl::Status WrongStatus(Disposition status, std::string_view action) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
              absl::StrCat("an event that is ", AbslView(NameOf(status)), " can't be ", AbslView(action)),
              {{"field", "provider_event_id"}, {"status", std::string(NameOf(status))}});
}

absl::StatusOr<std::optional<std::string>> PlaceOf(const std::string& page_token) {
  if (page_token.empty()) return std::optional<std::string>();
  if (!IsUuid(page_token)) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "page_token isn't from an earlier answer",
                {{"field", "page_token"}});
  }
  return std::optional(page_token);
}

}  // namespace

absl::StatusOr<EventPage> EventAdmin::List(const EventFilter& filter, int page_size, const std::string& page_token) {
  ASSIGN_OR_RETURN(const auto before, PlaceOf(page_token));
  EventPage page;
  // One more than is shown tells whether there is another page.
  ASSIGN_OR_RETURN(page.events,
                   db::RunInTransaction(deps_.pool, db::Scope::System("webhook.list_events"), [&](db::Tx& tx) {
                     return FindEvents(tx, settings_.env, settings_.provider, filter, before, page_size + 1);
                   }));
  if (page.events.size() > static_cast<size_t>(page_size)) {
    page.events.pop_back();
    page.next_page_token = page.events.back().id;
  }
  return page;
}

absl::StatusOr<ReplayPage> EventAdmin::Replay(const std::string& actor, const EventFilter& filter, bool dry_run,
                                              int page_size, const std::string& page_token) {
  ASSIGN_OR_RETURN(const EventPage page, List(filter, page_size, page_token));
  ReplayPage replayed;
  replayed.next_page_token = page.next_page_token;
  for (const EventRow& event : page.events) {
    auto one = Apply(event.provider_event_id, {actor, audit::kEventReplayed, std::nullopt, dry_run});
    const Reason why = ReasonOf(one.status());
    if (why == Reason::FAILURE_REASON_LEASE_LOST || why == Reason::FAILURE_REASON_WEBHOOK_PAYLOAD_MALFORMED) {
      Replayed left{event.provider_event_id, event.status, {}};
      left.result.disposition = ParseDisposition(event.status).value_or(Disposition::kPending);
      left.result.reason = why == Reason::FAILURE_REASON_LEASE_LOST ? kHeldByAWorker : kUnreadable;
      replayed.events.push_back(std::move(left));
      continue;
    }
    RETURN_IF_ERROR(one.status());
    replayed.events.push_back(*std::move(one));
  }
  return replayed;
}

absl::StatusOr<Replayed> EventAdmin::Bind(const std::string& actor, const std::string& provider_event_id,
                                          const std::string& entity_id) {
  return Apply(provider_event_id, {actor, audit::kEventBound, entity_id});
}

absl::StatusOr<Replayed> EventAdmin::Apply(const std::string& provider_event_id, const Action& action) {
  Replayed replayed{provider_event_id, "", {}};
  std::vector<Incoming> events;
  BatchOutcome outcome;
  const auto run = [&](const std::string* failure) {
    return deps_.pool.Run(db::Scope::System("webhook.operator"), [&](db::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(LeasedEvent leased, LeaseForOperator(tx, settings_.env, settings_.provider, provider_event_id,
                                                            action.actor, kLease));
      replayed.status_before = std::string(NameOf(leased.status));
      ASSIGN_OR_RETURN(outcome, ApplyIn(tx, leased, action, events, failure));
      RETURN_IF_ERROR(tx.Flush());
      // What is applied stays so: an event that would be less than that now (its object must be fetched, or it is bound
      // to nobody any more) is left as it is.
      const bool less = leased.ref.processed_before && outcome.results.at(0).disposition != Disposition::kProcessed;
      return action.dry_run || less ? absl::CancelledError(kTakenBack) : absl::OkStatus();
    });
  };
  absl::Status status = run(nullptr);
  if (!status.ok() && IsDataError(status)) {
    const std::string failure = DataErrorReason(status);
    status = run(&failure);
  }
  const bool taken_back = absl::IsCancelled(status);
  if (!status.ok() && !taken_back) return status;
  replayed.result = outcome.results.at(0);
  if (!taken_back) {
    deps_.service.Publish(events, outcome);
  } else if (!action.dry_run) {
    replayed.result.reason = absl::StrCat("left as it is: ", replayed.result.reason);
    replayed.result.disposition = Disposition::kProcessed;
  }
  return replayed;
}

absl::StatusOr<BatchOutcome> EventAdmin::ApplyIn(db::Tx& tx, const LeasedEvent& leased, const Action& action,
                                                 std::vector<Incoming>& events, const std::string* failure) {
  Incoming incoming;
  incoming.stored = leased.ref;
  incoming.stored->attempts = 0;  // a new budget
  incoming.payload = leased.payload;
  incoming.trace = telemetry::CallScope::Current();
  if (action.bind_to.has_value()) {
    if (!MayBind(leased.status)) return WrongStatus(leased.status, "bound");
    ASSIGN_OR_RETURN(const bool exists, EntityExists(tx, settings_.env, *action.bind_to));
    if (!exists) return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such entity", {{"what", "entity"}});
    RETURN_IF_ERROR(SetBound(tx, leased.ref, *action.bind_to));
    incoming.stored->bound_entity_id = action.bind_to;
  }
  auto event = deps_.source.Read(incoming.payload);
  if (!event.ok()) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_PAYLOAD_MALFORMED, kUnreadable);
  }
  incoming.event = *std::move(event);
  const std::string event_id = incoming.event.id;
  events.clear();
  events.push_back(std::move(incoming));
  EventBatch batch(settings_, deps_.ids, events);
  RETURN_IF_ERROR(failure != nullptr ? batch.RunAsFailed(tx, *failure) : batch.Run(tx));
  RETURN_IF_ERROR(tx.Flush());
  BatchOutcome outcome = batch.TakeOutcome();
  const EventResult& result = outcome.results.at(0);
  const nlohmann::json detail = {{"status_before", std::string(NameOf(leased.status))},
                                 {"status", std::string(NameOf(result.disposition))},
                                 {"bound_entity_id", action.bind_to.value_or("")}};
  const std::optional<std::string> entity = result.entity_id.empty() ? action.bind_to : std::optional(result.entity_id);
  RETURN_IF_ERROR(Audit(tx, action.actor, action.audit_action, event_id, entity, detail.dump()));
  return outcome;
}

absl::StatusOr<std::string> EventAdmin::Dismiss(const std::string& actor, const std::string& provider_event_id,
                                                const std::string& reason) {
  return db::RunInTransaction(
      deps_.pool, db::Scope::System("webhook.operator"), [&](db::Tx& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const LeasedEvent leased,
                         LeaseForOperator(tx, settings_.env, settings_.provider, provider_event_id, actor, kLease));
        const std::string before(NameOf(leased.status));
        if (leased.status != Disposition::kDismissed && !MayDismiss(leased.status)) {
          return WrongStatus(leased.status, "dismissed");
        }
        RETURN_IF_ERROR(webhook::Dismiss(tx, leased.ref, reason));
        const nlohmann::json detail = {{"status_before", before}, {"reason", reason}};
        RETURN_IF_ERROR(Audit(tx, actor, audit::kEventDismissed, provider_event_id, std::nullopt, detail.dump()));
        return before;
      });
}

absl::Status EventAdmin::Audit(db::Tx& tx, const std::string& actor, const char* action,
                               const std::string& provider_event_id, const std::optional<std::string>& entity_id,
                               const std::string& detail_json) {
  audit::Record record;
  record.env = settings_.env;
  record.entity_id = entity_id;
  record.actor = actor;
  record.action = action;
  record.provider_event_id = provider_event_id;
  record.detail_json = detail_json;
  return audit::Append(tx, deps_.ids, {record});
}

}  // namespace billmesh::webhook
