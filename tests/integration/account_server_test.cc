// AccountService and CatalogService as their callers see them: over mTLS, with users asserted by the edge.
#include <memory>
#include <string>

#include "billing/checkout/v1/account.grpc.pb.h"
#include "billing/checkout/v1/catalog.grpc.pb.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "tests/integration/billctl_fixture.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::checkout::v1;
namespace types = ::billing::types::v1;

class AccountServerTest : public ServersFixture {
 protected:
  AccountServerTest()
      : signer_(std::move(*auth::AssertionSigner::Create(identity_ + "/assertion.key", database_.clock()))) {}

  // A call with a certificate, for a user where one is given.
  template <typename Service, typename Request, typename Response>
  absl::Status Call(const std::string& certificate, const std::string& user,
                    grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    const auto stub =
        Service::NewStub(rpc::MakeChannel(absl::StrCat("127.0.0.1:", checkout_->port()), Tls(certificate)));
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Seconds(10), user.empty() ? "" : *signer_->Sign({user, {}}));
    return rpc::FromGrpc((stub.get()->*method)(&context, request, &response));
  }
  std::string Workspace(const std::string& slug, const std::string& owner) {
    pb::EnsureEntityRequest request;
    request.set_kind(types::ENTITY_KIND_WORKSPACE);
    request.set_ref("ref-" + slug);
    request.set_slug(slug);
    request.set_owner_subject(owner);
    pb::EnsureEntityResponse response;
    EXPECT_TRUE(
        Call<pb::AccountService>("service", "", &pb::AccountService::Stub::EnsureEntity, request, response).ok());
    return response.entity().entity_id();
  }
  std::unique_ptr<auth::AssertionSigner> signer_;
};

