// Events that don't hold the whole of their object, and versions that only ids tell apart: what is asked of the
// provider, on a real PostgreSQL (WHK-5, WHK-6).
#include "common/outbox/refresh_job.h"
#include "services/webhook/projection_service.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

json Thin(const std::string& id, const std::string& type, const std::string& object_id) {
  return {{"id", id},
          {"object", "v2.core.event"},
          {"type", type},
          {"livemode", false},
          {"created", "2026-09-21T14:13:25.000Z"},
          {"related_object", {{"id", object_id}, {"type", "subscription"}, {"url", "/v1/subscriptions/" + object_id}}}};
}

class WebhookFetchTest : public WebhookTest {
 protected:
  std::string StatusOf(const std::string& subscription) {
    return Value("SELECT status FROM billing.subscriptions WHERE provider_subscription_id = $1", {subscription});
  }
  std::string Processed() {
    return Value("SELECT count(*)::text FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED'");
  }
  // Runs the refresh jobs that are promised, as the reconciler does: what is fetched is dated `at`.
  int Refresh(const std::string& kind, const std::string& id, json object, int64_t at) {
    const int jobs =
        std::stoi(Value("SELECT count(*)::text FROM billing.outbox_jobs WHERE job_type = $1 AND payload->>'id' = $2 "
                        "AND status = 'ready'",
                        {outbox::kRefreshPrefix + kind, id}));
    ProjectionService projection({replica_.pool, replica_.ids, replica_.notifier, replica_.source}, DefaultSettings());
    for (int i = 0; i < jobs; ++i) {
      EXPECT_TRUE(projection.Project({{kind, object.dump(), absl::FromUnixSeconds(kEpoch + at)}}, "test").ok());
    }
    return jobs;
  }
};

TEST_F(WebhookFetchTest, ASuspectsThinNotificationIsSetAsideTooAndFetchedThere) {
  replica_.suspects.Note(
      Parsed(Event("evt_0", "customer.subscription.updated", 5, Subscription("sub_1", "cus_1", "active")).dump())
          .event);
  replica_.provider.Has("subscription", "sub_1", Subscription("sub_1", "cus_1", "active"), 10);
  EXPECT_EQ(Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1")), "pending set_aside");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "pending set_aside");
  replica_.worker.RunOnce(Lane::kSetAside);
  EXPECT_EQ(EventStatus("evt_1"), "processed");
  EXPECT_EQ(StatusOf("sub_1"), "active");
}

TEST_F(WebhookFetchTest, AThinNotificationIsDurableAtOnceAndAppliedOnceItIsFetched) {
  EXPECT_EQ(Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1")), "pending needs_fetch");
  EXPECT_EQ(Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1")), "duplicate pending");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "pending needs_fetch") << "the provider doesn't say";
  EXPECT_EQ(Value("SELECT attempts::text FROM billing.webhook_events"), "0") << "no fault of the event's";
  replica_.provider.Has("subscription", "sub_1", Subscription("sub_1", "cus_1", "active"), 10);
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "pending needs_fetch") << "it was put off";
  database_.SetClockOffset(absl::Seconds(11));
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "processed");
  EXPECT_EQ(StatusOf("sub_1"), "active");
  EXPECT_EQ(Processed(), "1");
  // An event of before the fetch changes nothing, one of after it does.
  Deliver(Event("evt_2", "customer.subscription.updated", 9, Subscription("sub_1", "cus_1", "past_due")));
  EXPECT_EQ(StatusOf("sub_1"), "active");
  Deliver(Event("evt_3", "customer.subscription.updated", 11, Subscription("sub_1", "cus_1", "past_due")));
  EXPECT_EQ(StatusOf("sub_1"), "past_due");
}

TEST_F(WebhookFetchTest, WhatIsGoneIsIgnoredByName) {
  replica_.provider.HasNot("subscription", "sub_1");
  Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1"));
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "ignored object_gone");
}

TEST_F(WebhookFetchTest, WhatCannotBeReadCostsAnAttempt) {
  replica_.provider.Has("subscription", "sub_1", {{"id", "sub_1"}}, 10);
  Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1"));
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "failed object_malformed: status: missing");
  EXPECT_EQ(Value("SELECT attempts::text FROM billing.webhook_events"), "1");
}

TEST_F(WebhookFetchTest, AWorkerThatLostItsLeaseMeanwhileWritesNothing) {
  replica_.provider.Has("subscription", "sub_1", Subscription("sub_1", "cus_1", "active"), 10);
  Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1"));
  Replica other(database_, "replica-2");
  other.provider.Has("subscription", "sub_1", Subscription("sub_1", "cus_1", "past_due"), 20);
  bool once = true;
  replica_.provider.meanwhile = [&] {
    if (!std::exchange(once, false)) return;
    // It slept for longer than its lease; the other one took over.
    database_.SetClockOffset(absl::Minutes(2));
    other.worker.RunOnce();
  };
  replica_.worker.RunOnce();
  EXPECT_EQ(StatusOf("sub_1"), "past_due");
  EXPECT_EQ(EventStatus("evt_1"), "processed");
  EXPECT_EQ(Processed(), "1");
}

