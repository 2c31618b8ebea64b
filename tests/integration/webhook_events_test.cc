// The event log: stored once, applied once, and what becomes of events that can't be applied when they come.
#include <atomic>
#include <thread>

#include "common/telemetry/metrics.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

class WebhookEventsTest : public WebhookTest {
 protected:
  // Subscriptions of this customer hold an item that belongs to another subscription: the database refuses them.
  json Poisoned(const std::string& id) {
    json subscription = Subscription("sub_poisoned", "cus_1", "active", 90);
    subscription["items"]["data"][0]["id"] = "si_of_sub_1";
    return Event(id, "customer.subscription.created", 5, subscription);
  }
  void MakePoison() {
    Deliver(Event("evt_first", "customer.subscription.created", 1, Subscription("sub_1", "cus_1", "active")));
  }
  static void RunWorker(Replica& replica) { EXPECT_TRUE(replica.RunWorker()); }
  std::string Attempts(const std::string& id) {
    return Value("SELECT attempts::text FROM billing.webhook_events WHERE provider_event_id = $1", {id});
  }
};

TEST_F(WebhookEventsTest, AnEventIsStoredWithItsExactBytesAndASecondDeliveryIsADuplicate) {
  const std::string body =
      " " + Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")).dump(2);
  const auto first = replica_.service.Apply({Parsed(body)})[0];
  EXPECT_EQ(Verdict(first), "processed");
  EXPECT_EQ(Verdict(replica_.service.Apply({Parsed(body)})[0]), "duplicate processed");
  const db::Result row = database_.Admin(R"sql(
    SELECT e.payload, e.type, e.api_version, e.object_id, e.provider_customer_id, e.entity_id::text, e.status, e.env,
           e.received_at = k.received_at
    FROM billing.webhook_events e JOIN billing.webhook_event_keys k ON k.event_id = e.id
  )sql");
  ASSERT_EQ(row.size(), 1);
  EXPECT_EQ(row[0].Bytes(0), body);
  EXPECT_EQ(row[0].Text(1), "customer.subscription.created");
  EXPECT_EQ(row[0].Text(2), "2026-10-28.endive");
  EXPECT_EQ(row[0].Text(3), "sub_1");
  EXPECT_EQ(row[0].Text(4), "cus_1");
  EXPECT_EQ(row[0].Text(5), entity_);
  EXPECT_EQ(row[0].Text(6), "processed");
  EXPECT_EQ(row[0].Text(7), "test");
  EXPECT_TRUE(row[0].Bool(8));
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "1");
}

TEST_F(WebhookEventsTest, TheSameEventTwiceInOneBatchIsAppliedOnce) {
  const json event = Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"));
  EXPECT_EQ(DeliverBatch({event, event}), (std::vector<std::string>{"processed", "duplicate processed"}));
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "1");
}

