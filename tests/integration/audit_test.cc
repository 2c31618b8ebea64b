// The audit log: appended in the transaction that changes the state, by any daemon, for its own entity only.
#include "common/audit/audit_store.h"

#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"

namespace billmesh::audit {
namespace {

using db::Scope;
using db::Tx;

class AuditTest : public ::testing::Test {
 protected:
  std::string Count() { return database_.Value("SELECT count(*) FROM billing.audit_log"); }
  testing::TestDatabase database_;
};

TEST_F(AuditTest, RowsKeepWhatTheyWereGiven) {
  const std::string entity = database_.AddWorkspace("acme");
  Record first{"test", entity, "user:u1", kCheckoutCreated};
  first.operation_key = "op";
  first.detail_json = R"({"plan": "pro"})";
  Record second{"test", std::nullopt, "worker:outbox", kOutboxRequeued};
  second.provider_event_id = "evt_1";
  second.before_digest = "aa";
  second.after_digest = "bb";
  ASSERT_TRUE(database_.Pool("checkout")
                  .Run(Scope::System("test"), [&](Tx& tx) { return Append(tx, database_.ids(), {first, second}); })
                  .ok());
  EXPECT_EQ(database_.Value(R"sql(
    SELECT string_agg(concat_ws('|', a.env, a.entity_id IS NOT NULL, a.actor, a.action, a.operation_key, a.provider_event_id, a.detail,
                                a.before_digest, a.after_digest), ' / ' ORDER BY a.actor) FROM billing.audit_log a
  )sql"),
            "test|t|user:u1|BILLING_CHECKOUT_CREATED|op|{\"plan\": \"pro\"} / "
            "test|f|worker:outbox|BILLING_OUTBOX_REQUEUED|evt_1|{}|aa|bb");
}

TEST_F(AuditTest, ARolledBackChangeLeavesNoRow) {
  const std::string entity = database_.AddWorkspace("acme");
  EXPECT_FALSE(database_.Pool("webhook")
                   .Run(Scope::System("test"),
                        [&](Tx& tx) -> absl::Status {
                          RETURN_IF_ERROR(Append(tx, database_.ids(), {{"test", entity, "provider:stripe", kWebhookProcessed}}));
                          return absl::InternalError("changed its mind");
                        })
                   .ok());
  EXPECT_EQ(Count(), "0");
}

TEST_F(AuditTest, ATenantWritesRowsOfItsOwnEntityOnly) {
  const std::string mine = database_.AddWorkspace("mine"), other = database_.AddWorkspace("other");
  const auto append = [&](const std::string& entity) {
    return database_.Pool("checkout").Run(Scope::Tenant(mine), [&](Tx& tx) {
      return Append(tx, database_.ids(), {{"test", entity, "user:u1", kCheckoutRefused}});
    });
  };
  EXPECT_TRUE(append(mine).ok());
  EXPECT_FALSE(append(other).ok());
  EXPECT_EQ(Count(), "1");
}

TEST_F(AuditTest, NothingToAppendIsNoStatement) {
  EXPECT_TRUE(database_.Pool("checkout").Run(Scope::System("test"), [&](Tx& tx) { return Append(tx, database_.ids(), {}); }).ok());
  EXPECT_EQ(Count(), "0");
}

}  // namespace
}  // namespace billmesh::audit
