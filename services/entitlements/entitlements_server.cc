#include "services/entitlements/entitlements_server.h"

#include "common/rpc/call.h"

namespace billmesh::entitlements {
namespace {

namespace pb = billing::entitlements::v1;

constexpr char kCheck[] = "/billing.entitlements.v1.EntitlementsService/Check";
constexpr char kBatchCheck[] = "/billing.entitlements.v1.EntitlementsService/BatchCheck";
constexpr char kGetEntitlements[] = "/billing.entitlements.v1.EntitlementsService/GetEntitlements";
constexpr char kGetLimitations[] = "/billing.entitlements.v1.EntitlementsService/GetLimitations";
constexpr char kNotifyChanges[] = "/billing.entitlements.v1.EntitlementsService/NotifyChanges";

}  // namespace

grpc::ServerUnaryReactor* EntitlementsServer::Check(grpc::CallbackServerContext* context,
                                                    const pb::CheckRequest* request, pb::CheckResponse* response) {
  return rpc::Async(host_, context, kCheck,
                    [this, request, response](const rpc::CallContext& call, const rpc::Done& done) {
                      service_.Check(*request, call.deadline_monotonic, *response, done);
                    });
}

grpc::ServerUnaryReactor* EntitlementsServer::BatchCheck(grpc::CallbackServerContext* context,
                                                         const pb::BatchCheckRequest* request,
                                                         pb::BatchCheckResponse* response) {
  return rpc::Async(host_, context, kBatchCheck,
                    [this, request, response](const rpc::CallContext& call, const rpc::Done& done) {
                      service_.BatchCheck(*request, call.deadline_monotonic, *response, done);
                    });
}

grpc::ServerUnaryReactor* EntitlementsServer::GetEntitlements(grpc::CallbackServerContext* context,
                                                              const pb::GetEntitlementsRequest* request,
                                                              pb::GetEntitlementsResponse* response) {
  return rpc::Async(host_, context, kGetEntitlements,
                    [this, request, response](const rpc::CallContext& call, const rpc::Done& done) {
                      service_.GetEntitlements(call.caller, *request, call.deadline_monotonic, *response, done);
                    });
}

grpc::ServerUnaryReactor* EntitlementsServer::GetLimitations(grpc::CallbackServerContext* context,
                                                             const pb::GetLimitationsRequest* request,
                                                             pb::GetLimitationsResponse* response) {
  return rpc::Async(host_, context, kGetLimitations,
                    [this, request, response](const rpc::CallContext& call, const rpc::Done& done) {
                      service_.GetLimitations(call.caller, *request, call.deadline_monotonic, *response, done);
                    });
}

grpc::ServerUnaryReactor* EntitlementsServer::NotifyChanges(grpc::CallbackServerContext* context,
                                                            const pb::NotifyChangesRequest* request,
                                                            pb::NotifyChangesResponse*) {
  return rpc::Inline(host_, context, kNotifyChanges,
                     [this, request](const rpc::CallContext&) { return service_.NotifyChanges(*request); });
}

}  // namespace billmesh::entitlements
