#include "services/checkout/account_rules.h"

#include <string>

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

namespace pb = ::billing::checkout::v1;
namespace types = ::billing::types::v1;

pb::EnsureEntityRequest Workspace() {
  pb::EnsureEntityRequest request;
  request.set_kind(types::ENTITY_KIND_WORKSPACE);
  request.set_ref("ws-1");
  request.set_slug("acme");
  request.set_display_name("Acme");
  request.set_owner_subject("user-1");
  return request;
}

TEST(ValidateNewEntityTest, TakesAWholeWorkspace) {
  const auto entity = ValidateNewEntity(Workspace());
  ASSERT_TRUE(entity.ok()) << entity.status();
  EXPECT_EQ(entity->kind, "workspace");
  EXPECT_EQ(entity->ref, "ws-1");
  EXPECT_EQ(entity->slug, "acme");
  EXPECT_EQ(entity->owner_subject, "user-1");
}

struct BadEntity {
  std::string name;
  std::string field;
  void (*edit)(pb::EnsureEntityRequest&);
};

class BadEntityTest : public testing::TestWithParam<BadEntity> {};

TEST_P(BadEntityTest, IsRefusedByField) {
  pb::EnsureEntityRequest request = Workspace();
  GetParam().edit(request);
  const auto entity = ValidateNewEntity(request);
  ASSERT_FALSE(entity.ok());
  EXPECT_EQ(ReasonOf(entity.status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  EXPECT_EQ(MetadataOf(entity.status())["field"], GetParam().field);
}

using Request = pb::EnsureEntityRequest;
INSTANTIATE_TEST_SUITE_P(
    Table, BadEntityTest,
    testing::Values(
        BadEntity{"NoKind", "kind", [](Request& r) { r.clear_kind(); }},
        BadEntity{"UnknownKind", "kind", [](Request& r) { r.set_kind(static_cast<types::EntityKind>(99)); }},
        BadEntity{"NoRef", "ref", [](Request& r) { r.clear_ref(); }},
        BadEntity{"LongRef", "ref", [](Request& r) { r.set_ref(std::string(256, 'x')); }},
        BadEntity{"ControlInRef", "ref", [](Request& r) { r.set_ref("a\nb"); }},
        BadEntity{"LongName", "display_name", [](Request& r) { r.set_display_name(std::string(201, 'x')); }},
        BadEntity{"LongOwner", "owner_subject", [](Request& r) { r.set_owner_subject(std::string(256, 'x')); }},
        BadEntity{"UpperCaseSlug", "slug", [](Request& r) { r.set_slug("Acme"); }},
        BadEntity{"SlugBeginsWithDash", "slug", [](Request& r) { r.set_slug("-acme"); }},
        BadEntity{"SlugWithSlash", "slug", [](Request& r) { r.set_slug("a/b"); }},
        BadEntity{"LongSlug", "slug", [](Request& r) { r.set_slug(std::string(64, 'a')); }},
        BadEntity{"SlugLikeAUuid", "slug", [](Request& r) { r.set_slug("0190a7a0-0000-7000-8000-000000000000"); }},
        BadEntity{"SlugOfAUser", "slug", [](Request& r) { r.set_kind(types::ENTITY_KIND_USER); }},
        BadEntity{"UserWithoutOwner", "owner_subject",
                  [](Request& r) {
                    r.set_kind(types::ENTITY_KIND_USER);
                    r.clear_slug();
                    r.clear_owner_subject();
                  }},
        BadEntity{"ExternalWithOwner", "owner_subject",
                  [](Request& r) {
                    r.set_kind(types::ENTITY_KIND_EXTERNAL);
                    r.clear_slug();
                  }}),
    [](const auto& test) { return test.param.name; });

TEST(ValidateNewEntityTest, TakesTheLongestRefAndSlug) {
  pb::EnsureEntityRequest request = Workspace();
  request.set_ref(std::string(255, 'x'));
  request.set_slug(std::string(63, 'a'));
  EXPECT_TRUE(ValidateNewEntity(request).ok());
}

TEST(NamesTest, KindsAndRolesGoBothWays) {
  for (int kind = types::EntityKind_MIN + 1; kind <= types::EntityKind_MAX; ++kind) {
    const auto value = static_cast<types::EntityKind>(kind);
    EXPECT_NE(KindName(value), "");
    EXPECT_EQ(KindFromName(KindName(value)), value);
  }
  for (int role = pb::MemberRole_MIN + 1; role <= pb::MemberRole_MAX; ++role) {
    const auto value = static_cast<pb::MemberRole>(role);
    EXPECT_NE(RoleName(value), "");
    EXPECT_EQ(RoleFromName(RoleName(value)), value);
  }
  EXPECT_EQ(KindName(types::ENTITY_KIND_UNSPECIFIED), "");
  EXPECT_EQ(RoleFromName("superuser"), pb::MEMBER_ROLE_UNSPECIFIED);
}

TEST(JudgeMembershipTest, WalksEveryCase) {
  struct Case {
    MembershipNow now;
    std::string_view role;
    MembershipVerdict verdict;
  };
  const Case cases[] = {
      {{std::nullopt, 0}, "", MembershipVerdict::kUnchanged},  {{std::nullopt, 0}, "viewer", MembershipVerdict::kApply},
      {{std::nullopt, 1}, "owner", MembershipVerdict::kApply}, {{"viewer", 1}, "viewer", MembershipVerdict::kUnchanged},
      {{"viewer", 1}, "", MembershipVerdict::kApply},          {{"viewer", 0}, "admin", MembershipVerdict::kApply},
      {{"owner", 1}, "owner", MembershipVerdict::kUnchanged},  {{"owner", 1}, "admin", MembershipVerdict::kLastOwner},
      {{"owner", 1}, "", MembershipVerdict::kLastOwner},       {{"owner", 2}, "", MembershipVerdict::kApply},
      {{"owner", 2}, "viewer", MembershipVerdict::kApply},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(JudgeMembership(c.now, c.role), c.verdict)
        << c.now.role.value_or("none") << "/" << c.now.owners << " → " << c.role;
  }
}

TEST(TakesMembersTest, OnlyWorkspacesAndOrganizations) {
  EXPECT_TRUE(TakesMembers("workspace"));
  EXPECT_TRUE(TakesMembers("organization"));
  EXPECT_FALSE(TakesMembers("user"));
  EXPECT_FALSE(TakesMembers("external"));
}

}  // namespace
}  // namespace billmesh::checkout
