// The webhook daemon over gRPC: billing.webhook.v1.ProjectionService.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "billing/webhook/v1/projection.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/checkout/projection_peer.h"

namespace billmesh::checkout {

class GrpcProjectionPeer final : public ProjectionPeer {
 public:
  explicit GrpcProjectionPeer(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(billing::webhook::v1::ProjectionService::NewStub(channel)) {}

  absl::Status Project(const std::string& provider, const std::vector<FetchedObject>& objects,
                       absl::Duration timeout) override;

 private:
  const std::unique_ptr<billing::webhook::v1::ProjectionService::Stub> stub_;
};

}  // namespace billmesh::checkout
