#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_store.h"
#include "gmock/gmock.h"
#include "services/entitlements/change_feed_reader.h"
#include "services/entitlements/change_feed_store.h"
#include "services/entitlements/entitlement_store.h"
#include "services/entitlements/state_source.h"
#include "tests/integration/entitlements_fixture.h"

namespace billmesh::entitlements {
namespace {

using ::testing::ElementsAre;
using testing::WaitUntil;

class EntitlementsStoreTest : public EntitlementsFixture {
 protected:
  NewAnswer Answer(const std::string& entity, int64_t revision, int64_t catalog_revision, const std::string& plan) {
    std::vector<Segment> segments(1);
    segments[0].plan_code = plan;
    NewAnswer answer;
    answer.entity_id = entity;
    answer.revision = revision;
    answer.catalog_revision = catalog_revision;
    answer.plan_code = plan;
    answer.status = pb::ENTITLEMENT_STATUS_FREE;
    answer.segments_json = CanonicalSegments(segments);
    answer.updated_at = Now();
    return answer;
  }
  // How many contents changed.
  int Store(const NewAnswer& answer) {
    const auto changed =
        db::RunInTransaction(db_.Pool("entitlements"), db::Scope::System("test.store"),
                             [&](db::Tx& tx) { return StoreAnswers(tx, db_.ids(), "test", {answer}); });
    EXPECT_TRUE(changed.ok()) << changed.status();
    return changed.value_or(-1);
  }
  std::string Stored(const std::string& entity) {
    return db_.Value(
        "SELECT concat_ws(' ', revision, catalog_revision, plan_code) FROM billing.entitlements WHERE entity_id = $1",
        {entity});
  }
  std::string Audits(const std::string& entity) {
    return db_.Value(
        "SELECT count(*) FROM billing.audit_log WHERE entity_id = $1 AND action = 'BILLING_ENTITLEMENTS_UPDATED'",
        {entity});
  }
};

TEST_F(EntitlementsStoreTest, AnAnswerReplacesOnlyAnOlderOneAndIsAuditedWhenItChanges) {
  const std::string entity = AddWorkspace("acme");
  EXPECT_EQ(Store(Answer(entity, 5, 2, "a")), 1);
  EXPECT_EQ(Stored(entity), "5 2 a");
  EXPECT_EQ(Audits(entity), "1");
  // The same, an older revision, an older catalog: nothing.
  EXPECT_EQ(Store(Answer(entity, 5, 2, "b")), 0);
  EXPECT_EQ(Store(Answer(entity, 4, 9, "b")), 0);
  EXPECT_EQ(Store(Answer(entity, 5, 1, "b")), 0);
  EXPECT_EQ(Stored(entity), "5 2 a");
  // Newer with the same content: stored, not audited.
  EXPECT_EQ(Store(Answer(entity, 6, 2, "a")), 0);
  EXPECT_EQ(Stored(entity), "6 2 a");
  EXPECT_EQ(Audits(entity), "1");
  EXPECT_EQ(Store(Answer(entity, 6, 3, "b")), 1);
  EXPECT_EQ(Stored(entity), "6 3 b");
  EXPECT_EQ(Audits(entity), "2");
  // Each change begins where the last ended.
  EXPECT_EQ(db_.Value(R"sql(
    SELECT count(*) FROM billing.audit_log a JOIN billing.audit_log b ON b.before_digest = a.after_digest
    WHERE a.entity_id = $1 AND a.before_digest IS NULL AND b.after_digest <> a.after_digest
      AND b.actor = 'worker:entitlements' AND b.env = 'test' AND b.detail->>'plan_code' = 'b'
  )sql",
                      {entity}),
            "1");
}

TEST_F(EntitlementsStoreTest, WhatIsServedIsStoredOnceByHoweverManyReplicas) {
  const std::string entity = AddWorkspace("acme");
  const auto other = MakeService();
  Poll();
  Poll(*other);
  EXPECT_FALSE(Granted(entity, "sso"));
  EXPECT_FALSE(Granted(*other, entity, "sso"));
  EXPECT_TRUE(WaitUntil([&] { return Audits(entity) == "1"; }));
  Project(entity, Active());
  Poll();
  Poll(*other);
  EXPECT_TRUE(WaitUntil([&] { return Granted(entity, "sso") && Granted(*other, entity, "sso"); }));
  EXPECT_TRUE(WaitUntil([&] { return Stored(entity) == "2 3 pro"; })) << Stored(entity);
  // Both destroyed: whatever they were still storing is over.
  service_.reset();
  EXPECT_EQ(Audits(entity), "2");
  EXPECT_EQ(db_.Value("SELECT status FROM billing.entitlements WHERE entity_id = $1", {entity}), "active");
  EXPECT_EQ(db_.Value("SELECT jsonb_array_length(segments) FROM billing.entitlements WHERE entity_id = $1", {entity}),
            "3");
}

TEST_F(EntitlementsStoreTest, InputsAreTheCurrentSubscriptionOrTheLastThatEnded) {
  const std::string entity = AddWorkspace("acme");
  const auto load = [&](const std::string& env, const std::vector<std::string>& ids) {
    return db::RunInTransaction(db_.Pool("entitlements"), db::Scope::System("test.load"),
                                [&](db::Tx& tx) { return LoadInputs(tx, env, ids); });
  };
  auto batch = load("test", {entity, db_.ids().NewId()});
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->entities.size(), 1u);
  EXPECT_FALSE(batch->entities[0].inputs.subscription.has_value());
  EXPECT_EQ(batch->entities[0].inputs.kind, "workspace");
  EXPECT_GT(batch->catalog_revision, 0);
  EXPECT_TRUE(load("live", {entity})->entities.empty());