// Two replicas, eight threads, every event three times at the same moment, in batches whose orders differ.
TEST_F(WebhookEventsTest, CopiesOnTwoReplicasAtOnceAreAppliedOnce) {
  constexpr int kEntities = 10, kEvents = 200;
  for (int i = 0; i < kEntities; ++i) {
    database_.LinkCustomer(database_.AddWorkspace(absl::StrCat("ws", i)), absl::StrCat("cus_w", i));
  }
  std::vector<std::string> bodies;
  for (int i = 0; i < kEvents; ++i) {
    const std::string n = std::to_string(i % kEntities);
    json subscription = Subscription("sub_w" + n, "cus_w" + n, "active");
    subscription["items"]["data"][0]["quantity"] = i;
    bodies.push_back(Event(absl::StrCat("evt_", i), "customer.subscription.updated", i, subscription).dump());
  }
  Replica second(database_, "replica-2");
  std::atomic<int> fresh{0}, duplicates{0}, others{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      Replica& replica = t % 2 == 0 ? replica_ : second;
      // Two threads a third: each event comes three times from each half of the threads.
      for (int at = 0; at < kEvents; at += 8) {
        std::vector<Incoming> batch;
        for (int i = 0; i < 8; ++i)
          batch.push_back(Parsed(bodies[static_cast<size_t>((at + (t < 3 ? i : 7 - i)) % kEvents)]));
        for (const auto& result : replica.service.Apply(batch)) {
          if (!result.ok()) {
            ++others;
            ADD_FAILURE() << result.status();
          } else {
            ++(result->duplicate ? duplicates : fresh);
          }
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(fresh, kEvents);
  EXPECT_EQ(duplicates, 5 * kEvents);
  EXPECT_EQ(others, 0);
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status = 'processed'"),
            std::to_string(kEvents));
  EXPECT_EQ(Value(R"sql(
    SELECT count(*)::text FROM billing.webhook_events e
    WHERE 1 <> (SELECT count(*) FROM billing.audit_log a
                WHERE a.action = 'BILLING_WEBHOOK_PROCESSED' AND a.provider_event_id = e.provider_event_id)
  )sql"),
            "0");
  for (int i = 0; i < kEntities; ++i) {
    EXPECT_EQ(Value("SELECT max(i.quantity)::text FROM billing.subscription_items i WHERE i.provider_item_id = $1",
                    {absl::StrCat("si_of_sub_w", i)}),
              std::to_string(kEvents - kEntities + i))
        << "the latest version is left";
  }
}

TEST_F(WebhookEventsTest, APoisonedEventDoesNotHoldItsBatch) {
  MakePoison();
  const std::string other = database_.AddWorkspace("other");
  database_.LinkCustomer(other, "cus_2");
  const std::vector<std::string> verdicts =
      DeliverBatch({Event("evt_1", "invoice.paid", 5, Invoice("in_1", "cus_1", "paid", "")), Poisoned("evt_2"),
                    Event("evt_3", "customer.subscription.created", 5, Subscription("sub_3", "cus_2", "active"))});
  EXPECT_EQ(verdicts,
            (std::vector<std::string>{"processed", "failed constraint_violation: subscription_items_provider_item_key",
                                      "processed"}));
  EXPECT_EQ(EventStatus("evt_2"), verdicts[1]);
  EXPECT_EQ(Attempts("evt_2"), "1");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions WHERE provider_subscription_id = 'sub_poisoned'"),
            "0");
  EXPECT_EQ(
      Value("SELECT (run_after > billing.now())::text FROM billing.webhook_events WHERE provider_event_id = 'evt_2'"),
      "true");
  EXPECT_EQ(Deliver(Poisoned("evt_2")), "duplicate " + verdicts[1].substr(0, 6)) << "delivered again: it is stored";
}

TEST_F(WebhookEventsTest, AnEntityThatTheDatabaseRefusesIsSuspect) {
  MakePoison();
  DeliverBatch({Event("evt_1", "invoice.paid", 5, Invoice("in_1", "cus_2", "paid", "")), Poisoned("evt_2")});
  EXPECT_TRUE(replica_.suspects.Has(Parsed(Poisoned("evt_3").dump()).event));
  EXPECT_FALSE(replica_.suspects.Has(
      Parsed(Event("evt_4", "invoice.paid", 5, Invoice("in_2", "cus_2", "paid", "")).dump()).event));
}

// What comes with a suspect's event is committed with it, and a worker finds out what is wrong with that one.
TEST_F(WebhookEventsTest, ASuspectsEventsAreSetAsideAndHoldNobodyUp) {
  MakePoison();
  database_.LinkCustomer(database_.AddWorkspace("other"), "cus_2");
  Deliver(Poisoned("evt_2"));
  const std::vector<json> events = {
      Event("evt_3", "customer.subscription.created", 5, Subscription("sub_3", "cus_2", "active")), Poisoned("evt_4"),
      Event("evt_5", "invoice.paid", 5, Invoice("in_1", "cus_1", "paid", "")),
      Event("evt_6", "customer.discount.created", 5, {{"object", "discount"}, {"customer", "cus_1"}})};
  const std::vector<std::string> verdicts = DeliverBatch(events);
  EXPECT_EQ(verdicts[0], "processed");
  EXPECT_EQ(verdicts[1], "pending set_aside");
  EXPECT_EQ(verdicts[2], "pending set_aside") << "whatever it is about";
  EXPECT_EQ(verdicts[3].substr(0, 7), "ignored") << "there is nothing to apply";
  EXPECT_EQ(Value("SELECT count(DISTINCT xmin::text)::text FROM billing.webhook_events "
                  "WHERE provider_event_id IN ('evt_3', 'evt_4', 'evt_5', 'evt_6')"),
            "1");
  EXPECT_TRUE(replica_.notifier.TakeWoken(Lane::kSetAside));
  EXPECT_EQ(DeliverBatch(events)[1], "duplicate pending");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.invoices"), "0");
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_4"), "failed constraint_violation: subscription_items_provider_item_key");
  EXPECT_EQ(Attempts("evt_4"), "1");
  EXPECT_EQ(EventStatus("evt_5"), "processed");
  EXPECT_EQ(Value("SELECT status FROM billing.invoices WHERE provider_invoice_id = 'in_1'"), "paid");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.audit_log WHERE provider_event_id = 'evt_5'"), "1");
}

// Somebody holds its row, longer than a lock is waited for.
TEST_F(WebhookEventsTest, AnEntityThatIsLockedDoesNotHoldItsBatch) {
  const std::string other = database_.AddWorkspace("other");
  database_.LinkCustomer(other, "cus_2");
  database_.Admin("BEGIN");
  database_.Admin("SELECT 1 FROM billing.entities WHERE id = $1 FOR UPDATE", {entity_});
  const std::vector<json> events = {
      Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")),
      Event("evt_2", "customer.subscription.created", 5, Subscription("sub_2", "cus_2", "active"))};
  EXPECT_EQ(DeliverBatch(events), (std::vector<std::string>{"pending set_aside", "processed"}));
  EXPECT_TRUE(replica_.suspects.Has(Parsed(events[0].dump()).event));
  EXPECT_FALSE(replica_.suspects.Has(Parsed(events[1].dump()).event));
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "pending set_aside");
  EXPECT_EQ(Attempts("evt_1"), "0");
  database_.Admin("COMMIT");
  database_.SetClockOffset(absl::Minutes(2));
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "processed") << "it was put off";
  EXPECT_EQ(DeliverBatch(events), (std::vector<std::string>{"duplicate processed", "duplicate processed"}));
}

