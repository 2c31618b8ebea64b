#include "services/reconciler/reconciler_service.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::reconciler {
namespace {

// How often a run that is waited for is looked at.
constexpr absl::Duration kLookPeriod = absl::Milliseconds(100);

}  // namespace

ReconcilerService::ReconcilerService(Deps deps) : deps_(std::move(deps)) {
  if (!deps_.sleep)
    deps_.sleep = [](absl::Duration time) { std::this_thread::sleep_for(absl::ToChronoMicroseconds(time)); };
}

absl::Status ReconcilerService::CheckScope(std::string_view scope) const {
  if (deps_.scopes.contains(scope)) return absl::OkStatus();
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
              absl::StrCat("scope: expected one of ", absl::StrJoin(deps_.scopes, ", ")), {{"field", "scope"}});
}

absl::StatusOr<RequestedRun> ReconcilerService::RunScope(const auth::Caller& caller, const std::string& scope,
                                                         absl::Duration wait_until_monotonic) {
  RETURN_IF_ERROR(CheckScope(scope));
  ASSIGN_OR_RETURN(RequestedRun requested, Request(caller, scope));
  if (requested.started) {
    ASSIGN_OR_RETURN(requested.run, AwaitEnd(std::move(requested.run), wait_until_monotonic));
  }
  return requested;
}

absl::StatusOr<RequestedRun> ReconcilerService::Request(const auth::Caller& caller, const std::string& scope) {
  const RunKey key{deps_.env, deps_.provider, scope};
  return db::RunInTransaction(
      deps_.pool, db::Scope::System("request_run"), [&](db::Tx& tx) -> absl::StatusOr<RequestedRun> {
        ASSIGN_OR_RETURN(std::optional<Run> run, RequestRun(tx, deps_.ids.NewId(), key, caller.AuditActor()));
        if (!run.has_value()) {
          ASSIGN_OR_RETURN(std::optional<Run> active, FindActiveRun(tx, key));
          if (active.has_value()) return RequestedRun{std::move(*active), false};
          return Fail(Reason::FAILURE_REASON_TRANSACTION_CONFLICT, "the active run ended this moment; try again");
        }
        audit::Record record;
        record.env = deps_.env;
        record.actor = caller.AuditActor();
        record.action = audit::kReconciliationRequested;
        record.detail_json = nlohmann::json{{"run_id", run->id}, {"scope", scope}}.dump();
        RETURN_IF_ERROR(audit::Append(tx, deps_.ids, {record}));
        return RequestedRun{std::move(*run), true};
      });
}

// A runner takes it within its poll period, here or in another process.
absl::StatusOr<Run> ReconcilerService::AwaitEnd(Run run, absl::Duration until_monotonic) {
  while (run.status == RunStatus::kRunning) {
    const absl::Duration left = until_monotonic - deps_.clock.Monotonic();
    if (left <= absl::ZeroDuration()) break;
    deps_.sleep(std::min(left, kLookPeriod));
    ASSIGN_OR_RETURN(std::optional<Run> now, db::RunInTransaction(deps_.pool, db::Scope::System("await_run"),
                                                                  [&](db::Tx& tx) { return FindRun(tx, run.id); }));
    if (!now.has_value()) break;
    run = std::move(*now);
  }
  return run;
}

absl::StatusOr<RunPage> ReconcilerService::ListRuns(std::string_view scope, int page_size,
                                                    std::string_view page_token) {
  if (!scope.empty()) RETURN_IF_ERROR(CheckScope(scope));
  std::optional<RowPlace> after;
  if (!page_token.empty()) {
    after = DecodePageToken(page_token);
    if (!after.has_value()) {
      return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "page_token isn't from an earlier answer",
                  {{"field", "page_token"}});
    }
  }
  RunPage page;
  // One more than is shown tells whether there is another page.
  ASSIGN_OR_RETURN(page.runs, db::RunInTransaction(deps_.pool, db::Scope::System("list_runs"), [&](db::Tx& tx) {
                     return ReadRuns(tx, deps_.env, scope, after, page_size + 1);
                   }));
  if (page.runs.size() > static_cast<size_t>(page_size)) {
    page.runs.pop_back();
    page.next_page_token = EncodePageToken({page.runs.back().started_at, page.runs.back().id});
  }
  return page;
}

}  // namespace billmesh::reconciler
