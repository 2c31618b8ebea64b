// gRPC face of AccountService: validates, calls the service, converts. No SQL.
#pragma once

#include <string>

#include "billing/checkout/v1/account.grpc.pb.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/rpc/server.h"
#include "services/checkout/account_service.h"

namespace billmesh::checkout {

class AccountServer : public billing::checkout::v1::AccountService::CallbackService {
 public:
  // All must outlive the server.
  struct Deps {
    rpc::CallHost& calls;
    db::Pool& pool;
    IdGenerator& ids;
    std::string env;  // BILLING_ENV
  };
  explicit AccountServer(Deps deps)
      : calls_(deps.calls), service_({.pool = deps.pool, .ids = deps.ids, .env = std::move(deps.env)}) {}

  grpc::ServerUnaryReactor* EnsureEntity(grpc::CallbackServerContext* context,
                                         const billing::checkout::v1::EnsureEntityRequest* request,
                                         billing::checkout::v1::EnsureEntityResponse* response) override;
  grpc::ServerUnaryReactor* SetMember(grpc::CallbackServerContext* context,
                                      const billing::checkout::v1::SetMemberRequest* request,
                                      billing::checkout::v1::SetMemberResponse* response) override;
  grpc::ServerUnaryReactor* ListEntities(grpc::CallbackServerContext* context,
                                         const billing::checkout::v1::ListEntitiesRequest* request,
                                         billing::checkout::v1::ListEntitiesResponse* response) override;
  grpc::ServerUnaryReactor* GetSubscription(grpc::CallbackServerContext* context,
                                            const billing::checkout::v1::GetSubscriptionRequest* request,
                                            billing::checkout::v1::GetSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* GetAccountSnapshot(grpc::CallbackServerContext* context,
                                               const billing::checkout::v1::GetAccountSnapshotRequest* request,
                                               billing::checkout::v1::GetAccountSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* ListInvoices(grpc::CallbackServerContext* context,
                                         const billing::checkout::v1::ListInvoicesRequest* request,
                                         billing::checkout::v1::ListInvoicesResponse* response) override;
  grpc::ServerUnaryReactor* ListPaymentMethods(grpc::CallbackServerContext* context,
                                               const billing::checkout::v1::ListPaymentMethodsRequest* request,
                                               billing::checkout::v1::ListPaymentMethodsResponse* response) override;

 private:
  rpc::CallHost& calls_;
  checkout::AccountService service_;
};

}  // namespace billmesh::checkout
