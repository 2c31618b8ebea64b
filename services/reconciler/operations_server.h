// gRPC face of OperationsService: validates, calls the service, converts. No SQL.
#pragma once

#include <string>
#include <utility>

#include "billing/reconciler/v1/operations.grpc.pb.h"
#include "common/rpc/server.h"
#include "services/reconciler/operations_service.h"

namespace billmesh::reconciler {

inline constexpr int kDefaultPageSize = 50;
inline constexpr int kMaxPageSize = 100;

class OperationsServer : public billing::reconciler::v1::OperationsService::CallbackService {
 public:
  // All must outlive the server.
  struct Deps {
    rpc::CallHost& calls;
    db::Pool& pool;
    IdGenerator& ids;
    std::string env;  // BILLING_ENV
  };
  explicit OperationsServer(Deps deps)
      : calls_(deps.calls), service_({.pool = deps.pool, .ids = deps.ids, .env = std::move(deps.env)}) {}

  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context,
                                            const billing::reconciler::v1::ListDeadLettersRequest* request,
                                            billing::reconciler::v1::ListDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* RequeueJob(grpc::CallbackServerContext* context,
                                       const billing::reconciler::v1::RequeueJobRequest* request,
                                       billing::reconciler::v1::RequeueJobResponse* response) override;

 private:
  rpc::CallHost& calls_;
  reconciler::OperationsService service_;
};

}  // namespace billmesh::reconciler
