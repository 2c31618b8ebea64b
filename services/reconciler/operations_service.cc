#include "services/reconciler/operations_service.h"

#include <utility>

#include "common/audit/audit_store.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::reconciler {

absl::StatusOr<DeadLetterPage> OperationsService::ListDeadLetters(int page_size, std::string_view page_token) {
  std::optional<RowPlace> after;
  if (!page_token.empty()) {
    after = DecodePageToken(page_token);
    if (!after.has_value()) {
      return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "page_token isn't from an earlier answer",
                  {{"field", "page_token"}});
    }
  }
  DeadLetterPage page;
  // One more than is shown tells whether there is another page.
  ASSIGN_OR_RETURN(page.jobs, db::RunInTransaction(deps_.pool, db::Scope::System("list_dead_letters"), [&](db::Tx& tx) {
                     return ReadDeadLetters(tx, deps_.env, after, page_size + 1);
                   }));
  if (page.jobs.size() > static_cast<size_t>(page_size)) {
    page.jobs.pop_back();
    page.next_page_token = EncodePageToken({page.jobs.back().finished_at, page.jobs.back().job_id});
  }
  return page;
}

absl::StatusOr<bool> OperationsService::RequeueJob(const auth::Caller& caller, const std::string& job_id) {
  return db::RunInTransaction(deps_.pool, db::Scope::System("requeue_job"), [&](db::Tx& tx) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const std::optional<RequeuedJob> job, Requeue(tx, deps_.env, job_id));
    if (!job.has_value()) return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such job", {{"what", "job"}});
    if (!job->requeued) return false;
    audit::Record record;
    record.env = deps_.env;
    record.entity_id = job->entity_id;
    record.actor = caller.AuditActor();
    record.action = audit::kOutboxRequeued;
    record.detail_json = nlohmann::json{{"job_id", job_id}, {"job_type", job->job_type}}.dump();
    RETURN_IF_ERROR(audit::Append(tx, deps_.ids, {record}));
    return true;
  });
}

}  // namespace billmesh::reconciler
