#include "services/checkout/grpc_projection_peer.h"

#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"

namespace billmesh::checkout {
namespace {

namespace pb = billing::webhook::v1;

void Fill(const FetchedObject& object, pb::FetchedObject& out) {
  out.set_kind(object.kind);
  out.set_object_json(object.object_json);
  out.mutable_provider_date()->set_seconds(absl::ToUnixSeconds(object.provider_date));
}

const char* LabelOf(pb::ProjectionOutcome outcome) {
  switch (outcome) {
    case pb::PROJECTION_OUTCOME_CHANGED:
      return "changed";
    case pb::PROJECTION_OUTCOME_UNCHANGED:
      return "unchanged";
    case pb::PROJECTION_OUTCOME_UNBOUND:
      return "unbound";
    case pb::PROJECTION_OUTCOME_CONTRADICTED:
      return "contradicted";
    case pb::PROJECTION_OUTCOME_REFUSED:
      return "refused";
    default:
      return "unknown";
  }
}

// The webhook daemon alerts where it must; here it is only seen that what was fetched did not become what is stored.
void Report(const FetchedObject& object, const pb::ProjectedObject& projected) {
  const std::string outcome = LabelOf(projected.outcome());
  telemetry::GetCounter("billmesh_checkout_projections_total",
                        "Objects handed to the webhook daemon, by what became of them",
                        {{"kind", object.kind}, {"outcome", outcome}})
      .Add();
  if (projected.outcome() == pb::PROJECTION_OUTCOME_CHANGED ||
      projected.outcome() == pb::PROJECTION_OUTCOME_UNCHANGED) {
    return;
  }
  telemetry::Warn("a fetched object was not projected",
                  {{"kind", object.kind}, {"outcome", outcome}, {"reason", projected.reason()}});
}

}  // namespace

absl::Status GrpcProjectionPeer::Project(const std::string& provider, const std::vector<FetchedObject>& objects,
                                         absl::Duration timeout) {
  grpc::ClientContext context;
  rpc::PrepareContext(context, timeout);
  pb::ProjectRequest request;
  request.set_provider(provider);
  for (const FetchedObject& object : objects) Fill(object, *request.add_objects());
  pb::ProjectResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->Project(&context, request, &response)));
  if (response.results_size() != request.objects_size()) {
    return absl::InternalError("the webhook daemon answered for another number of objects");
  }
  for (int i = 0; i < response.results_size(); ++i) Report(objects[i], response.results(i));
  return absl::OkStatus();
}

}  // namespace billmesh::checkout
