// Which entity a request is about, and whether the caller may (TEN-4, TEN-5), on the real schema under each daemon's
// own role.
#include "common/auth/entity_access.h"

#include <algorithm>

#include "common/auth/method_policy.h"
#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"

namespace billmesh {
namespace {

using auth::Caller;
using auth::CallerKind;
using auth::ResolvedEntity;
using billing::types::v1::EntitySelector;

constexpr char kEnv[] = "test";

class EntityAccessTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { database_ = new testing::TestDatabase; }
  static void TearDownTestSuite() {
    delete database_;
    database_ = nullptr;
  }

  static Caller User(const std::string& subject) {
    return {"spiffe://billmesh/edge", CallerKind::kEdge, auth::UserIdentity{subject, {}}};
  }
  static Caller Service() { return {"spiffe://billmesh/service/shop", CallerKind::kService, std::nullopt}; }
  static EntitySelector Workspace(const std::string& name) {
    EntitySelector selector;
    selector.set_workspace(name);
    return selector;
  }
  static EntitySelector ById(const std::string& id) {
    EntitySelector selector;
    selector.set_entity_id(id);
    return selector;
  }
  absl::StatusOr<ResolvedEntity> Resolve(const Caller& caller, const EntitySelector& selector = {},
                                         std::string_view permission = auth::kBillingRead,
                                         const std::string& daemon = "checkout") {
    return RunInTransaction(database_->Pool(daemon), db::Scope::System("resolve"),
                            [&](db::Tx& tx) { return auth::ResolveEntity(tx, kEnv, caller, selector, permission); });
  }
  std::vector<std::string> Reachable(const std::string& subject, const std::string& env = kEnv) {
    std::vector<std::string> ids;
    const auto found = RunInTransaction(database_->Pool("checkout"), db::Scope::System("reach"),
                                        [&](db::Tx& tx) { return auth::ReachableEntities(tx, env, subject); });
    EXPECT_TRUE(found.ok()) << found.status();
    for (const ResolvedEntity& entity : *found) ids.push_back(entity.entity_id);
    return ids;
  }
  std::string AddEntity(const std::string& kind, const std::string& ref, const std::string& owner = "",
                        const std::string& slug = "", const std::string& env = kEnv) {
    const std::string id = database_->ids().NewId();
    database_->Admin(
        "INSERT INTO billing.entities (id, env, kind, ref, slug, owner_subject) "
        "VALUES ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''))",
        {id, env, kind, ref, slug, owner});
    return id;
  }
  void AddMember(const std::string& entity, const std::string& subject, const std::string& role) {
    database_->Admin("INSERT INTO billing.entity_members (entity_id, subject, role) VALUES ($1, $2, $3)",
                     {entity, subject, role});
  }
  void Close(const std::string& entity) {
    database_->Admin("UPDATE billing.entities SET closed_at = billing.now() WHERE id = $1", {entity});
  }
  void ExpectReason(const absl::StatusOr<ResolvedEntity>& resolved, Reason reason) {
    EXPECT_EQ(ReasonOf(resolved.status()), reason) << resolved.status();
  }

