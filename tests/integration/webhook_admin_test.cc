// What operators do with stored events, on a real PostgreSQL (WHK-4, WHK-9).
#include <thread>

#include "services/webhook/event_admin.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

constexpr char kActor[] = "operator:test";

class WebhookAdminTest : public WebhookTest {
 protected:
  std::string Line(const absl::StatusOr<Replayed>& replayed) {
    if (!replayed.ok()) return CodeOf(ReasonOf(replayed.status()));
    std::string line = replayed->status_before + " -> " + std::string(NameOf(replayed->result.disposition));
    if (!replayed->result.reason.empty()) absl::StrAppend(&line, " ", replayed->result.reason);
    return absl::StrCat(line, " ", replayed->result.applied.result);
  }
  std::vector<std::string> Replay(const EventFilter& filter, bool dry_run = false) {
    const auto page = admin_.Replay(kActor, filter, dry_run, 100, "");
    if (!page.ok()) return {CodeOf(ReasonOf(page.status()))};
    std::vector<std::string> lines;
    for (const Replayed& event : page->events) lines.push_back(event.provider_event_id + " " + Line(event));
    return lines;
  }
  // Everything that an action could leave behind.
  std::string Trace() {
    return Value(R"sql(
      SELECT md5(concat_ws('|',
        (SELECT string_agg(e::text, ',' ORDER BY e.id) FROM billing.webhook_events e),
        (SELECT string_agg(s::text, ',' ORDER BY s.id) FROM billing.subscriptions s),
        (SELECT string_agg(i::text, ',' ORDER BY i.id) FROM billing.subscription_items i),
        (SELECT string_agg(e::text, ',' ORDER BY e.id) FROM billing.entities e),
        (SELECT count(*) FROM billing.audit_log), (SELECT count(*) FROM billing.change_feed),
        (SELECT count(*) FROM billing.outbox_jobs)))
    )sql");
  }
  // Parked: its customer is linked to nobody. Quarantined: its metadata name another entity.
  void DeliverOddOnes() {
    EXPECT_EQ(
        Deliver(Event("evt_parked", "customer.subscription.created", 5, Subscription("sub_7", "cus_7", "active"))),
        "parked nothing_stored_matches");
    EXPECT_EQ(Deliver(Event("evt_odd", "customer.subscription.created", 5,
                            Subscription("sub_1", "cus_1", "active", 0, {{"billmesh_entity_id", "another"}}))),
              "quarantined metadata_entity_differs");
  }

  EventAdmin admin_{{replica_.pool, replica_.ids, replica_.service, replica_.source}, DefaultSettings()};
};

TEST_F(WebhookAdminTest, ListsWhatAFilterNamesInPages) {
  DeliverOddOnes();
  for (int i = 0; i < 5; ++i) {
    Deliver(Event(absl::StrCat("evt_", i), "invoice.paid", 5, Invoice(absl::StrCat("in_", i), "cus_1", "paid", "")));
  }
  const auto ids = [&](const EventFilter& filter) {
    std::string text, token;
    do {
      const auto page = admin_.List(filter, 2, token);
      EXPECT_TRUE(page.ok()) << page.status();
      for (const EventRow& event : page->events) absl::StrAppend(&text, event.provider_event_id, " ");
      token = page->next_page_token;
    } while (!token.empty());
    return text;
  };
  EXPECT_EQ(ids({}), "evt_4 evt_3 evt_2 evt_1 evt_0 evt_odd evt_parked ");
  EXPECT_EQ(ids({.statuses = {"parked", "quarantined"}}), "evt_odd evt_parked ");
  EXPECT_EQ(ids({.type_prefix = "invoice."}), "evt_4 evt_3 evt_2 evt_1 evt_0 ");
  EXPECT_EQ(ids({.entity_id = entity_}), "evt_4 evt_3 evt_2 evt_1 evt_0 ");
  EXPECT_EQ(ids({.provider_customer_id = "cus_7"}), "evt_parked ");
  EXPECT_EQ(ids({.object_id = "in_2"}), "evt_2 ");
  EXPECT_EQ(ids({.received_until = absl::UnixEpoch()}), "");
  EXPECT_EQ(ReasonOf(admin_.List({}, 2, "x").status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(WebhookAdminTest, AReplayChangesNothingThatIsAppliedAndLeavesOneProcessedRow) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  Deliver(Event("evt_2", "customer.subscription.updated", 6, Subscription("sub_1", "cus_1", "past_due")));
  const int64_t revision = Revision(entity_);
  EXPECT_EQ(Replay({.entity_id = entity_}),
            (std::vector<std::string>{"evt_2 processed -> processed stale", "evt_1 processed -> processed stale"}));
  EXPECT_EQ(Value("SELECT status FROM billing.subscriptions"), "past_due");
  EXPECT_EQ(Revision(entity_), revision);
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "2");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_EVENT_REPLAYED"), "2");
}

TEST_F(WebhookAdminTest, AReplayRepairsWhatWasLost) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  database_.Admin("DELETE FROM billing.subscription_items");
  database_.Admin("DELETE FROM billing.subscriptions");
  EXPECT_EQ(Replay({.provider_event_id = "evt_1"}), std::vector<std::string>{"evt_1 processed -> processed applied"});
  EXPECT_EQ(Value("SELECT status FROM billing.subscriptions"), "active");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "1");
  EXPECT_EQ(AuditCount("BILLING_PROJECTION_REFRESHED"), "1") << "what it changed after all is told";
}

