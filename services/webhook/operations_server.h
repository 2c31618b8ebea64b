// The gRPC face of WebhookOperationsService: validates, calls, converts. No SQL.
#pragma once

#include "billing/webhook/v1/webhook_operations.grpc.pb.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "services/webhook/event_admin.h"

namespace billmesh::webhook {

class OperationsServer final : public billing::webhook::v1::WebhookOperationsService::CallbackService {
 public:
  // All must outlive the server.
  OperationsServer(rpc::CallHost& calls, EventAdmin& admin) : calls_(calls), admin_(admin) {}

  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const billing::webhook::v1::ListEventsRequest* request,
                                       billing::webhook::v1::ListEventsResponse* response) override;
  grpc::ServerUnaryReactor* ReplayEvents(grpc::CallbackServerContext* context,
                                         const billing::webhook::v1::ReplayEventsRequest* request,
                                         billing::webhook::v1::ReplayEventsResponse* response) override;
  grpc::ServerUnaryReactor* BindEvent(grpc::CallbackServerContext* context,
                                      const billing::webhook::v1::BindEventRequest* request,
                                      billing::webhook::v1::BindEventResponse* response) override;
  grpc::ServerUnaryReactor* DismissEvent(grpc::CallbackServerContext* context,
                                         const billing::webhook::v1::DismissEventRequest* request,
                                         billing::webhook::v1::DismissEventResponse* response) override;

 private:
  rpc::CallHost& calls_;
  EventAdmin& admin_;
};

}  // namespace billmesh::webhook
