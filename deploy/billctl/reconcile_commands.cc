#include "deploy/billctl/reconcile_commands.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "billing/reconciler/v1/reconciler.grpc.pb.h"
#include "common/status/status.h"
#include "deploy/billctl/peers.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::reconciler::v1;

constexpr char kPeer[] = "reconciler";

// RUN_STATUS_DONE → done.
std::string Word(const std::string& name, const char* prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

void Print(std::ostream& out, const pb::Run& run) {
  out << run.run_id() << "  " << google::protobuf::util::TimeUtil::ToString(run.started_at()) << "  " << run.scope()
      << "  " << Word(pb::RunTrigger_Name(run.trigger()), "RUN_TRIGGER_") << "  "
      << Word(pb::RunStatus_Name(run.status()), "RUN_STATUS_") << ": scanned " << run.scanned() << ", drifted "
      << run.drifted() << ", repaired " << run.repaired() << ", failed " << run.failed();
  if (!run.error().empty()) out << "; " << run.error();
  out << "\n";
}

void PrintSamples(std::ostream& out, const pb::Run& run) {
  for (const pb::RunSample& sample : run.samples()) {
    out << "  " << sample.result() << "  " << sample.kind() << "  " << sample.subject() << "  " << sample.detail()
        << "\n";
  }
}

absl::StatusOr<int> Run(Context& context) {
  pb::RunScopeRequest request;
  request.set_scope(context.arguments[0]);
  pb::RunScopeResponse response;
  RETURN_IF_ERROR(
      Call<pb::ReconcilerService>(context, kPeer, &pb::ReconcilerService::Stub::RunScope, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    if (!response.started()) context.out << "active already, none started\n";
    Print(context.out, response.run());
    PrintSamples(context.out, response.run());
  }
  return response.run().status() == pb::RUN_STATUS_FAILED ? kExitFailed : kExitOk;
}

absl::StatusOr<int> Runs(Context& context) {
  pb::ListRunsRequest request;
  request.set_scope(context.config.Get("scope"));
  request.set_page_size(static_cast<int32_t>(context.config.GetInt("page-size")));
  request.set_page_token(context.config.Get("page-token"));
  pb::ListRunsResponse response;
  RETURN_IF_ERROR(
      Call<pb::ReconcilerService>(context, kPeer, &pb::ReconcilerService::Stub::ListRuns, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  if (response.runs().empty()) context.out << "no runs\n";
  for (const pb::Run& run : response.runs()) Print(context.out, run);
  if (!response.next_page_token().empty()) context.out << "more: --page-token=" << response.next_page_token() << "\n";
  return kExitOk;
}

}  // namespace

std::vector<Command> ReconcileCommands() {
  return {
      {"reconcile run",
       {"SCOPE"},
       "run a scope now (pending_recent) and show what it found",
       PeerSettings(kPeer),
       {},
       Run},
      {"reconcile runs",
       {},
       "reconciliation runs, newest first",
       Joined({PeerSettings(kPeer),
               {TextFlag("scope", "only runs of this scope"),
                {"page-size", "", config::Type::kInt, "50", "runs a page", 1, 100},
                TextFlag("page-token", "from the page before")}}),
       {},
       Runs},
  };
}

}  // namespace billmesh::billctl
