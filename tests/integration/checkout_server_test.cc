// CheckoutService as its callers see it, over mTLS: what each request must hold, who may ask, and how answers are
// converted.
#include <string>

#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/auth/user_assertion.h"
#include "common/rpc/call.h"
#include "common/rpc/executor.h"
#include "common/rpc/server.h"
#include "common/testing/process.h"
#include "services/checkout/checkout_server.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

namespace pb = ::billing::checkout::v1;

class CheckoutServerTest : public CheckoutFixture {
 protected:
  CheckoutServerTest()
      : identity_(testing::RequiredEnv("BILLMESH_DEV_DIR")),
        verifier_(std::move(*auth::AssertionVerifier::Create(identity_ + "/assertion.jwks.json", database_.clock()))),
        signer_(std::move(*auth::AssertionSigner::Create(identity_ + "/assertion.key", database_.clock()))),
        calls_(database_.clock(), executor_, verifier_.get()),
        checkouts_(calls_, *service_),
        server_(std::move(*rpc::Server::Start({.listen = "127.0.0.1:0", .tls = Tls("checkout")}, {&checkouts_}))) {}
  ~CheckoutServerTest() override { server_->Drain(absl::Seconds(1)); }

  rpc::TlsFiles Tls(const std::string& name) const {
    return {identity_ + "/ca.pem", identity_ + "/" + name + ".pem", identity_ + "/" + name + ".key"};
  }
  template <typename Request, typename Response>
  absl::Status Call(const std::string& certificate,
                    grpc::Status (pb::CheckoutService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    const auto stub =
        pb::CheckoutService::NewStub(rpc::MakeChannel(absl::StrCat("127.0.0.1:", server_->port()), Tls(certificate)));
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Seconds(20), certificate == "edge" ? *signer_->Sign({"alice", {}}) : "");
    return rpc::FromGrpc((stub.get()->*method)(&context, request, &response));
  }
  // "code field" of the refusal of a write by a service; "ok" for none.
  template <typename Request, typename Response>
  std::string Refusal(grpc::Status (pb::CheckoutService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                        Response*),
                      Request request, const std::string& key = "k1") {
    request.mutable_entity()->set_workspace("acme");
    request.set_idempotency_key(key);
    Response response;
    const absl::Status status = Call("service", method, request, response);
    if (status.ok()) return "ok";
    const std::string field = MetadataOf(status)["field"];
    return CodeOf(ReasonOf(status)) + (field.empty() ? "" : " " + field);
  }

  using Stub = pb::CheckoutService::Stub;
  const std::string identity_;
  rpc::Executor executor_{4, 64};
  std::unique_ptr<auth::AssertionVerifier> verifier_;
  std::unique_ptr<auth::AssertionSigner> signer_;
  rpc::CallHost calls_;
  CheckoutServer checkouts_;
  std::unique_ptr<rpc::Server> server_;
};

pb::StartCheckoutRequest Checkout() {
  pb::StartCheckoutRequest request;
  request.set_plan_code("pro");
  request.set_success_path("/done");
  request.set_cancel_path("/back");
  return request;
}

pb::CancelSubscriptionRequest Cancellation(pb::CancelTiming timing) {
  pb::CancelSubscriptionRequest request;
  request.set_timing(timing);
  return request;
}

pb::SetAddOnRequest AddOn(const std::string& plan, int64_t quantity) {
  pb::SetAddOnRequest request;
  request.set_plan_code(plan);
  request.set_quantity(quantity);
  return request;
}

pb::CreatePortalSessionRequest Portal(const std::string& path) {
  pb::CreatePortalSessionRequest request;
  request.set_return_path(path);
  return request;
}

TEST_F(CheckoutServerTest, EveryWriteNeedsItsKey) {
  for (const std::string key : {"", "tab\t"}) {
    const std::string expected = key.empty() ? "idempotency_key_required" : "invalid_argument idempotency_key";
    EXPECT_EQ(Refusal(&Stub::StartCheckout, Checkout(), key), expected);
    EXPECT_EQ(Refusal(&Stub::CancelCheckout, pb::CancelCheckoutRequest(), key), expected);
    EXPECT_EQ(Refusal(&Stub::CreatePortalSession, Portal("/"), key), expected);
    EXPECT_EQ(Refusal(&Stub::CreatePaymentLink, pb::CreatePaymentLinkRequest(), key), expected);
    EXPECT_EQ(Refusal(&Stub::CancelSubscription, Cancellation(pb::CANCEL_TIMING_NOW), key), expected);
    EXPECT_EQ(Refusal(&Stub::ResumeSubscription, pb::ResumeSubscriptionRequest(), key), expected);
    EXPECT_EQ(Refusal(&Stub::SetAddOn, AddOn("extra", 1), key), expected);
  }
}