TEST_F(WebhookFetchTest, WhatNeedsNoFetchDoesNotWaitForOne) {
  replica_.provider.Has("subscription", "sub_1", Subscription("sub_1", "cus_1", "active"), 10);
  Deliver(Thin("evt_1", "v1.customer.subscription.updated", "sub_1"));
  Deliver(Event("evt_2", "customer.subscription.created", 5, Subscription("sub_2", "cus_2", "active")));
  database_.LinkCustomer(database_.AddWorkspace("other"), "cus_2");
  std::string meanwhile;
  replica_.provider.meanwhile = [&] { meanwhile = EventStatus("evt_2"); };
  replica_.worker.RunOnce();
  EXPECT_EQ(meanwhile, "processed");
  EXPECT_EQ(EventStatus("evt_1"), "processed");
}

TEST_F(WebhookFetchTest, APartOfTheItemsIsNotTakenForTheWhole) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  json part = Subscription("sub_1", "cus_1", "active");
  part["items"]["has_more"] = true;
  EXPECT_EQ(Deliver(Event("evt_2", "customer.subscription.updated", 8, part)), "pending needs_fetch");
  json whole = Subscription("sub_1", "cus_1", "active");
  whole["items"]["data"].push_back({{"id", "si_2"}, {"price", "price_add_on"}, {"quantity", 1}});
  replica_.provider.Has("subscription", "sub_1", whole, 10);
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_2"), "processed");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscription_items"), "2");
}

TEST_F(WebhookFetchTest, ATieIsSettledByTheProviderWhateverTheOrder) {
  const json active = Subscription("sub_1", "cus_1", "active");
  json cancelling = active;
  cancelling["cancel_at_period_end"] = true;
  const json first = Event("evt_b", "customer.subscription.updated", 5, active);
  const json second = Event("evt_a", "customer.subscription.updated", 5, cancelling);
  for (const bool reversed : {false, true}) {
    const std::string suffix = reversed ? "_r" : "_f";
    const auto own = [&](json event) {
      event["id"] = event["id"].get<std::string>() + suffix;
      event["data"]["object"]["id"] = "sub" + suffix;
      event["data"]["object"]["items"]["data"][0]["id"] = "si" + suffix;
      return event;
    };
    Deliver(own(reversed ? second : first));
    Deliver(own(reversed ? first : second));
    const std::string id = "sub" + suffix;
    EXPECT_EQ(
        Value("SELECT cancel_at_period_end::text FROM billing.subscriptions WHERE provider_subscription_id = $1", {id}),
        "false")
        << "by the event's id, which says nothing";
    json truth = cancelling;
    truth["id"] = id;
    truth["items"]["data"][0]["id"] = "si" + suffix;
    EXPECT_EQ(Refresh("subscription", id, truth, 7), 1);
    EXPECT_EQ(
        Value("SELECT cancel_at_period_end::text FROM billing.subscriptions WHERE provider_subscription_id = $1", {id}),
        "true");
  }
}

TEST_F(WebhookFetchTest, OneSecondsEventsThatSayTheSamePromiseNothing) {
  Deliver(Event("evt_1", "invoice.paid", 5, Invoice("in_1", "cus_1", "paid", "")));
  Deliver(Event("evt_2", "invoice.payment_succeeded", 5, Invoice("in_1", "cus_1", "paid", "")));
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.outbox_jobs"), "0");
  json other = Invoice("in_1", "cus_1", "paid", "");
  other["number"] = "N-1";
  Deliver(Event("evt_3", "invoice.updated", 5, other));
  Deliver(Event("evt_3", "invoice.updated", 5, other));
  EXPECT_EQ(Value("SELECT string_agg(job_type || ' ' || dedupe_key, ',') FROM billing.outbox_jobs"),
            absl::StrCat("refresh_invoice refresh_invoice:in_1:", kEpoch + 5));
  EXPECT_EQ(Value("SELECT (run_after > billing.now() + interval '1 s')::text FROM billing.outbox_jobs"), "true");
}

// Tries that failed within one second: their ids say nothing, so the payment is asked, and then the charge that it
// names.
TEST_F(WebhookFetchTest, OfTriesOfOneSecondTheOneThatTheProviderNamesCounts) {
  const auto charge = [](const std::string& id) {
    return json{{"id", id},
                {"object", "charge"},
                {"amount", 2900},
                {"amount_refunded", 0},
                {"currency", "eur"},
                {"customer", "cus_1"},
                {"payment_intent", "pi_1"},
                {"status", "failed"},
                {"created", kEpoch + 5},
                {"livemode", false},
                {"failure_code", "card_declined"}};
  };
  const json payment = {{"id", "pi_1"},
                        {"object", "payment_intent"},
                        {"amount", 2900},
                        {"currency", "eur"},
                        {"customer", "cus_1"},
                        {"status", "requires_payment_method"},
                        {"created", kEpoch},
                        {"livemode", false},
                        {"latest_charge", "ch_1"},
                        {"last_payment_error", {{"code", "card_declined"}}}};
  const auto charges = [this] {
    return Value("SELECT concat_ws(' ', provider_charge_id, provider_latest_charge_id) FROM billing.payments");
  };
  Deliver(Event("evt_1", "charge.failed", 5, charge("ch_9")));
  Deliver(Event("evt_2", "charge.failed", 5, charge("ch_1")));
  EXPECT_EQ(charges(), "ch_9") << "for now";
  EXPECT_EQ(Refresh("payment", "pi_1", payment, 7), 1);
  EXPECT_EQ(charges(), "ch_9 ch_1");
  EXPECT_EQ(Refresh("charge", "ch_1", charge("ch_1"), 9), 1);
  EXPECT_EQ(charges(), "ch_1 ch_1");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.outbox_jobs"), "2") << "and nothing more is promised";
}

}  // namespace
}  // namespace billmesh::webhook