// Its other events would wait in vain too: they aren't tried, and nobody else's are given up for them.
TEST_F(WebhookEventsTest, SeveralEventsOfALockedEntityAreOneConflict) {
  const std::string other = database_.AddWorkspace("other");
  database_.LinkCustomer(other, "cus_2");
  database_.Admin("BEGIN");
  database_.Admin("SELECT 1 FROM billing.entities WHERE id = $1 FOR UPDATE", {entity_});
  const auto of_the_locked = [&](int n) {
    return Event(absl::StrCat("evt_", n), "customer.subscription.created", 5,
                 Subscription(absl::StrCat("sub_", n), "cus_1", "active"));
  };
  const absl::Duration begun = database_.clock().Monotonic();
  EXPECT_EQ(
      DeliverBatch({of_the_locked(1), of_the_locked(2), of_the_locked(3),
                    Event("evt_4", "customer.subscription.created", 5, Subscription("sub_4", "cus_2", "active"))}),
      (std::vector<std::string>{"pending set_aside", "pending set_aside", "pending set_aside", "processed"}));
  EXPECT_LT(database_.clock().Monotonic() - begun, absl::Seconds(2 * 2 + 2)) << "twice lock_timeout, not four times";
  database_.Admin("COMMIT");
}

// A lock that concerns everybody isn't waited for once an event.
TEST_F(WebhookEventsTest, ManyConflictsEndTheBatch) {
  database_.Admin("BEGIN");
  database_.Admin("LOCK TABLE billing.entities IN ACCESS EXCLUSIVE MODE");
  std::vector<json> events;
  for (int n = 0; n < 8; ++n) {
    events.push_back(Event(absl::StrCat("evt_", n), "customer.subscription.created", 5,
                           Subscription(absl::StrCat("sub_", n), absl::StrCat("cus_", n), "active")));
  }
  const absl::Duration begun = database_.clock().Monotonic();
  EXPECT_EQ(DeliverBatch(events), std::vector<std::string>(8, "pending set_aside"));
  EXPECT_LT(database_.clock().Monotonic() - begun, absl::Seconds(3 * 2 + 3)) << "three times lock_timeout, not nine";
  database_.Admin("COMMIT");
}

