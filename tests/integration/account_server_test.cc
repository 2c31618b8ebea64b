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