  const Projection active = Active();
  Project(entity, active);
  batch = load("test", {entity});
  const SubscriptionInput& subscription = *batch->entities[0].inputs.subscription;
  EXPECT_TRUE(subscription.is_current);
  EXPECT_EQ(subscription.status, pb::ENTITLEMENT_STATUS_ACTIVE);
  ASSERT_EQ(subscription.items.size(), 1u);
  EXPECT_EQ(subscription.items[0].provider_price_id, "price_pro");
  EXPECT_EQ(subscription.items[0].quantity, 1);
  EXPECT_EQ(subscription.items[0].period_end, absl::FromUnixMicros(absl::ToUnixMicros(active.period_end)));
  EXPECT_EQ(batch->entities[0].inputs.revision, 2);

  Projection ended = active;
  ended.status = "canceled";
  Project(entity, ended);
  batch = load("test", {entity});
  EXPECT_FALSE(batch->entities[0].inputs.subscription->is_current);
  EXPECT_EQ(batch->entities[0].inputs.subscription->status, pb::ENTITLEMENT_STATUS_CANCELED);
}

TEST_F(EntitlementsStoreTest, ATenantTransactionReachesItsOwnEntityOnly) {
  const std::string own = AddWorkspace("own");
  const std::string foreign = AddWorkspace("foreign");
  Project(own, Active());
  Project(foreign, Active());
  db::Pool& pool = db_.Pool("entitlements");
  const auto seen = db::RunInTransaction(pool, db::Scope::Tenant(own), [&](db::Tx& tx) {
    return LoadInputs(tx, "test", {own, foreign});
  });
  ASSERT_TRUE(seen.ok()) << seen.status();
  ASSERT_EQ(seen->entities.size(), 1u);
  EXPECT_EQ(seen->entities[0].inputs.entity_id, own);
  const auto store = [&](const std::string& entity) {
    return db::RunInTransaction(pool, db::Scope::Tenant(own), [&](db::Tx& tx) {
      return StoreAnswers(tx, db_.ids(), "test", {Answer(entity, 9, 9, "a")});
    });
  };
  EXPECT_FALSE(store(foreign).ok());
  EXPECT_EQ(Stored(foreign), "");
  EXPECT_TRUE(store(own).ok());
  EXPECT_EQ(Stored(own), "9 9 a");
  // And the system role reads projections, but writes none of them.
  const absl::Status written = pool.Run(db::Scope::System("test.write"), [&](db::Tx& tx) {
    return tx.Exec("UPDATE billing.subscriptions SET status = 'active'").status();
  });
  EXPECT_FALSE(written.ok());
}

TEST_F(EntitlementsStoreTest, APassOfTheFeedReadsOnWhereTheLastEnded) {
  const std::string entity = AddWorkspace("acme");
  Project(entity, Active());
  ChangeFeedReader reader(db_.Pool("entitlements"), clock_);
  // What was there before the reader is nothing new to it.
  absl::StatusOr<ChangeFeedReader::Pass> pass = reader.Run();
  ASSERT_TRUE(pass.ok()) << pass.status();
  EXPECT_TRUE(pass->step.fresh.empty());
  EXPECT_EQ(pass->catalog_revision, 3);
  EXPECT_LT(absl::AbsDuration(pass->database_now - Now()), absl::Minutes(1));
  const int64_t revision = Project(entity, Active());
  pass = reader.Run();
  ASSERT_EQ(pass->step.fresh.size(), 1u);
  EXPECT_EQ(pass->step.fresh[0].entity_id, entity);
  EXPECT_EQ(pass->step.fresh[0].revision, revision);
  EXPECT_TRUE(reader.Run()->step.fresh.empty());
}