TEST_F(WebhookEventsTest, AnEventThatBreaksARuleFailsInsideItsBatch) {
  json broken = Subscription("sub_2", "cus_1", "active");
  broken["items"]["data"][0].erase("price");
  EXPECT_EQ(
      DeliverBatch({Event("evt_1", "customer.subscription.created", 5, broken),
                    Event("evt_2", "customer.subscription.created", 5, Subscription("sub_3", "cus_1", "dormant")),
                    Event("evt_3", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"))}),
      (std::vector<std::string>{"failed object_malformed: items.data[0].price: missing", "failed unknown_status",
                                "processed"}));
}

TEST_F(WebhookEventsTest, TextThatPostgresRefusesHarmsOnlyItsOwnEvent) {
  std::string with_nul =
      Event("evt_1", "customer.subscription.created", 5, Subscription("sub_NUL", "cus_1", "active")).dump();
  with_nul.replace(with_nul.find("sub_NUL"), 7, "sub_\\u0000");
  std::string noted = Event("evt_2", "product.created", 5, {{"id", "prod_NUL"}, {"object", "product"}}).dump();
  noted.replace(noted.find("prod_NUL"), 8, "prod_\\u0000");
  const auto results = replica_.service.Apply(
      {Parsed(with_nul), Parsed(noted),
       Parsed(Event("evt_3", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")).dump())});
  EXPECT_EQ(Verdict(results[0]), "failed object_malformed: id: holds a NUL");
  EXPECT_EQ(Verdict(results[1]), "ignored type_not_kept");
  EXPECT_EQ(Verdict(results[2]), "processed");
}

TEST_F(WebhookEventsTest, AFailedEventIsRetriedWithBackoffAndEndsInTheDeadLetters) {
  MakePoison();
  Deliver(Poisoned("evt_2"));
  RunWorker(replica_);
  EXPECT_EQ(Attempts("evt_2"), "1") << "not before its time";
  database_.SetClockOffset(absl::Minutes(5));
  RunWorker(replica_);
  EXPECT_EQ(Attempts("evt_2"), "2");
  EXPECT_EQ(EventStatus("evt_2").substr(0, 7), "failed ");
  database_.SetClockOffset(absl::Minutes(30));
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_2"), "dead constraint_violation: subscription_items_provider_item_key");
  EXPECT_EQ(Attempts("evt_2"), "3");
  database_.SetClockOffset(absl::Hours(30));
  RunWorker(replica_);
  EXPECT_EQ(Attempts("evt_2"), "3") << "the dead stay";
  EXPECT_EQ(Value("SELECT (lease_owner IS NULL)::text FROM billing.webhook_events WHERE provider_event_id = 'evt_2'"),
            "true");
}

TEST_F(WebhookEventsTest, AFailedEventIsAppliedOnceItsCauseIsGone) {
  MakePoison();
  Deliver(Poisoned("evt_2"));
  json without = Subscription("sub_1", "cus_1", "active");
  without["items"]["data"] = json::array();
  Deliver(Event("evt_3", "customer.subscription.updated", 6, without));
  RunWorker(replica_);
  database_.SetClockOffset(absl::Minutes(5));
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_2"), "processed");
  EXPECT_EQ(Value("SELECT status FROM billing.subscriptions WHERE provider_subscription_id = 'sub_poisoned'"),
            "active");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.audit_log WHERE provider_event_id = 'evt_2'"), "1");
}

TEST_F(WebhookEventsTest, AnUnknownCustomersEventsAreParkedUntilItIsLinked) {
  EXPECT_EQ(Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_9", "cus_9", "active"))),
            "parked nothing_stored_matches");
  EXPECT_EQ(Deliver(Event("evt_2", "invoice.paid", 5, Invoice("in_9", "cus_9", "paid", "sub_9"))),
            "parked nothing_stored_matches");
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "parked nothing_stored_matches");
  const std::string other = database_.AddWorkspace("other"),
                    elsewhere = database_.AddWorkspace("elsewhere", "", "live");
  database_.LinkCustomer(elsewhere, "cus_8");
  database_.LinkCustomer(other, "cus_9");
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "processed");
  EXPECT_EQ(EventStatus("evt_2"), "processed");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions WHERE entity_id = $1 AND is_current", {other}),
            "1");
  EXPECT_EQ(Value("SELECT attempts::text FROM billing.webhook_events WHERE provider_event_id = 'evt_1'"), "0")
      << "being parked is no failure";
}

TEST_F(WebhookEventsTest, ACustomerOfAnotherEnvironmentBindsNothingHere) {
  database_.LinkCustomer(database_.AddWorkspace("elsewhere", "", "live"), "cus_live");
  EXPECT_EQ(Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_9", "cus_live", "active"))),
            "parked nothing_stored_matches");
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "parked nothing_stored_matches");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
}

TEST_F(WebhookEventsTest, WhatDoesNotConcernThisDeploymentIsStoredAndNeverApplied) {
  json live = Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"));
  live["livemode"] = true;
  EXPECT_EQ(Deliver(live), "ignored environment_mismatch");
  json connected = Event("evt_2", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"));
  connected["account"] = "acct_other";
  EXPECT_EQ(Deliver(connected), "ignored connected_account");
  const json thin = {{"id", "evt_3"},
                     {"object", "v2.core.event"},
                     {"type", "v1.product.created"},
                     {"livemode", false},
                     {"created", "2026-11-20T10:00:00Z"},
                     {"related_object", {{"id", "prod_1"}, {"type", "product"}}}};
  EXPECT_EQ(Deliver(thin), "ignored type_not_kept");
  EXPECT_EQ(Deliver(Event("evt_4", "moon.landed", 5, {{"object", "moon"}})), "ignored unknown_type");
  EXPECT_EQ(Deliver(Event("evt_5", "customer.subscription.created", 5,
                          Subscription("sub_1", "cus_7", "active", 1, {{"billmesh_env", "staging"}}))),
            "ignored environment_mismatch");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status = 'ignored'"), "5");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
  const std::string metrics = telemetry::RenderMetrics();
  EXPECT_NE(metrics.find("billmesh_webhook_events_total{outcome=\"ignored\",type=\"moon.landed\"}"), std::string::npos)
      << "counted by name";
}

TEST_F(WebhookEventsTest, AWorkerThatLostItsLeaseWritesNothing) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_9", "cus_9", "active")));
  database_.LinkCustomer(database_.AddWorkspace("other"), "cus_9");
  Replica second(database_, "replica-2");
  const auto lease = [&](Replica& replica) {
    auto leased = db::RunInTransaction(replica.pool, db::Scope::System("test"), [&](db::Tx& tx) {
      return LeaseLinked(tx, "test", "stripe", "owner", absl::Minutes(1), 10);
    });
    EXPECT_TRUE(leased.ok()) << leased.status();
    return *leased;
  };
  const auto slow = lease(replica_);
  ASSERT_EQ(slow.size(), 1u);
  EXPECT_TRUE(lease(second).empty()) << "held";
  database_.SetClockOffset(absl::Minutes(2));
  const auto fast = lease(second);
  ASSERT_EQ(fast.size(), 1u) << "taken over from a holder whose lease ended";
  const auto apply = [](Replica& replica, const LeasedEvent& leased) {
    Incoming incoming = Parsed(leased.payload);
    incoming.stored = leased.ref;
    return Verdict(replica.service.Apply({incoming})[0]);
  };
  EXPECT_EQ(apply(replica_, slow[0]), "lease_lost");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
  EXPECT_EQ(apply(second, fast[0]), "processed");
  EXPECT_EQ(apply(second, fast[0]), "lease_lost") << "and it's done once";
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "1");
}

TEST_F(WebhookEventsTest, WorkersOfTwoReplicasShareWhatIsDue) {
  constexpr int kEvents = 60;
  for (int i = 0; i < kEvents; ++i) {
    Deliver(Event(absl::StrCat("evt_", i), "invoice.paid", i, Invoice(absl::StrCat("in_", i), "cus_9", "paid", "")));
  }
  database_.LinkCustomer(database_.AddWorkspace("other"), "cus_9");
  Replica second(database_, "replica-2");
  std::thread other([&] { RunWorker(second); });
  RunWorker(replica_);
  other.join();
  RunWorker(replica_);
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status = 'processed'"),
            std::to_string(kEvents));
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), std::to_string(kEvents));
}

