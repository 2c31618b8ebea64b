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
  grpc::ServerUnaryReactor* CancelCheckout(grpc::CallbackServerContext* context,
                                           const billing::checkout::v1::CancelCheckoutRequest* request,
                                           billing::checkout::v1::CancelCheckoutResponse* response) override;
  grpc::ServerUnaryReactor* RecoverOperation(grpc::CallbackServerContext* context,
                                             const billing::checkout::v1::RecoverOperationRequest* request,
                                             billing::checkout::v1::RecoverOperationResponse* response) override;
  grpc::ServerUnaryReactor* CreatePortalSession(grpc::CallbackServerContext* context,
                                                const billing::checkout::v1::CreatePortalSessionRequest* request,
                                                billing::checkout::v1::CreatePortalSessionResponse* response) override;
  grpc::ServerUnaryReactor* CreatePaymentLink(grpc::CallbackServerContext* context,
                                              const billing::checkout::v1::CreatePaymentLinkRequest* request,
                                              billing::checkout::v1::CreatePaymentLinkResponse* response) override;
  grpc::ServerUnaryReactor* CancelSubscription(grpc::CallbackServerContext* context,
                                               const billing::checkout::v1::CancelSubscriptionRequest* request,
                                               billing::checkout::v1::CancelSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* ResumeSubscription(grpc::CallbackServerContext* context,
                                               const billing::checkout::v1::ResumeSubscriptionRequest* request,
                                               billing::checkout::v1::ResumeSubscriptionResponse* response) override;
  grpc::ServerUnaryReactor* SetAddOn(grpc::CallbackServerContext* context,
                                     const billing::checkout::v1::SetAddOnRequest* request,
                                     billing::checkout::v1::SetAddOnResponse* response) override;
  grpc::ServerUnaryReactor* SyncPaymentMethods(grpc::CallbackServerContext* context,
                                               const billing::checkout::v1::SyncPaymentMethodsRequest* request,
                                               billing::checkout::v1::SyncPaymentMethodsResponse* response) override;

 private:
  // Every write: key and order are checked, the use case runs, its answer is converted.
  template <typename Request, typename Response, typename Order, typename Answer>
  grpc::ServerUnaryReactor* Write(grpc::CallbackServerContext* context, const char* method, const Request* request,
                                  Response* response,
                                  absl::StatusOr<Answer> (checkout::CheckoutService::*use_case)(
                                      const auth::Caller&, const checkout::CheckoutService::Selector&,
                                      const std::string&, const Order&));

  rpc::CallHost& calls_;
  checkout::CheckoutService& service_;
};

}  // namespace billmesh::checkout
