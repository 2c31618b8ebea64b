// gRPC of the entitlements daemon: hands calls to the service. Nothing here blocks gRPC's threads.
#pragma once

#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "common/rpc/server.h"
#include "services/entitlements/entitlements_service.h"

namespace billmesh::entitlements {

class EntitlementsServer final : public billing::entitlements::v1::EntitlementsService::CallbackService {
 public:
  // Both must outlive the server.
  EntitlementsServer(rpc::CallHost& host, EntitlementsService& service) : host_(host), service_(service) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const billing::entitlements::v1::CheckRequest* request,
                                  billing::entitlements::v1::CheckResponse* response) override;
  grpc::ServerUnaryReactor* BatchCheck(grpc::CallbackServerContext* context,
                                       const billing::entitlements::v1::BatchCheckRequest* request,
                                       billing::entitlements::v1::BatchCheckResponse* response) override;
  grpc::ServerUnaryReactor* GetEntitlements(grpc::CallbackServerContext* context,
                                            const billing::entitlements::v1::GetEntitlementsRequest* request,
                                            billing::entitlements::v1::GetEntitlementsResponse* response) override;
  grpc::ServerUnaryReactor* GetLimitations(grpc::CallbackServerContext* context,
                                           const billing::entitlements::v1::GetLimitationsRequest* request,
                                           billing::entitlements::v1::GetLimitationsResponse* response) override;
  grpc::ServerUnaryReactor* NotifyChanges(grpc::CallbackServerContext* context,
                                          const billing::entitlements::v1::NotifyChangesRequest* request,
                                          billing::entitlements::v1::NotifyChangesResponse* response) override;

 private:
  rpc::CallHost& host_;
  EntitlementsService& service_;
};

}  // namespace billmesh::entitlements
