// gRPC face of CheckoutService: validates, calls the service, converts. No SQL.
#pragma once

#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/rpc/server.h"
#include "services/checkout/checkout_service.h"

namespace billmesh::checkout {

class CheckoutServer : public billing::checkout::v1::CheckoutService::CallbackService {
 public:
  // Both must outlive the server.
  CheckoutServer(rpc::CallHost& calls, checkout::CheckoutService& service) : calls_(calls), service_(service) {}

  grpc::ServerUnaryReactor* StartCheckout(grpc::CallbackServerContext* context,
                                          const billing::checkout::v1::StartCheckoutRequest* request,
                                          billing::checkout::v1::StartCheckoutResponse* response) override;
  grpc::ServerUnaryReactor* GetCheckout(grpc::CallbackServerContext* context,
                                        const billing::checkout::v1::GetCheckoutRequest* request,
                                        billing::checkout::v1::GetCheckoutResponse* response) override;

 private:
  rpc::CallHost& calls_;
  checkout::CheckoutService& service_;
};

}  // namespace billmesh::checkout
