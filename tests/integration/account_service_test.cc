// AccountService on real PostgreSQL: entities exactly once under races, members, and what an entity has.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "services/checkout/account_service.h"
#include "tests/integration/account_fixture.h"

namespace billmesh::checkout {
namespace {

class AccountServiceTest : public AccountFixture {};

TEST_F(AccountServiceTest, ANewEntityComesWithItsOwnerItsFeedRowAndItsAuditRows) {
  const auto ensured = service_.EnsureEntity(operator_, Workspace("ws-1", "acme", "user-1"));
  ASSERT_TRUE(ensured.ok()) << ensured.status();
  EXPECT_TRUE(ensured->created);
  const std::string id = ensured->entity.id;
  EXPECT_EQ(ensured->entity.slug, "acme");
  EXPECT_EQ(ensured->entity.revision, 1);
  EXPECT_EQ(RoleOf(id, "user-1"), "owner");
  EXPECT_EQ(
      database_.Value("SELECT string_agg(revision::text, ',') FROM billing.change_feed WHERE entity_id = $1", {id}),
      "1");
  EXPECT_EQ(database_.Value(
                "SELECT string_agg(action, ',' ORDER BY action) FROM billing.audit_log WHERE entity_id = $1", {id}),
            "BILLING_ENTITY_CREATED,BILLING_MEMBERSHIP_CHANGED");
  EXPECT_EQ(database_.Value("SELECT string_agg(concat_ws(' ', before_digest IS NULL, length(after_digest)), ',') "
                            "FROM billing.audit_log WHERE entity_id = $1",
                            {id}),
            "t 64,t 64");
  EXPECT_EQ(database_.Value("SELECT DISTINCT actor FROM billing.audit_log WHERE entity_id = $1", {id}),
            "service:spiffe://billmesh/operator/ada");
}

TEST_F(AccountServiceTest, EnsuringAgainFindsItAndChangesNothing) {
  const std::string id = Ensure(Workspace("ws-1", "acme", "user-1"));
  const auto again = service_.EnsureEntity(operator_, Workspace("ws-1", "other", "user-2"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->entity.id, id);
  EXPECT_EQ(again->entity.slug, "acme");
  EXPECT_EQ(RoleOf(id, "user-2"), "");
  EXPECT_EQ(AuditCount("BILLING_ENTITY_CREATED", id), "1");
}

TEST_F(AccountServiceTest, ASlugOfAnotherWorkspaceIsRefusedAndNothingIsWritten) {
  Ensure(Workspace("ws-1", "acme", "user-1"));
  const auto taken = service_.EnsureEntity(operator_, Workspace("ws-2", "acme", "user-2"));
  EXPECT_EQ(ReasonOf(taken.status()), Reason::FAILURE_REASON_ALREADY_EXISTS);
  EXPECT_EQ(MetadataOf(taken.status())["what"], "slug");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.entities"), "1");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.entity_members"), "1");
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.audit_log"), "2");
}

TEST_F(AccountServiceTest, EnvironmentsAndKindsHaveRefsOfTheirOwn) {
  AccountService live({.pool = database_.Pool("checkout", 16), .ids = database_.ids(), .env = "live"});
  const std::string here = Ensure(Workspace("x", "acme"));
  const auto there = live.EnsureEntity(operator_, Workspace("x", "acme"));
  const std::string user = Ensure({.kind = "user", .ref = "x", .owner_subject = "user-1"});
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_TRUE(there->created);
  EXPECT_NE(there->entity.id, here);
  EXPECT_NE(user, here);
  EXPECT_EQ(database_.Value("SELECT owner_subject FROM billing.entities WHERE id = $1", {user}), "user-1");
}

// TEN-9: equal requests race from many connections; whoever loses waits, and finds what the winner made.
TEST_F(AccountServiceTest, RacersMakeOneEntityExactlyOnce) {
  constexpr int kRacers = 12;
  for (int round = 0; round < 10; ++round) {
    const std::string ref = "ws-" + std::to_string(round);
    std::atomic<int> created = 0, failed = 0, ready = 0;
    std::vector<std::string> ids(kRacers);
    std::vector<std::thread> racers;
    for (int n = 0; n < kRacers; ++n) {
      racers.emplace_back([&, n] {
        ++ready;
        while (ready < kRacers) std::this_thread::yield();
        const auto ensured = service_.EnsureEntity(operator_, Workspace(ref, "slug-" + ref, "user-1"));
        if (!ensured.ok()) {
          ++failed;
          return;
        }
        created += ensured->created ? 1 : 0;
        ids[n] = ensured->entity.id;
      });
    }
    for (std::thread& racer : racers) racer.join();
    EXPECT_EQ(created, 1);
    EXPECT_EQ(failed, 0);
    for (const std::string& id : ids) EXPECT_EQ(id, ids[0]);
    EXPECT_EQ(AuditCount("BILLING_ENTITY_CREATED", ids[0]), "1");
    EXPECT_EQ(AuditCount("BILLING_MEMBERSHIP_CHANGED", ids[0]), "1");
  }
}

TEST_F(AccountServiceTest, MembershipChangesAreAuditedOnlyWhereSomethingChanged) {
  const std::string id = Ensure(Workspace("ws-1", "acme", "owner"));
  const auto set = [&](const std::string& role) { return service_.SetMember(operator_, ById(id), "bob", role); };
  EXPECT_TRUE(*set("viewer"));
  EXPECT_FALSE(*set("viewer"));
  EXPECT_TRUE(*set("admin"));
  EXPECT_EQ(RoleOf(id, "bob"), "admin");
  EXPECT_TRUE(*set(""));
  EXPECT_FALSE(*set(""));
  EXPECT_EQ(RoleOf(id, "bob"), "");
  EXPECT_EQ(AuditCount("BILLING_MEMBERSHIP_CHANGED", id), "4");
  EXPECT_EQ(database_.Value("SELECT string_agg((detail->>'from') || '>' || (detail->>'to'), ' ' ORDER BY id) "
                            "FROM billing.audit_log WHERE entity_id = $1 AND detail->>'subject' = 'bob'",
                            {id}),
            ">viewer viewer>admin admin>");
}

TEST_F(AccountServiceTest, TheLastOwnerStays) {
  const std::string id = Ensure(Workspace("ws-1", "acme", "ann"));
  for (const std::string& role : {std::string("admin"), std::string()}) {
    const auto refused = service_.SetMember(operator_, ById(id), "ann", role);
    EXPECT_EQ(ReasonOf(refused.status()), Reason::FAILURE_REASON_CONSTRAINT_VIOLATION);
    EXPECT_EQ(MetadataOf(refused.status())["constraint"], "last_owner");
  }
  EXPECT_EQ(RoleOf(id, "ann"), "owner");
  EXPECT_TRUE(*service_.SetMember(operator_, ById(id), "bob", "owner"));
  EXPECT_TRUE(*service_.SetMember(operator_, ById(id), "ann", ""));
}

TEST_F(AccountServiceTest, OwnersWhoRemoveEachOtherAtOnceLeaveOne) {
  for (int round = 0; round < 10; ++round) {
    const std::string id = Ensure(Workspace("ws-" + std::to_string(round), "", "ann"));
    ASSERT_TRUE(service_.SetMember(operator_, ById(id), "bob", "owner").ok());
    std::atomic<int> removed = 0, refused = 0, ready = 0;
    const auto remove = [&](const std::string& subject) {
      ++ready;
      while (ready < 2) std::this_thread::yield();
      const auto changed = service_.SetMember(operator_, ById(id), subject, "");
      removed += changed.ok() && *changed ? 1 : 0;
      refused += ReasonOf(changed.status()) == Reason::FAILURE_REASON_CONSTRAINT_VIOLATION ? 1 : 0;
    };
    std::thread first(remove, "ann"), second(remove, "bob");
    first.join();
    second.join();
    EXPECT_EQ(removed, 1);
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(
        database_.Value("SELECT count(*) FROM billing.entity_members WHERE entity_id = $1 AND role = 'owner'", {id}),
        "1");
  }
}

TEST_F(AccountServiceTest, RolesHoldFromTheNextRequestOn) {
  const std::string id = Ensure(Workspace("ws-1", "acme", "ann"));
  EXPECT_EQ(ReasonOf(service_.GetSubscription(User("bob"), ById(id)).status()),
            Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  ASSERT_TRUE(service_.SetMember(operator_, ById(id), "bob", "viewer").ok());
  EXPECT_TRUE(service_.GetSubscription(User("bob"), ById(id)).ok());
  ASSERT_TRUE(service_.SetMember(operator_, ById(id), "bob", "").ok());
  EXPECT_EQ(ReasonOf(service_.GetSubscription(User("bob"), ById(id)).status()),
            Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
}

TEST_F(AccountServiceTest, OnlyWorkspacesAndOrganizationsHaveMembers) {
  const std::string user = Ensure({.kind = "user", .ref = "u", .owner_subject = "ann"});
  const std::string external = Ensure({.kind = "external", .ref = "e"});
  const std::string organization = Ensure({.kind = "organization", .ref = "o"});
  for (const std::string& id : {user, external}) {
    EXPECT_EQ(ReasonOf(service_.SetMember(operator_, ById(id), "bob", "admin").status()),
              Reason::FAILURE_REASON_INVALID_ARGUMENT);
  }
  EXPECT_TRUE(service_.SetMember(operator_, ById(organization), "bob", "admin").ok());
  EXPECT_EQ(ReasonOf(service_.SetMember(operator_, ById(database_.ids().NewId()), "bob", "admin").status()),
            Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
}

TEST_F(AccountServiceTest, ListsWhatAUserReaches) {
  const std::string acme = Ensure(Workspace("ws-1", "acme", "ann"));
  Ensure(Workspace("ws-2", "other", "bob"));
  const std::string own = Ensure({.kind = "user", .ref = "ann", .owner_subject = "ann"});
  const auto entities = service_.ListEntities({"ann", {}});
  ASSERT_TRUE(entities.ok()) << entities.status();
  ASSERT_EQ(entities->size(), 2u);
  EXPECT_EQ((*entities)[0].entity_id, own);  // without a slug: first
  EXPECT_EQ((*entities)[1].entity_id, acme);
  EXPECT_EQ((*entities)[1].role, "owner");
}

class SubscriptionTest : public AccountFixture {};

TEST_F(SubscriptionTest, ShowsTheCurrentOneWithThePlansOfItsItems) {
  database_.AddPlan("pro", 2900, {});
  database_.AddPlan("extra", 900, {});
  database_.Admin("UPDATE billing.plans SET kind = 'add_on' WHERE code = 'extra'");
  database_.Admin("UPDATE billing.plans SET active = false");  // no longer sold; who has it keeps it
  const std::string id = Ensure(Workspace("ws-1", "acme", "ann"));
  database_.LinkCustomer(id, "cus_" + id);
  AddSubscription(id, "old", false, "canceled");
  const std::string current = AddSubscription(id, "new", true, "active");
  AddItem(id, current, "price_unknown", 1);
  AddItem(id, current, "price_extra", 3);
  AddItem(id, current, "price_pro", 1);

  const auto subscription = service_.GetSubscription(User("ann"), ById(id));
  ASSERT_TRUE(subscription.ok()) << subscription.status();
  ASSERT_TRUE(subscription->has_value());
  const SubscriptionRow& row = **subscription;
  EXPECT_EQ(row.id, current);
  EXPECT_EQ(row.status, "active");
  EXPECT_TRUE(row.cancel_at_period_end);
  EXPECT_TRUE(row.trial_end.has_value());
  ASSERT_EQ(row.items.size(), 3u);
  EXPECT_EQ(row.items[0].plan_code, "pro");
  EXPECT_EQ(row.items[0].plan_kind, "base");
  EXPECT_EQ(row.items[1].plan_code, "extra");
  EXPECT_EQ(row.items[1].quantity, 3);
  EXPECT_EQ(row.items[2].plan_code, "");
  EXPECT_EQ(absl::FormatTime("%Y-%m-%d", *row.items[0].period_end, absl::UTCTimeZone()), "2027-02-01");
}

TEST_F(SubscriptionTest, NobodyElsesIsShown) {
  const std::string mine = Ensure(Workspace("ws-1", "acme", "ann"));
  const std::string other = Ensure(Workspace("ws-2", "other", "bob"));
  database_.LinkCustomer(other, "cus_" + other);
  AddSubscription(other, "theirs", true, "active");
  const auto none = service_.GetSubscription(User("ann"), ById(mine));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(ReasonOf(service_.GetSubscription(User("ann"), ById(other)).status()),
            Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_TRUE(service_.GetSubscription(operator_, ById(other))->has_value());
  // Row-level security says so too, whatever the query asks for.
  const auto through = db::RunInTransaction(database_.Pool("checkout"), db::Scope::Tenant(mine),
                                            [&](db::Tx& tx) { return ReadCurrentSubscription(tx, other); });
  ASSERT_TRUE(through.ok()) << through.status();
  EXPECT_FALSE(through->has_value());
}

}  // namespace
}  // namespace billmesh::checkout