TEST_F(WebhookAdminTest, WhatIsAppliedStaysSoWhateverAReplayWouldMakeOfIt) {
  replica_.provider.Has("subscription", "sub_1", Subscription("sub_1", "cus_1", "active"), 10);
  const json thin = {{"id", "evt_thin"},
                     {"object", "v2.core.event"},
                     {"type", "v1.customer.subscription.updated"},
                     {"livemode", false},
                     {"created", "2026-09-21T14:13:25.000Z"},
                     {"related_object", {{"id", "sub_1"}, {"type", "subscription"}}}};
  EXPECT_EQ(Deliver(thin), "pending needs_fetch");
  replica_.worker.RunOnce();
  Deliver(Event("evt_2", "invoice.paid", 5, Invoice("in_1", "cus_1", "paid", "")));
  database_.Admin("UPDATE billing.webhook_events SET payload = NULL WHERE provider_event_id = 'evt_2'");
  EXPECT_EQ(Replay({.statuses = {"processed"}}),
            (std::vector<std::string>{"evt_2 processed -> processed its payload is scrubbed or can't be read any more ",
                                      "evt_thin processed -> processed left as it is: needs_fetch "}));
  EXPECT_EQ(EventStatus("evt_thin"), "processed");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "2");
}

TEST_F(WebhookAdminTest, AReplayGivesADeadEventANewBudget) {
  const json odd = Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "dormant"));
  EXPECT_EQ(Deliver(odd), "failed unknown_status");
  database_.Admin("UPDATE billing.webhook_events SET status = 'dead', attempts = 3");
  EXPECT_EQ(Replay({.statuses = {"dead"}}), std::vector<std::string>{"evt_1 dead -> failed unknown_status "});
  EXPECT_EQ(Value("SELECT attempts::text FROM billing.webhook_events"), "1");
}

TEST_F(WebhookAdminTest, ADryRunTellsWhatWouldBeAndChangesNothing) {
  DeliverOddOnes();
  database_.LinkCustomer(database_.AddWorkspace("later"), "cus_7");
  const std::string before = Trace();
  EXPECT_EQ(Replay({.statuses = {"parked", "quarantined"}}, /*dry_run=*/true),
            (std::vector<std::string>{"evt_odd quarantined -> quarantined metadata_entity_differs ",
                                      "evt_parked parked -> processed applied"}));
  EXPECT_EQ(Trace(), before);
  EXPECT_EQ(Replay({.statuses = {"parked"}}), std::vector<std::string>{"evt_parked parked -> processed applied"});
}

TEST_F(WebhookAdminTest, BindingStandsAboveMetadataNotAboveWhatIsStored) {
  DeliverOddOnes();
  const std::string other = database_.AddWorkspace("other");
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_odd", other)), "quarantined -> quarantined stored_entities_differ ")
      << "its customer is linked to another";
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_odd", entity_)), "quarantined -> processed applied");
  EXPECT_EQ(Value("SELECT entity_id::text FROM billing.subscriptions"), entity_);
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_parked", other)), "parked -> parked customer_not_linked ");
  database_.LinkCustomer(other, "cus_7");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_parked"), "processed");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_EVENT_BOUND"), "3");
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_odd", entity_)), "invalid_argument") << "it is processed";
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_none", entity_)), "not_found");
}

TEST_F(WebhookAdminTest, WhatIsDismissedStaysUnlessItIsReplayed) {
  DeliverOddOnes();
  const auto before = admin_.Dismiss(kActor, "evt_parked", "a customer of the old shop");
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(*before, "parked");
  EXPECT_EQ(EventStatus("evt_parked"), "dismissed a customer of the old shop");
  database_.LinkCustomer(database_.AddWorkspace("later"), "cus_7");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_parked"), "dismissed a customer of the old shop");
  EXPECT_EQ(Deliver(Event("evt_parked", "customer.subscription.created", 5, Subscription("sub_7", "cus_7", "active"))),
            "duplicate dismissed");
  EXPECT_EQ(Replay({.provider_event_id = "evt_parked"}),
            std::vector<std::string>{"evt_parked dismissed -> processed applied"});
  EXPECT_EQ(ReasonOf(admin_.Dismiss(kActor, "evt_parked", "x").status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(WebhookAdminTest, AnEventThatAWorkerHoldsIsLeftAlone) {
  DeliverOddOnes();
  database_.Admin(R"sql(
    UPDATE billing.webhook_events SET lease_owner = 'worker', lease_until = billing.now() + interval '1 minute',
                                      lease_version = lease_version + 1 WHERE provider_event_id = 'evt_odd'
  )sql");
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_odd", entity_)), "lease_lost");
  EXPECT_EQ(ReasonOf(admin_.Dismiss(kActor, "evt_odd", "x").status()), Reason::FAILURE_REASON_LEASE_LOST);
  EXPECT_EQ(Replay({.statuses = {"quarantined"}}),
            std::vector<std::string>{"evt_odd quarantined -> quarantined a worker is at it "});
  database_.SetClockOffset(absl::Minutes(2));
  EXPECT_EQ(Line(admin_.Bind(kActor, "evt_odd", entity_)), "quarantined -> processed applied");
}

TEST_F(WebhookAdminTest, TwoOperatorsAtOnceActOneAfterTheOther) {
  DeliverOddOnes();
  std::vector<std::thread> operators;
  std::atomic<int> processed = 0, refused = 0;
  for (int i = 0; i < 4; ++i) {
    operators.emplace_back([&] {
      const auto bound = admin_.Bind(kActor, "evt_odd", entity_);
      ++(bound.ok() ? processed : refused);
    });
  }
  for (auto& thread : operators) thread.join();
  EXPECT_EQ(processed, 1);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "1");
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_EVENT_BOUND"), "1");
}

}  // namespace
}  // namespace billmesh::webhook