  static testing::TestDatabase* database_;
};

testing::TestDatabase* EntityAccessTest::database_ = nullptr;

TEST_F(EntityAccessTest, AUserReachesItsOwnByEveryNameAndByNone) {
  const std::string id = AddEntity("workspace", "own-ref", "", "own-slug");
  AddMember(id, "own-user", "admin");
  std::string upper = id;
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  for (const EntitySelector& selector :
       {EntitySelector(), Workspace("own-slug"), Workspace("own-ref"), ById(id), ById(upper)}) {
    for (const char* daemon : {"checkout", "webhook", "entitlements", "reconciler"}) {
      const auto resolved = Resolve(User("own-user"), selector, auth::kBillingManage, daemon);
      ASSERT_TRUE(resolved.ok()) << resolved.status() << " " << selector.ShortDebugString() << " " << daemon;
      EXPECT_EQ(resolved->entity_id, id);
      EXPECT_EQ(resolved->kind, "workspace");
      EXPECT_EQ(resolved->ref, "own-ref");
      EXPECT_EQ(resolved->slug, "own-slug");
      EXPECT_EQ(resolved->role, "admin");
      EXPECT_EQ(resolved->revision, 1);
    }
  }
}

TEST_F(EntityAccessTest, AnothersEntityLooksExactlyLikeNone) {
  const std::string id = AddEntity("workspace", "theirs-ref", "", "theirs");
  AddMember(id, "their-user", "owner");
  AddMember(AddEntity("workspace", "mine-ref", "", "mine"), "curious-user", "owner");
  const auto unknown = Resolve(User("curious-user"), Workspace("no-such"));
  ExpectReason(unknown, Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  for (const EntitySelector& selector :
       {Workspace("theirs"), Workspace("theirs-ref"), ById(id), ById(database_->ids().NewId()), ById("not-a-uuid"),
        Workspace(std::string("mine\0x", 6)), Workspace(std::string(300, 'a'))}) {
    for (const char* permission : {auth::kBillingRead, auth::kBillingManage}) {
      const auto resolved = Resolve(User("curious-user"), selector, permission);
      EXPECT_EQ(resolved.status(), unknown.status()) << selector.ShortDebugString();
    }
  }
}

TEST_F(EntityAccessTest, SeveralReachableAndNoneNamedNeedsASelection) {
  const std::string first = AddEntity("workspace", "several-1", "", "several-1");
  const std::string second = AddEntity("organization", "several-2");
  AddMember(first, "several-user", "owner");
  AddMember(second, "several-user", "viewer");
  ExpectReason(Resolve(User("several-user")), Reason::FAILURE_REASON_WORKSPACE_SELECTION_REQUIRED);
  EXPECT_EQ(Resolve(User("several-user"), ById(second))->entity_id, second);
  EXPECT_EQ(Reachable("several-user").size(), 2u);
  // The role counts for the entity that is named, not for another.
  ExpectReason(Resolve(User("several-user"), ById(second), auth::kBillingManage),
               Reason::FAILURE_REASON_PERMISSION_DENIED);
  EXPECT_TRUE(Resolve(User("several-user"), ById(first), auth::kBillingManage).ok());
  ExpectReason(Resolve(User("stranger")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
}

TEST_F(EntityAccessTest, OnlyOwnersAndAdminsWrite) {
  const std::string id = AddEntity("workspace", "roles", "", "roles");
  for (const char* role : {"owner", "admin", "member", "viewer"}) {
    const std::string subject = std::string("roles-") + role;
    AddMember(id, subject, role);
    EXPECT_TRUE(Resolve(User(subject)).ok()) << role;
    const bool writes = role == std::string("owner") || role == std::string("admin");
    const auto written = Resolve(User(subject), Workspace("roles"), auth::kBillingManage);
    EXPECT_EQ(written.ok(), writes) << role;
    if (!writes) {
      ExpectReason(written, Reason::FAILURE_REASON_PERMISSION_DENIED);
    }
  }
  // A role that changes holds from the next request on (TEN-9).
  database_->Admin("UPDATE billing.entity_members SET role = 'viewer' WHERE subject = 'roles-owner'");
  ExpectReason(Resolve(User("roles-owner"), {}, auth::kBillingManage), Reason::FAILURE_REASON_PERMISSION_DENIED);
  database_->Admin("DELETE FROM billing.entity_members WHERE subject = 'roles-owner'");
  ExpectReason(Resolve(User("roles-owner")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
}

TEST_F(EntityAccessTest, AUserEntityIsItsOwnersOnly) {
  const std::string id = AddEntity("user", "person-1", "person-1");
  EXPECT_EQ(Resolve(User("person-1"), {}, auth::kBillingManage)->role, "owner");
  EXPECT_EQ(Reachable("person-1"), std::vector<std::string>{id});
  ExpectReason(Resolve(User("person-2"), ById(id)), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  // A membership row doesn't make an owner.
  AddMember(id, "person-2", "owner");
  ExpectReason(Resolve(User("person-2"), ById(id)), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  ExpectReason(Resolve(User("person-2")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  // Nor does a workspace's name lead to it.
  ExpectReason(Resolve(User("person-1"), Workspace("person-1")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
}

TEST_F(EntityAccessTest, AnExternalEntityIsNeverAUsers) {
  const std::string id = AddEntity("external", "outside-1", "outside-user");
  AddMember(id, "outside-user", "owner");
  ExpectReason(Resolve(User("outside-user"), ById(id)), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  ExpectReason(Resolve(User("outside-user")), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_TRUE(Reachable("outside-user").empty());
  EXPECT_EQ(Resolve(Service(), ById(id), auth::kBillingManage)->entity_id, id);
}

TEST_F(EntityAccessTest, AServiceMustNameTheEntity) {
  const std::string id = AddEntity("workspace", "service-ref", "", "service-slug");
  ExpectReason(Resolve(Service()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  ExpectReason(Resolve(Service(), ById(database_->ids().NewId())), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  for (const EntitySelector& selector : {Workspace("service-ref"), Workspace("service-slug"), ById(id)}) {
    const auto resolved = Resolve(Service(), selector, auth::kBillingManage);
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    EXPECT_EQ(resolved->entity_id, id);
    EXPECT_EQ(resolved->role, "");
  }
  const Caller staff = {"spiffe://billmesh/operator/ops", CallerKind::kOperator, std::nullopt};
  EXPECT_TRUE(Resolve(staff, ById(id)).ok());
}

TEST_F(EntityAccessTest, TheEdgeWithoutAUserAndUnknownCallersGetNothing) {
  const std::string id = AddEntity("workspace", "edge-ref", "", "edge-slug");
  ExpectReason(Resolve({"spiffe://billmesh/edge", CallerKind::kEdge, std::nullopt}, ById(id)),
               Reason::FAILURE_REASON_UNAUTHENTICATED);
  ExpectReason(Resolve({"spiffe://other/x", CallerKind::kUnknown, std::nullopt}, ById(id)),
               Reason::FAILURE_REASON_PERMISSION_DENIED);
}

TEST_F(EntityAccessTest, NamingTwiceIsRefused) {
  EntitySelector both = Workspace("a");
  both.set_entity_id(database_->ids().NewId());
  ExpectReason(Resolve(User("anybody"), both), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  ExpectReason(Resolve(Service(), both), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(EntityAccessTest, AChosenSlugCannotTakeTheNameOfAnothersRef) {
  const std::string victim = AddEntity("workspace", "contested", "", "victim");
  const std::string attacker = AddEntity("workspace", "attacker-ref", "", "contested");
  AddMember(attacker, "attacker", "owner");
  EXPECT_EQ(Resolve(Service(), Workspace("contested"))->entity_id, victim);
  // For the attacker itself the name means what it can reach.
  EXPECT_EQ(Resolve(User("attacker"), Workspace("contested"))->entity_id, attacker);
}

TEST_F(EntityAccessTest, AClosedEntityCanBeReadByNameAndNotWritten) {
  const std::string closed = AddEntity("workspace", "closed-ref", "", "closed-slug");
  AddMember(closed, "closed-user", "owner");
  Close(closed);
  EXPECT_EQ(Resolve(User("closed-user"), ById(closed))->entity_id, closed);
  ExpectReason(Resolve(User("closed-user"), ById(closed), auth::kBillingManage),
               Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  ExpectReason(Resolve(Service(), ById(closed), auth::kBillingManage), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_TRUE(Resolve(Service(), ById(closed)).ok());
  // It doesn't stand in the way of the one that is open.
  const std::string open = AddEntity("workspace", "open-ref", "", "open-slug");
  AddMember(open, "closed-user", "owner");
  EXPECT_EQ(Resolve(User("closed-user"), {}, auth::kBillingManage)->entity_id, open);
  EXPECT_EQ(Reachable("closed-user"), std::vector<std::string>{open});
}

TEST_F(EntityAccessTest, AnotherEnvironmentIsAnotherWorld) {
  const std::string live = AddEntity("workspace", "env-ref", "", "env-slug", "live");
  AddMember(live, "env-user", "owner");
  AddEntity("user", "env-user", "env-user", "", "live");
  for (const EntitySelector& selector : {EntitySelector(), Workspace("env-slug"), ById(live)}) {
    ExpectReason(Resolve(User("env-user"), selector), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  }
  ExpectReason(Resolve(Service(), ById(live)), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_TRUE(Reachable("env-user").empty());
  EXPECT_EQ(Reachable("env-user", "live").size(), 2u);
}

TEST_F(EntityAccessTest, ReachableEntitiesAreSortedAndBounded) {
  database_->Admin(
      "INSERT INTO billing.entities (id, env, kind, ref, slug) "
      "SELECT gen_random_uuid(), 'test', 'workspace', 'many-' || i, 'many-' || to_char(i, 'FM000') FROM "
      "generate_series(1, 120) i");
  database_->Admin(
      "INSERT INTO billing.entity_members (entity_id, subject, role) "
      "SELECT id, 'many-user', 'viewer' FROM billing.entities WHERE ref LIKE 'many-%'");
  const std::vector<std::string> ids = Reachable("many-user");
  EXPECT_EQ(ids.size(), 100u);
  EXPECT_EQ(ids.front(), database_->Value("SELECT id FROM billing.entities WHERE slug = 'many-001'"));
}

}  // namespace
}  // namespace billmesh
