#include "services/reconciler/reconciler_server.h"

#include <algorithm>

#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "google/protobuf/util/time_util.h"
#include "services/reconciler/operations_server.h"

namespace billmesh::reconciler {
namespace {

namespace pb = ::billing::reconciler::v1;

// What a caller needs to hear the answer before its own deadline.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(500);

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

pb::RunStatus ToProto(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return pb::RUN_STATUS_RUNNING;
    case RunStatus::kDone:
      return pb::RUN_STATUS_DONE;
    case RunStatus::kFailed:
      return pb::RUN_STATUS_FAILED;
  }
  return pb::RUN_STATUS_UNSPECIFIED;
}

void ToProto(const Run& run, pb::Run& to) {
  to.set_run_id(run.id);
  to.set_scope(run.key.scope);
  to.set_status(ToProto(run.status));
  to.set_trigger(run.manual ? pb::RUN_TRIGGER_MANUAL : pb::RUN_TRIGGER_SCHEDULE);
  to.set_requested_by(run.requested_by);
  to.set_scanned(run.tally.scanned);
  to.set_drifted(run.tally.drifted);
  to.set_repaired(run.tally.repaired);
  to.set_failed(run.tally.failed);
  for (const Finding& sample : run.tally.samples) {
    pb::RunSample& shown = *to.add_samples();
    shown.set_subject(sample.subject);
    shown.set_kind(sample.kind);
    shown.set_result(std::string(ResultName(sample.result)));
    shown.set_detail(sample.detail);
  }
  to.set_error(run.error);
  *to.mutable_started_at() = ToProto(run.started_at);
  *to.mutable_updated_at() = ToProto(run.updated_at);
  if (run.finished_at.has_value()) *to.mutable_finished_at() = ToProto(*run.finished_at);
}

}  // namespace

grpc::ServerUnaryReactor* ReconcilerServer::RunScope(grpc::CallbackServerContext* context,
                                                     const pb::RunScopeRequest* request,
                                                     pb::RunScopeResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.reconciler.v1.ReconcilerService/RunScope",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         const absl::Duration until =
                             std::min(calls_.clock().Monotonic() + kMaxRunWait, call.deadline_monotonic - kAnswerTime);
                         ASSIGN_OR_RETURN(const RequestedRun requested,
                                          service_.RunScope(call.caller, request->scope(), until));
                         ToProto(requested.run, *response->mutable_run());
                         response->set_started(requested.started);
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* ReconcilerServer::ListRuns(grpc::CallbackServerContext* context,
                                                     const pb::ListRunsRequest* request,
                                                     pb::ListRunsResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.reconciler.v1.ReconcilerService/ListRuns",
                       [this, request, response](const rpc::CallContext&) -> absl::Status {
                         const int page_size = request->page_size() == 0 ? kDefaultPageSize : request->page_size();
                         if (page_size < 1 || page_size > kMaxPageSize) {
                           return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "page_size: expected 1 to 100",
                                       {{"field", "page_size"}});
                         }
                         ASSIGN_OR_RETURN(const RunPage page,
                                          service_.ListRuns(request->scope(), page_size, request->page_token()));
                         for (const Run& run : page.runs) ToProto(run, *response->add_runs());
                         response->set_next_page_token(page.next_page_token);
                         return absl::OkStatus();
                       });
}

}  // namespace billmesh::reconciler
