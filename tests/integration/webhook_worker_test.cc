// A worker's pass: what is due is applied together, and what goes wrong with one of them costs the others nothing.
#include "common/telemetry/metrics.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

class WebhookWorkerTest : public WebhookTest {
 protected:
  // Customers cus_11 … cus_13, each of an entity of its own, with a parked subscription event evt_1 … evt_3 that is
  // due. The second's item belongs to another's subscription if it's `poisoned`.
  void MakeDue(bool poisoned = false) {
    Deliver(Event("evt_first", "customer.subscription.created", 1, Subscription("sub_1", "cus_1", "active")));
    for (int n = 1; n <= kDue; ++n) {
      json subscription = Subscription(absl::StrCat("sub_1", n), absl::StrCat("cus_1", n), "active");
      if (poisoned && n == 2) subscription["items"]["data"][0]["id"] = "si_of_sub_1";
      EXPECT_EQ(Deliver(Event(absl::StrCat("evt_", n), "customer.subscription.created", 5, subscription)),
                "parked nothing_stored_matches");
    }
    for (int n = 1; n <= kDue; ++n) {
      database_.LinkCustomer(database_.AddWorkspace(absl::StrCat("acme-", n)), absl::StrCat("cus_1", n));
    }
  }
  void MakeOneMoreDue() {
    Deliver(Event("evt_late", "customer.subscription.created", 5, Subscription("sub_late", "cus_late", "active")));
    database_.LinkCustomer(database_.AddWorkspace("late"), "cus_late");
  }
  // How many transactions wrote these events last.
  std::string TransactionsOf(const std::string& ids) {
    return Value(absl::StrCat("SELECT count(DISTINCT xmin::text)::text FROM billing.webhook_events "
                              "WHERE provider_event_id IN (",
                              ids, ")")
                     .c_str());
  }
  // The second event's row as the database gives it back from an UPDATE where `when` holds.
  void OnUpdateOfSecond(const std::string& when, const std::string& what) {
    database_.AdminScript(absl::StrCat(R"sql(
      CREATE FUNCTION billing.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN )sql",
                                       what, R"sql( RETURN NEW; END $$;
      CREATE TRIGGER spoil BEFORE UPDATE ON billing.webhook_events FOR EACH ROW
        WHEN (NEW.provider_event_id = 'evt_2' AND )sql",
                                       when, R"sql() EXECUTE FUNCTION billing.spoil())sql"));
  }
  void StopSpoiling() { database_.AdminScript("DROP FUNCTION billing.spoil() CASCADE"); }
  std::string Attempts(const std::string& id) {
    return Value("SELECT attempts::text FROM billing.webhook_events WHERE provider_event_id = $1", {id});
  }
  // Of the second it says why not.
  void ExpectTheOthersApplied() {
    EXPECT_EQ(EventStatus("evt_1"), "processed");
    EXPECT_EQ(EventStatus("evt_3"), "processed");
    EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "3") << "the first one's, and theirs";
  }
  static constexpr int kDue = 3;
};

TEST_F(WebhookWorkerTest, WhatIsDueIsAppliedInOneTransaction) {
  MakeDue();
  EXPECT_FALSE(replica_.worker.RunOnce());
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status = 'processed'"), "4");
  EXPECT_EQ(Value("SELECT count(DISTINCT xmin::text)::text FROM billing.webhook_events WHERE provider_event_id <> "
                  "'evt_first'"),
            "1");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "4");
}

TEST_F(WebhookWorkerTest, APoisonedEventFailsAlone) {
  MakeDue(/*poisoned=*/true);
  replica_.worker.RunOnce();
  ExpectTheOthersApplied();
  EXPECT_EQ(EventStatus("evt_2"), "failed constraint_violation: subscription_items_provider_item_key");
  EXPECT_EQ(Attempts("evt_2"), "1");
  EXPECT_EQ(Attempts("evt_1"), "0");
}

TEST_F(WebhookWorkerTest, ALostLeaseIsNobodyElses) {
  MakeDue();
  OnUpdateOfSecond("OLD.lease_owner IS NULL AND NEW.lease_owner IS NOT NULL", "NEW.lease_owner := NULL;");
  replica_.worker.RunOnce();
  ExpectTheOthersApplied();
  EXPECT_EQ(EventStatus("evt_2"), "parked nothing_stored_matches");
  EXPECT_EQ(Attempts("evt_2"), "0");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions WHERE provider_subscription_id = 'sub_12'"), "0");
}

TEST_F(WebhookWorkerTest, AnErrorThatNobodyClassifiedCostsOneAnAttempt) {
  MakeDue();
  OnUpdateOfSecond("NEW.status = 'processed'", "RAISE EXCEPTION 'spoilt';");
  replica_.worker.RunOnce();
  ExpectTheOthersApplied();
  EXPECT_EQ(EventStatus("evt_2"), "failed internal_error");
  EXPECT_EQ(Attempts("evt_2"), "1");
  StopSpoiling();
  database_.SetClockOffset(absl::Hours(3));
  MakeOneMoreDue();
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_2"), "processed") << "the next attempt, once the cause is gone";
  EXPECT_EQ(TransactionsOf("'evt_2', 'evt_late'"), "2") << "it has failed before: it goes alone";
}

TEST_F(WebhookWorkerTest, APayloadThatCannotBeReadFailsAlone) {
  MakeDue();
  database_.Admin("UPDATE billing.webhook_events SET payload = 'no event' WHERE provider_event_id = 'evt_2'");
  replica_.worker.RunOnce();
  ExpectTheOthersApplied();
  EXPECT_EQ(EventStatus("evt_2"), "failed payload_unreadable");
  EXPECT_EQ(Attempts("evt_2"), "1");
}