TEST_F(WebhookEventsTest, AFaultOfOursCountsNoAttemptAndTheEventIsTakenLater) {
  const json event = Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"));
  database_.TakeAway();
  EXPECT_EQ(Deliver(event), "database_unavailable");
  database_.Restore();
  EXPECT_EQ(Deliver(event), "processed");
  EXPECT_EQ(Attempts("evt_1"), "0");
}

TEST_F(WebhookEventsTest, AnEventWhoseLockIsNotHadInTimeIsStoredAndAppliedLater) {
  // Another transaction of this daemon holds the entity.
  std::atomic<bool> held{false}, release{false};
  std::thread holder([&] {
    const absl::Status status = replica_.pool.Run(db::Scope::System("test"), [&](db::Tx& tx) {
      LockEntities(tx, {entity_});
      const absl::Status locked = tx.Flush();
      held = true;
      EXPECT_TRUE(testing::WaitUntil([&] { return release.load(); }, absl::Seconds(30)));
      return locked;
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  ASSERT_TRUE(testing::WaitUntil([&] { return held.load(); }));
  const json event = Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"));
  EXPECT_EQ(Deliver(event), "pending set_aside");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
  release = true;
  holder.join();
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "processed");
}

// Where even its row can't be written in time: the provider delivers it again.
TEST_F(WebhookEventsTest, ALockThatKeepsAnEventFromBeingStoredIsAFaultAndStoresNothing) {
  database_.Admin("BEGIN");
  database_.Admin("LOCK TABLE billing.webhook_event_keys IN ACCESS EXCLUSIVE MODE");
  const json event = Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"));
  EXPECT_EQ(Deliver(event), "transaction_conflict");
  database_.Admin("COMMIT");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_event_keys"), "0");
  EXPECT_EQ(Deliver(event), "pending set_aside") << "it is suspect now";
  RunWorker(replica_);
  EXPECT_EQ(EventStatus("evt_1"), "processed");
}

TEST_F(WebhookEventsTest, TransactionsRunAsTheSystemRoleAndCanWriteOnlyWhatIsTheirs) {
  const auto attempt = [&](const char* sql) {
    return replica_.pool.Run(db::Scope::System("test"), [&](db::Tx& tx) { return tx.Exec(sql).status(); });
  };
  const auto user =
      db::RunInTransaction(replica_.pool, db::Scope::System("test"), [](db::Tx& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const db::Result row, tx.Exec("SELECT current_user::text"));
        return row[0].Text(0);
      });
  EXPECT_EQ(*user, "webhook_system");
  for (const char* sql :
       {"UPDATE billing.entities SET display_name = 'x'", "DELETE FROM billing.webhook_events",
        "UPDATE billing.audit_log SET action = 'x'", "DELETE FROM billing.invoices",
        "UPDATE billing.checkout_sessions SET plan_code = 'x'", "UPDATE billing.request_idempotency SET status = 'x'",
        "INSERT INTO billing.entity_customers (id) VALUES (gen_random_uuid())"}) {
    const absl::Status status = attempt(sql);
    EXPECT_NE(std::string(status.message()).find("42501"), std::string::npos) << sql << ": " << status;
  }
  // A tenant's role sees its own rows only, the event log not at all.
  const std::string other = database_.AddWorkspace("other");
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  for (const std::string& entity : {entity_, other}) {
    const auto seen =
        db::RunInTransaction(replica_.pool, db::Scope::Tenant(entity), [](db::Tx& tx) -> absl::StatusOr<int64_t> {
          ASSIGN_OR_RETURN(const db::Result row, tx.Exec("SELECT count(*) FROM billing.subscriptions"));
          return row[0].Int(0);
        });
    EXPECT_EQ(*seen, entity == entity_ ? 1 : 0);
  }
  EXPECT_FALSE(replica_.pool
                   .Run(db::Scope::Tenant(entity_),
                        [](db::Tx& tx) { return tx.Exec("SELECT 1 FROM billing.webhook_events").status(); })
                   .ok());
}

TEST_F(WebhookEventsTest, PartitionsAreMadeAheadAndUsed) {
  EXPECT_TRUE(replica_.worker.KeepPartitions());
  const char* count = "SELECT count(*)::text FROM pg_inherits WHERE inhparent = 'billing.webhook_events'::regclass";
  EXPECT_EQ(Value(count), "9") << "today, seven days ahead, and the rest";
  EXPECT_TRUE(replica_.worker.KeepPartitions());
  EXPECT_EQ(Value(count), "9");
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  EXPECT_EQ(Value("SELECT count(*)::text FROM ONLY billing.webhook_events_default"), "0");
  EXPECT_EQ(Value("SELECT count(*)::text FROM ONLY billing.audit_log_default"), "0");
  EXPECT_EQ(Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active"))),
            "duplicate processed");
}

TEST_F(WebhookEventsTest, WhatWaitsIsReported) {
  MakePoison();
  Deliver(Poisoned("evt_2"));
  Deliver(Event("evt_3", "invoice.paid", 5, Invoice("in_9", "cus_9", "paid", "")));
  database_.SetClockOffset(absl::Hours(1));
  replica_.worker.ReportStats();
  const std::string metrics = telemetry::RenderMetrics();
  EXPECT_NE(metrics.find("billmesh_webhook_stored_events{status=\"failed\"} 1"), std::string::npos);
  EXPECT_NE(metrics.find("billmesh_webhook_stored_events{status=\"parked\"} 1"), std::string::npos);
  EXPECT_NE(metrics.find("billmesh_webhook_stored_events{status=\"dead\"} 0"), std::string::npos);
  EXPECT_NE(metrics.find("billmesh_webhook_oldest_due_seconds 35"), std::string::npos)
      << "about an hour less the backoff";
}

}  // namespace
}  // namespace billmesh::webhook