TEST_F(EntitlementsStoreTest, MoreChangesThanAPageHoldsAreReadInSeveralPasses) {
  const std::string entity = AddWorkspace("acme");
  ChangeFeedReader reader(db_.Pool("entitlements"), clock_);
  ASSERT_TRUE(reader.Run().ok());
  const int rows = kMaxFeedRows * 2 + 7;
  db_.Admin("INSERT INTO billing.change_feed (entity_id, revision) SELECT $1, g FROM generate_series(1, $2) AS g",
            {entity, rows});
  std::vector<int64_t> revisions;
  bool more = true;
  int passes = 0;
  for (; more && passes < 10; ++passes) {
    const absl::StatusOr<ChangeFeedReader::Pass> pass = reader.Run();
    ASSERT_TRUE(pass.ok()) << pass.status();
    for (const FeedRow& row : pass->step.fresh) revisions.push_back(row.revision);
    more = pass->step.more;
  }
  EXPECT_EQ(passes, 3);
  ASSERT_EQ(revisions.size(), static_cast<size_t>(rows));
  for (int i = 0; i < rows; ++i) ASSERT_EQ(revisions[i], i + 1);
}

TEST_F(EntitlementsStoreTest, RecomputingFromScratchGivesWhatIsStoredOnceThingsAreQuiet) {
  const char* given = std::getenv("BILLMESH_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE(absl::StrCat("BILLMESH_TEST_SEED=", seed));
  std::vector<std::string> entities;
  for (int i = 0; i < 12; ++i) entities.push_back(AddWorkspace(absl::StrCat("w", i)));
  Poll();
  const auto other = MakeService();
  Poll(*other);
  for (const std::string& entity : entities) {
    Granted(entity, "sso");
    Granted(*other, entity, "sso");
  }
  const Projection base = Active();
  const char* statuses[] = {"active", "trialing", "past_due", "unpaid", "paused", "canceled", "incomplete"};
  std::atomic<bool> writing{true};
  std::thread polling([&] {
    while (writing) {
      Poll();
      Poll(*other);
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937_64 random(seed + w);
      for (int i = 0; i < 60; ++i) {
        Projection p = base;
        p.status = statuses[random() % 7];
        p.cancel_at_period_end = random() % 3 == 0;
        p.period_end += absl::Hours(random() % 1000);
        Project(entities[random() % entities.size()], p);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  writing = false;
  polling.join();
  Poll();
  Poll(*other);
  for (const std::string& entity : entities) {
    const std::string revision = db_.Value("SELECT revision FROM billing.entities WHERE id = $1", {entity});
    EXPECT_TRUE(WaitUntil([&] {
      return db_.Value("SELECT revision FROM billing.entitlements WHERE entity_id = $1", {entity}) == revision;
    })) << "not stored: "
        << entity;
  }
  // From scratch: nothing in memory, nothing to store.
  const auto batch =
      db::RunInTransaction(db_.Pool("entitlements"), db::Scope::System("test.load"),
                           [&](db::Tx& tx) -> absl::StatusOr<std::vector<std::pair<std::string, std::string>>> {
                             ASSIGN_OR_RETURN(const LoadedBatch loaded, LoadInputs(tx, "test", entities));
                             ASSIGN_OR_RETURN(const catalog::Catalog catalog, catalog::LoadCatalog(tx));
                             std::vector<std::pair<std::string, std::string>> segments;
                             for (const LoadedInputs& entity : loaded.entities) {
                               const Computed computed = Compute(entity.inputs, catalog, RuleSettings{absl::Hours(72)});
                               segments.emplace_back(entity.inputs.entity_id, CanonicalSegments(computed.segments));
                             }
                             return segments;
                           });
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->size(), entities.size());
  for (const auto& [entity, segments] : *batch) {
    EXPECT_EQ(db_.Value("SELECT (segments = $2::jsonb)::text FROM billing.entitlements WHERE entity_id = $1",
                        {entity, segments}),
              "true")
        << entity;
    // Memory says the same as the table.
    for (EntitlementsService* service : {service_.get(), other.get()}) {
      const auto check = Check(*service, entity, "sso");
      ASSERT_TRUE(check.ok());
      EXPECT_EQ(absl::StrCat(check->revision()),
                db_.Value("SELECT revision FROM billing.entities WHERE id = $1", {entity}));
    }
  }
}

}  // namespace
}  // namespace billmesh::entitlements
