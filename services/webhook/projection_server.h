// The gRPC face of ProjectionService: bounds and form of the request, then the use case on the executor. No SQL.
#pragma once

#include <string>
#include <vector>

#include "billing/webhook/v1/projection.grpc.pb.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "services/webhook/projection_service.h"

namespace billmesh::webhook {

// The request as values. Errors: invalid_argument naming the field, for what only a mistake of the caller's can be: an
// unknown provider or kind, no objects or too many, no date. What the provider may have answered (too large, not an
// object) is refused object by object instead.
absl::StatusOr<std::vector<FetchedObject>> ReadProjectRequest(const billing::webhook::v1::ProjectRequest& request,
                                                              std::string_view provider);

class ProjectionServer final : public billing::webhook::v1::ProjectionService::CallbackService {
 public:
  // All must outlive the server.
  struct Deps {
    rpc::CallHost& calls;
    ProjectionService& service;
    std::string provider;  // the one that this daemon knows: "stripe"
  };
  explicit ProjectionServer(Deps deps) : deps_(std::move(deps)) {}

  grpc::ServerUnaryReactor* Project(grpc::CallbackServerContext* context,
                                    const billing::webhook::v1::ProjectRequest* request,
                                    billing::webhook::v1::ProjectResponse* response) override;

 private:
  const Deps deps_;
};

}  // namespace billmesh::webhook
