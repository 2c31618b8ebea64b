#include "services/reconciler/projection_peer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "billing/webhook/v1/projection.grpc.pb.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/status/status.h"

namespace billmesh::reconciler {
namespace {

namespace pb = ::billing::webhook::v1;

Projected Read(const pb::ProjectedObject& object) {
  switch (object.outcome()) {
    case pb::PROJECTION_OUTCOME_CHANGED:
      return {true, "changed"};
    case pb::PROJECTION_OUTCOME_UNCHANGED:
      return {true, "unchanged"};
    case pb::PROJECTION_OUTCOME_UNBOUND:
      return {false, "no entity of ours is known for it"};
    case pb::PROJECTION_OUTCOME_CONTRADICTED:
      return {false, "its metadata contradict what is stored"};
    case pb::PROJECTION_OUTCOME_REFUSED:
      return {false, absl::StrCat("refused: ", object.reason())};
    default:
      return {false, "an outcome that isn't known here"};
  }
}

}  // namespace

struct GrpcProjectionPeer::Impl {
  std::unique_ptr<pb::ProjectionService::Stub> stub;
};

GrpcProjectionPeer::GrpcProjectionPeer(std::shared_ptr<grpc::Channel> channel) : impl_(std::make_unique<Impl>()) {
  impl_->stub = pb::ProjectionService::NewStub(std::move(channel));
}

GrpcProjectionPeer::~GrpcProjectionPeer() = default;

absl::StatusOr<Projected> GrpcProjectionPeer::Project(const FetchedObject& object, absl::Duration timeout) {
  pb::ProjectRequest request;
  request.set_provider(object.provider);
  pb::FetchedObject& fetched = *request.add_objects();
  fetched.set_kind(object.kind);
  fetched.set_object_json(object.object_json);
  fetched.mutable_provider_date()->set_seconds(absl::ToUnixSeconds(object.provider_date));
  pb::ProjectResponse response;
  grpc::ClientContext context;
  rpc::PrepareContext(context, timeout);
  RETURN_IF_ERROR(rpc::FromGrpc(impl_->stub->Project(&context, request, &response)));
  if (response.results_size() != 1)
    return absl::InternalError("the webhook daemon answered for another number of objects");
  return Read(response.results(0));
}

}  // namespace billmesh::reconciler
