// gRPC face of CatalogService: validates, calls the service, converts. No SQL.
#pragma once

#include <string>
#include <utility>

#include "billing/checkout/v1/catalog.grpc.pb.h"
#include "common/rpc/server.h"
#include "services/checkout/catalog_service.h"

namespace billmesh::checkout {

class CatalogServer : public billing::checkout::v1::CatalogService::CallbackService {
 public:
  // All must outlive the server.
  struct Deps {
    rpc::CallHost& calls;
    db::Pool& pool;
    IdGenerator& ids;
    Clock& clock;
    provider::PaymentProvider& provider;
    const provider::PriceFormat& prices;
    std::string env;       // BILLING_ENV
    std::string currency;  // BILLING_CURRENCY
  };
  explicit CatalogServer(Deps deps)
      : calls_(deps.calls),
        clock_(deps.clock),
        provider_name_(deps.prices.provider()),
        service_({.pool = deps.pool,
                  .ids = deps.ids,
                  .clock = deps.clock,
                  .provider = deps.provider,
                  .prices = deps.prices,
                  .env = std::move(deps.env),
                  .currency = std::move(deps.currency)}) {}

  grpc::ServerUnaryReactor* ListPlans(grpc::CallbackServerContext* context,
                                      const billing::checkout::v1::ListPlansRequest* request,
                                      billing::checkout::v1::ListPlansResponse* response) override;
  grpc::ServerUnaryReactor* ApplyCatalog(grpc::CallbackServerContext* context,
                                         const billing::checkout::v1::ApplyCatalogRequest* request,
                                         billing::checkout::v1::ApplyCatalogResponse* response) override;
  grpc::ServerUnaryReactor* ExportCatalog(grpc::CallbackServerContext* context,
                                          const billing::checkout::v1::ExportCatalogRequest* request,
                                          billing::checkout::v1::ExportCatalogResponse* response) override;

 private:
  rpc::CallHost& calls_;
  Clock& clock_;
  const std::string provider_name_;
  checkout::CatalogService service_;
};

}  // namespace billmesh::checkout
