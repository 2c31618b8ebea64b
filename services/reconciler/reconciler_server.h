// gRPC face of ReconcilerService: validates, calls the service, converts. No SQL.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "billing/reconciler/v1/reconciler.grpc.pb.h"
#include "common/rpc/server.h"
#include "services/reconciler/reconciler_service.h"

namespace billmesh::reconciler {

// How long RunScope waits for the end of a run.
inline constexpr absl::Duration kMaxRunWait = absl::Seconds(10);

class ReconcilerServer : public billing::reconciler::v1::ReconcilerService::CallbackService {
 public:
  // All must outlive the server.
  struct Deps {
    rpc::CallHost& calls;
    db::Pool& pool;
    IdGenerator& ids;
    std::string env;       // BILLING_ENV
    std::string provider;  // "stripe"
    std::set<std::string, std::less<>> scopes;
  };
  explicit ReconcilerServer(Deps deps)
      : calls_(deps.calls),
        service_({.pool = deps.pool,
                  .clock = deps.calls.clock(),
                  .ids = deps.ids,
                  .env = std::move(deps.env),
                  .provider = std::move(deps.provider),
                  .scopes = std::move(deps.scopes)}) {}

  grpc::ServerUnaryReactor* RunScope(grpc::CallbackServerContext* context,
                                     const billing::reconciler::v1::RunScopeRequest* request,
                                     billing::reconciler::v1::RunScopeResponse* response) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const billing::reconciler::v1::ListRunsRequest* request,
                                     billing::reconciler::v1::ListRunsResponse* response) override;

 private:
  rpc::CallHost& calls_;
  reconciler::ReconcilerService service_;
};

}  // namespace billmesh::reconciler