TEST_F(CheckoutServerTest, BadInputIsRefusedByTheNameOfItsField) {
  EXPECT_EQ(Refusal(&Stub::CancelSubscription, Cancellation(pb::CANCEL_TIMING_UNSPECIFIED)), "invalid_argument timing");
  EXPECT_EQ(Refusal(&Stub::CancelSubscription, Cancellation(static_cast<pb::CancelTiming>(7))),
            "invalid_argument timing");
  EXPECT_EQ(Refusal(&Stub::SetAddOn, AddOn("extra", -1)), "invalid_argument quantity");
  EXPECT_EQ(Refusal(&Stub::SetAddOn, AddOn("extra", 1'000'000)), "invalid_argument quantity");
  EXPECT_EQ(Refusal(&Stub::SetAddOn, AddOn("", 1)), "invalid_argument plan_code");
  EXPECT_EQ(Refusal(&Stub::CancelCheckout, pb::CancelCheckoutRequest()), "invalid_argument operation");
  EXPECT_EQ(Refusal(&Stub::CreatePortalSession, Portal("https://evil.example")), "redirect_path_invalid return_path");

  EXPECT_EQ(Refusal(&Stub::CreatePaymentLink, pb::CreatePaymentLinkRequest()).substr(0, 16), "invalid_argument");
  pb::CreatePaymentLinkRequest link;
  link.set_item_code("setup");
  link.set_quantity(-1);
  EXPECT_EQ(Refusal(&Stub::CreatePaymentLink, link), "invalid_argument quantity");
  link.clear_quantity();
  link.mutable_ad_hoc()->set_name("Work");
  link.mutable_ad_hoc()->set_currency("eur");
  EXPECT_EQ(Refusal(&Stub::CreatePaymentLink, link).substr(0, 16), "invalid_argument") << "an amount of nothing";
  EXPECT_EQ(Value("SELECT count(*) FROM billing.request_idempotency"), "0");
}

TEST_F(CheckoutServerTest, ChangesNeedASubscription) {
  EXPECT_EQ(Refusal(&Stub::CancelSubscription, Cancellation(pb::CANCEL_TIMING_NOW)), "portal_subscription_required");
  EXPECT_EQ(Refusal(&Stub::ResumeSubscription, pb::ResumeSubscriptionRequest()), "portal_subscription_required");
  EXPECT_EQ(Refusal(&Stub::SetAddOn, AddOn("extra", 1)), "portal_subscription_required");
  EXPECT_EQ(Refusal(&Stub::CreatePortalSession, Portal("/")), "portal_subscription_required");
}

TEST_F(CheckoutServerTest, ACheckoutIsStartedReadAndCancelled) {
  pb::StartCheckoutRequest start = Checkout();
  start.set_idempotency_key("k1");
  pb::StartCheckoutResponse started;
  ASSERT_TRUE(Call("edge", &Stub::StartCheckout, start, started).ok());
  pb::GetCheckoutRequest get;
  get.set_operation(started.operation());
  pb::GetCheckoutResponse view;
  ASSERT_TRUE(Call("edge", &Stub::GetCheckout, get, view).ok());
  EXPECT_EQ(view.operation_status(), pb::OPERATION_STATUS_SUCCEEDED);
  EXPECT_EQ(view.session_status(), pb::CHECKOUT_SESSION_STATUS_OPEN);
  EXPECT_EQ(view.url(), started.url());

  pb::CancelCheckoutRequest cancel;
  cancel.set_operation(started.operation());
  cancel.set_idempotency_key("k1");
  pb::CancelCheckoutResponse cancelled;
  const absl::Status status = Call("edge", &Stub::CancelCheckout, cancel, cancelled);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(cancelled.operation(), started.operation());
  EXPECT_EQ(cancelled.session_status(), pb::CHECKOUT_SESSION_STATUS_EXPIRED);
  start.set_idempotency_key("k2");
  EXPECT_TRUE(Call("edge", &Stub::StartCheckout, start, started).ok()) << "another can start at once";
}

TEST_F(CheckoutServerTest, OnlyTheReconcilerAndOperatorsRecover) {
  pb::RecoverOperationRequest request;
  request.set_operation(database_.ids().NewId());
  pb::RecoverOperationResponse response;
  for (const char* certificate : {"service", "edge", "webhook"}) {
    EXPECT_EQ(ReasonOf(Call(certificate, &Stub::RecoverOperation, request, response)),
              Reason::FAILURE_REASON_PERMISSION_DENIED)
        << certificate;
  }
  for (const char* certificate : {"reconciler", "operator"}) {
    EXPECT_EQ(ReasonOf(Call(certificate, &Stub::RecoverOperation, request, response)), Reason::FAILURE_REASON_NOT_FOUND)
        << certificate;
  }
  const auto started = Start("k1");
  ASSERT_TRUE(started.ok()) << started.status();
  request.set_operation(started->operation);
  ASSERT_TRUE(Call("reconciler", &Stub::RecoverOperation, request, response).ok());
  EXPECT_EQ(response.operation_status(), pb::OPERATION_STATUS_SUCCEEDED);
  EXPECT_EQ(response.failure_code(), "");
}

TEST_F(CheckoutServerTest, ABuyerMayNotSetAnAmountButAServiceMay) {
  pb::CreatePaymentLinkRequest request;
  request.set_idempotency_key("k1");
  request.mutable_entity()->set_workspace("acme");
  request.mutable_ad_hoc()->set_name("An hour of work");
  request.mutable_ad_hoc()->set_unit_amount_minor(12'000);
  request.mutable_ad_hoc()->set_currency("eur");
  pb::CreatePaymentLinkResponse response;
  EXPECT_EQ(ReasonOf(Call("edge", &Stub::CreatePaymentLink, request, response)),
            Reason::FAILURE_REASON_PERMISSION_DENIED);
  const absl::Status status = Call("service", &Stub::CreatePaymentLink, request, response);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_NE(response.url(), "");
  EXPECT_NE(response.operation(), "");
}

}  // namespace
}  // namespace billmesh::checkout