TEST_F(WebhookWorkerTest, OneThatTimesOutComesBehindTheOthers) {
  MakeDue();
  OnUpdateOfSecond("NEW.status = 'processed'", "RAISE EXCEPTION 'too slow' USING ERRCODE = 'query_canceled';");
  replica_.worker.RunOnce();
  ExpectTheOthersApplied();
  EXPECT_EQ(EventStatus("evt_2"), "parked nothing_stored_matches");
  EXPECT_EQ(Attempts("evt_2"), "0") << "it may be no fault of its own";
  EXPECT_EQ(Value("SELECT (run_after > billing.now() AND lease_owner IS NULL)::text FROM billing.webhook_events WHERE "
                  "provider_event_id = 'evt_2'"),
            "true");
  StopSpoiling();
  database_.SetClockOffset(absl::Minutes(2));
  MakeOneMoreDue();
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_2"), "processed");
  EXPECT_EQ(TransactionsOf("'evt_2', 'evt_late'"), "2") << "it might spoil the others' batch again";
}

TEST_F(WebhookWorkerTest, OneThatHasFailedIsTriedByItself) {
  MakeDue(/*poisoned=*/true);
  replica_.worker.RunOnce();
  database_.Admin("DELETE FROM billing.subscription_items WHERE provider_item_id = 'si_of_sub_1'");
  database_.SetClockOffset(absl::Hours(3));
  MakeOneMoreDue();
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_late"), "processed");
  EXPECT_EQ(EventStatus("evt_2"), "processed");
  EXPECT_EQ(TransactionsOf("'evt_2', 'evt_late'"), "2");
}

// One that is known to wait in vain is put behind the others; of those that weren't tried for it, each is.
TEST_F(WebhookWorkerTest, LockedEntitiesHoldNobodyElsesEvents) {
  MakeDue();
  database_.Admin("BEGIN");
  database_.Admin(R"sql(
    SELECT 1 FROM billing.entities e JOIN billing.entity_customers c ON c.entity_id = e.id
    WHERE c.provider_customer_id IN ('cus_11', 'cus_12') FOR UPDATE OF e
  )sql");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "pending set_aside");
  EXPECT_EQ(EventStatus("evt_2"), "pending set_aside");
  EXPECT_EQ(EventStatus("evt_3"), "processed");
  EXPECT_EQ(Attempts("evt_1"), "0");
  const absl::Duration begun = database_.clock().Monotonic();
  EXPECT_TRUE(replica_.RunWorker());
  EXPECT_LT(database_.clock().Monotonic() - begun, absl::Seconds(1.5)) << "they were put off";
  database_.Admin("COMMIT");
  database_.SetClockOffset(absl::Minutes(2));
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "pending set_aside") << "nobody else waits for them any more";
  EXPECT_TRUE(replica_.RunWorker());
  EXPECT_EQ(EventStatus("evt_1"), "processed") << "it was put off";
  EXPECT_EQ(TransactionsOf("'evt_1', 'evt_2'"), "2") << "they are suspects";
}

// What was set aside for a lock waits for it once a pass, however many events of the entity there are, and goes alone
// wherever it's taken up.
TEST_F(WebhookWorkerTest, EventsOfALockedEntityWaitForItOnceAPass) {
  database_.LinkCustomer(database_.AddWorkspace("other"), "cus_2");
  const json other = Event("evt_other", "customer.subscription.created", 5, Subscription("sub_o", "cus_2", "active"));
  replica_.suspects.Note(Parsed(other.dump()).event);
  database_.Admin("BEGIN");
  database_.Admin("SELECT 1 FROM billing.entities WHERE id = $1 FOR UPDATE", {entity_});
  for (int n = 1; n <= 5; ++n) {
    EXPECT_EQ(Deliver(Event(absl::StrCat("evt_", n), "customer.subscription.created", n,
                            Subscription(absl::StrCat("sub_", n), "cus_1", "active", n))),
              "pending set_aside");
  }
  EXPECT_EQ(Deliver(other), "pending set_aside");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_other"), "pending set_aside") << "of another lane";
  const absl::Duration begun = database_.clock().Monotonic();
  replica_.worker.RunOnce(Lane::kSetAside);
  const absl::Duration took = database_.clock().Monotonic() - begun;
  EXPECT_GT(took, absl::Seconds(1.5)) << "it was tried";
  EXPECT_LT(took, absl::Seconds(3.5)) << "lock_timeout once, not five times";
  EXPECT_EQ(EventStatus("evt_other"), "processed") << "it waits behind nobody's lock";
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status_reason = 'set_aside' "
                  "AND attempts = 0 AND lease_owner IS NULL AND run_after > billing.now()"),
            "5");
  replica_.worker.ReportStats();
  EXPECT_EQ(telemetry::RenderMetrics().find("billmesh_webhook_oldest_due_seconds 0"), std::string::npos)
      << "however often they are put off, somebody is told";
  database_.Admin("COMMIT");
  database_.SetClockOffset(absl::Minutes(2));
  Replica second{database_, "replica-2"};
  EXPECT_TRUE(second.RunWorker());
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status = 'processed'"), "6");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "6");
  EXPECT_EQ(TransactionsOf("'evt_1', 'evt_2', 'evt_3', 'evt_4', 'evt_5'"), "5") << "though it suspects nobody";
}

}  // namespace
}  // namespace billmesh::webhook