TEST_F(AccountServerTest, AUserSeesWhatIsTheirsAndNothingElse) {
  const std::string acme = Workspace("acme", "ann"), other = Workspace("other", "bob");
  pb::ListEntitiesResponse entities;
  const absl::Status listed = Call<pb::AccountService>("edge", "ann", &pb::AccountService::Stub::ListEntities,
                                                       pb::ListEntitiesRequest(), entities);
  ASSERT_TRUE(listed.ok()) << listed;
  ASSERT_EQ(entities.entities_size(), 1);
  EXPECT_EQ(entities.entities(0).entity().entity_id(), acme);
  EXPECT_EQ(entities.entities(0).entity().kind(), types::ENTITY_KIND_WORKSPACE);
  EXPECT_EQ(entities.entities(0).entity().ref(), "ref-acme");
  EXPECT_EQ(entities.entities(0).role(), pb::MEMBER_ROLE_OWNER);

  pb::GetSubscriptionRequest request;
  pb::GetSubscriptionResponse subscription;
  const auto get = [&](const std::string& user) {
    return Call<pb::AccountService>("edge", user, &pb::AccountService::Stub::GetSubscription, request, subscription);
  };
  EXPECT_TRUE(get("ann").ok()) << "the one entity that the user reaches is meant";
  EXPECT_FALSE(subscription.has_subscription());
  request.mutable_entity()->set_entity_id(other);
  EXPECT_EQ(ReasonOf(get("ann")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  request.mutable_entity()->set_entity_id(database_.ids().NewId());
  EXPECT_EQ(ReasonOf(get("ann")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_EQ(ReasonOf(get("")), Reason::FAILURE_REASON_UNAUTHENTICATED);
}

TEST_F(AccountServerTest, TheSnapshotAndTheListsSayWhatIsStored) {
  const std::string acme = Workspace("acme", "ann");
  database_.LinkCustomer(acme, "cus_1");
  database_.Admin(R"sql(
    INSERT INTO billing.invoices (id, env, entity_id, provider, provider_invoice_id, provider_customer_id, number, status, currency,
                                  total_minor, amount_due_minor, amount_paid_minor, amount_remaining_minor, billing_reason,
                                  period_start, period_end, hosted_invoice_url, provider_created_at, provider_updated_at,
                                  provider_event_id)
    SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'test', $1, 'stripe', 'in_' || n, 'cus_1', 'A-' || n, 'open', 'eur',
           4, 3, 2, 1, 'manual', to_timestamp(10), to_timestamp(20), 'https://pay.example/i', to_timestamp(n), billing.now(), 'evt'
    FROM generate_series(1, 2) AS n
  )sql",
                  {acme});
  database_.Admin(R"sql(
    INSERT INTO billing.payments (id, env, entity_id, provider, provider_payment_id, provider_invoice_id, status, currency,
                                  amount_minor, amount_refunded_minor, failure_code, provider_created_at)
    VALUES ('00000000-0000-7000-8000-000000000003', 'test', $1, 'stripe', 'pi_1', 'in_1', 'failed', 'eur', 4, 1,
            'card_declined', to_timestamp(3))
  )sql",
                  {acme});
  database_.Admin(R"sql(
    INSERT INTO billing.payment_methods (id, env, entity_id, provider, provider_payment_method_id, provider_customer_id, type, brand,
                                         last4, exp_month, exp_year, wallet, provider_created_at, provider_updated_at,
                                         provider_event_id)
    VALUES ('00000000-0000-7000-8000-000000000004', 'test', $1, 'stripe', 'pm_1', 'cus_1', 'card', 'visa', '4242', 12, 2034, 'link',
            to_timestamp(4), billing.now(), 'evt')
  )sql",
                  {acme});

  pb::GetAccountSnapshotResponse snapshot;
  const absl::Status got = Call<pb::AccountService>("edge", "ann", &pb::AccountService::Stub::GetAccountSnapshot,
                                                    pb::GetAccountSnapshotRequest(), snapshot);
  ASSERT_TRUE(got.ok()) << got;
  EXPECT_EQ(snapshot.entity().entity_id(), acme);
  EXPECT_EQ(snapshot.entity().kind(), types::ENTITY_KIND_WORKSPACE);
  EXPECT_EQ(snapshot.customer().provider(), "stripe");
  EXPECT_TRUE(snapshot.customer().has_linked_at());
  EXPECT_FALSE(snapshot.has_subscription());
  ASSERT_EQ(snapshot.invoices_size(), 2);
  EXPECT_EQ(snapshot.invoices(0).ShortDebugString(),
            "invoice_id: \"00000000-0000-7000-8000-000000000002\" number: \"A-2\" status: \"open\" currency: \"eur\" "
            "total_minor: 4 amount_due_minor: 3 amount_paid_minor: 2 amount_remaining_minor: 1 billing_reason: "
            "\"manual\" period_start { seconds: 10 } period_end { seconds: 20 } hosted_invoice_url: "
            "\"https://pay.example/i\" created_at { seconds: 2 }");
  ASSERT_EQ(snapshot.payments_size(), 1);
  EXPECT_EQ(snapshot.payments(0).ShortDebugString(),
            "payment_id: \"00000000-0000-7000-8000-000000000003\" status: \"failed\" currency: \"eur\" amount_minor: 4 "
            "amount_refunded_minor: 1 failure_code: \"card_declined\" invoice_id: "
            "\"00000000-0000-7000-8000-000000000001\" created_at { seconds: 3 }");
  ASSERT_EQ(snapshot.payment_methods_size(), 1);
  EXPECT_EQ(
      snapshot.payment_methods(0).ShortDebugString(),
      "payment_method_id: \"00000000-0000-7000-8000-000000000004\" type: \"card\" brand: \"visa\" last4: \"4242\" "
      "exp_month: 12 exp_year: 2034 wallet: \"link\" created_at { seconds: 4 }");

  pb::ListInvoicesRequest request;
  request.set_page_size(1);
  pb::ListInvoicesResponse first, second;
  const auto list = [&](pb::ListInvoicesResponse& page) {
    return Call<pb::AccountService>("edge", "ann", &pb::AccountService::Stub::ListInvoices, request, page);
  };
  ASSERT_TRUE(list(first).ok());
  ASSERT_EQ(first.invoices_size(), 1);
  EXPECT_EQ(first.invoices(0).number(), "A-2");
  request.set_page_token(first.next_page_token());
  ASSERT_TRUE(list(second).ok());
  ASSERT_EQ(second.invoices_size(), 1);
  EXPECT_EQ(second.invoices(0).number(), "A-1");
  EXPECT_EQ(second.next_page_token(), "");
  request.set_page_token("forged");
  EXPECT_EQ(MetadataOf(list(second))["field"], "page_token");

  pb::ListPaymentMethodsResponse methods;
  EXPECT_EQ(ReasonOf(Call<pb::AccountService>("service", "", &pb::AccountService::Stub::ListPaymentMethods,
                                              pb::ListPaymentMethodsRequest(), methods)),
            Reason::FAILURE_REASON_INVALID_ARGUMENT)
      << "a service names the entity";
  ASSERT_TRUE(Call<pb::AccountService>("edge", "ann", &pb::AccountService::Stub::ListPaymentMethods,
                                       pb::ListPaymentMethodsRequest(), methods)
                  .ok());
  EXPECT_EQ(methods.payment_methods_size(), 1);
  for (const char* certificate : {"webhook", "entitlements", "reconciler"}) {
    EXPECT_EQ(ReasonOf(Call<pb::AccountService>(certificate, "", &pb::AccountService::Stub::GetAccountSnapshot,
                                                pb::GetAccountSnapshotRequest(), snapshot)),
              Reason::FAILURE_REASON_PERMISSION_DENIED)
        << certificate;
  }
}

TEST_F(AccountServerTest, UsersMayNotMakeEntitiesOrMembersThemselves) {
  const std::string acme = Workspace("acme", "ann");
  pb::SetMemberRequest request;
  request.mutable_entity()->set_entity_id(acme);
  request.set_subject("mallory");
  request.set_role(pb::MEMBER_ROLE_OWNER);
  pb::SetMemberResponse response;
  for (const char* certificate : {"edge", "webhook", "entitlements", "reconciler"}) {
    const std::string user = std::string(certificate) == "edge" ? "ann" : "";
    EXPECT_EQ(
        ReasonOf(Call<pb::AccountService>(certificate, user, &pb::AccountService::Stub::SetMember, request, response)),
        Reason::FAILURE_REASON_PERMISSION_DENIED)
        << certificate;
  }
  // A user asserted by anyone but the edge is refused, whatever the method.
  EXPECT_FALSE(
      Call<pb::AccountService>("service", "ann", &pb::AccountService::Stub::SetMember, request, response).ok());
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.entity_members"), "1");
}

TEST_F(AccountServerTest, RequestsAreValidatedBeforeAnythingElse) {
  pb::SetMemberRequest member;
  pb::SetMemberResponse member_response;
  member.set_role(static_cast<pb::MemberRole>(77));
  member.set_subject("bob");
  EXPECT_EQ(MetadataOf(Call<pb::AccountService>("service", "", &pb::AccountService::Stub::SetMember, member,
                                                member_response))["field"],
            "role");
  member.clear_subject();
  EXPECT_EQ(MetadataOf(Call<pb::AccountService>("service", "", &pb::AccountService::Stub::SetMember, member,
                                                member_response))["field"],
            "subject");
  pb::ApplyCatalogRequest apply;
  pb::ApplyCatalogResponse apply_response;
  apply.set_yaml(std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(ReasonOf(Call<pb::CatalogService>("operator", "", &pb::CatalogService::Stub::ApplyCatalog, apply,
                                              apply_response)),
            Reason::FAILURE_REASON_REQUEST_TOO_LARGE);
}

TEST_F(AccountServerTest, PlansAreListedWithCorePriceAndValidEntitlementsOnly) {
  database_.AddPlan("free", 0,
                    {{"projects", "entitlement.quota.v1", R"({"limit": 3, "interval": "day", "enforcement": "hard"})"}},
                    /*is_default=*/true);
  database_.AddPlan("pro", 2900, {{"sso", "entitlement.boolean.v1", R"({"enabled": true})"}});
  database_.AddPlan("broken", 100, {{"sso", "entitlement.boolean.v1", R"({"enabled": 1})"}});
  database_.AddPlan("retired", 100, {});
  database_.Admin("UPDATE billing.plans SET active = false WHERE code = 'retired'");
  pb::ListPlansResponse plans;
  const absl::Status listed =
      Call<pb::CatalogService>("edge", "ann", &pb::CatalogService::Stub::ListPlans, pb::ListPlansRequest(), plans);
  ASSERT_TRUE(listed.ok()) << listed;
  ASSERT_EQ(plans.plans_size(), 2);
  EXPECT_EQ(plans.plans(0).code(), "free");
  EXPECT_FALSE(plans.plans(0).has_core_price());
  EXPECT_EQ(plans.plans(0).entitlements().at("projects").quota().limit(), 3);
  EXPECT_EQ(plans.plans(1).code(), "pro");
  EXPECT_EQ(plans.plans(1).core_price().unit_amount_minor(), 2900);
  EXPECT_EQ(plans.plans(1).core_price().currency(), "eur");
  EXPECT_TRUE(plans.plans(1).entitlements().at("sso").boolean().enabled());
}

}  // namespace
}  // namespace billmesh::billctl
