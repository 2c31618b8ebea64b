#include "deploy/billctl/outbox_commands.h"

#include "billing/reconciler/v1/operations.grpc.pb.h"
#include "common/status/status.h"
#include "deploy/billctl/peers.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::reconciler::v1;

constexpr char kPeer[] = "reconciler";

absl::StatusOr<int> Dead(Context& context) {
  pb::ListDeadLettersRequest request;
  request.set_page_size(static_cast<int32_t>(context.config.GetInt("page-size")));
  request.set_page_token(context.config.Get("page-token"));
  pb::ListDeadLettersResponse response;
  RETURN_IF_ERROR(
      Call<pb::OperationsService>(context, kPeer, &pb::OperationsService::Stub::ListDeadLetters, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  if (response.jobs().empty()) context.out << "no dead letters\n";
  for (const pb::OutboxJob& job : response.jobs()) {
    context.out << job.job_id() << "  " << google::protobuf::util::TimeUtil::ToString(job.dead_at()) << "  "
                << job.job_type() << "  " << job.attempts() << " attempts: " << job.last_error() << "\n";
  }
  if (!response.next_page_token().empty()) context.out << "more: --page-token=" << response.next_page_token() << "\n";
  return kExitOk;
}

absl::StatusOr<int> Requeue(Context& context) {
  pb::RequeueJobRequest request;
  request.set_job_id(context.arguments[0]);
  pb::RequeueJobResponse response;
  RETURN_IF_ERROR(
      Call<pb::OperationsService>(context, kPeer, &pb::OperationsService::Stub::RequeueJob, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << (response.requeued() ? "requeued " : "not dead, left as it is: ") << request.job_id() << "\n";
  }
  return kExitOk;
}

}  // namespace

std::vector<Command> OutboxCommands() {
  return {
      {"outbox dead",
       {},
       "jobs that used up their retry budget, newest first",
       Joined({PeerSettings(kPeer),
               {{"page-size", "", config::Type::kInt, "50", "jobs a page", 1, 100},
                TextFlag("page-token", "from the page before")}}),
       {},
       Dead},
      {"outbox requeue", {"JOB"}, "give a dead job a new budget", PeerSettings(kPeer), {}, Requeue},
  };
}

}  // namespace billmesh::billctl
