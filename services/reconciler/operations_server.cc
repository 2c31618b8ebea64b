#include "services/reconciler/operations_server.h"

#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::reconciler {
namespace {

namespace pb = ::billing::reconciler::v1;

google::protobuf::Timestamp TimestampOf(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

}  // namespace

grpc::ServerUnaryReactor* OperationsServer::ListDeadLetters(grpc::CallbackServerContext* context,
                                                            const pb::ListDeadLettersRequest* request,
                                                            pb::ListDeadLettersResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.reconciler.v1.OperationsService/ListDeadLetters",
                       [this, request, response](const rpc::CallContext&) -> absl::Status {
                         const int page_size = request->page_size() == 0 ? kDefaultPageSize : request->page_size();
                         if (page_size < 1 || page_size > kMaxPageSize) {
                           return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "page_size: expected 1 to 100",
                                       {{"field", "page_size"}});
                         }
                         ASSIGN_OR_RETURN(const DeadLetterPage page,
                                          service_.ListDeadLetters(page_size, request->page_token()));
                         for (const DeadLetter& job : page.jobs) {
                           pb::OutboxJob& to = *response->add_jobs();
                           to.set_job_id(job.job_id);
                           to.set_job_type(job.job_type);
                           to.set_entity_id(job.entity_id.value_or(""));
                           to.set_attempts(static_cast<int32_t>(job.attempts));
                           to.set_last_error(job.last_error);
                           *to.mutable_created_at() = TimestampOf(job.created_at);
                           *to.mutable_dead_at() = TimestampOf(job.finished_at);
                         }
                         response->set_next_page_token(page.next_page_token);
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* OperationsServer::RequeueJob(grpc::CallbackServerContext* context,
                                                       const pb::RequeueJobRequest* request,
                                                       pb::RequeueJobResponse* response) {
  return rpc::Blocking(
      calls_, context, "/billing.reconciler.v1.OperationsService/RequeueJob",
      [this, request, response](const rpc::CallContext& call) -> absl::Status {
        if (!IsUuid(request->job_id())) {
          return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "job_id: expected a UUID", {{"field", "job_id"}});
        }
        ASSIGN_OR_RETURN(const bool requeued, service_.RequeueJob(call.caller, request->job_id()));
        response->set_requeued(requeued);
        return absl::OkStatus();
      });
}

}  // namespace billmesh::reconciler
