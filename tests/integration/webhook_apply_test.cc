// What events do to the projection, on a real PostgreSQL.
#include <algorithm>
#include <map>
#include <numeric>

#include "common/checkout/session_status.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

class WebhookApplyTest : public WebhookTest {
 protected:
  // The projection of an entity's subscriptions as text, our own ids and times of writing apart.
  std::string Projection(const std::string& entity) {
    return Value(R"sql(
      SELECT string_agg(concat_ws('|', s.provider_subscription_id, s.provider_customer_id, s.operation_key, s.status, s.is_current,
               s.cancel_at_period_end, s.canceled_at, s.ended_at, s.provider_subscription_created_at, s.latest_invoice_id,
               s.collection_paused, s.provider_updated_at, s.provider_event_id,
               (SELECT string_agg(concat_ws(',', i.provider_item_id, i.provider_price_id, i.quantity, i.current_period_start,
                                            i.current_period_end), ';' ORDER BY i.provider_item_id)
                FROM billing.subscription_items i WHERE i.subscription_id = s.id)), E'\n' ORDER BY s.provider_subscription_id)
      FROM billing.subscriptions s WHERE s.entity_id = $1
    )sql",
                 {entity});
  }
};

TEST_F(WebhookApplyTest, ASubscriptionEventIsProjectedWithItemsAuditRevisionAndFeed) {
  const int64_t before = Revision(entity_);
  EXPECT_EQ(Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active", 1))),
            "processed");
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', s.status, s.is_current, s.provider_customer_id, s.latest_invoice_id,
                     extract(epoch FROM s.provider_subscription_created_at)::bigint,
                     extract(epoch FROM s.provider_updated_at)::bigint, s.provider_event_id, s.env)
    FROM billing.subscriptions s WHERE s.entity_id = $1
  )sql",
                  {entity_}),
            absl::StrCat("active t cus_1 in_of_sub_1 ", kEpoch + 1, " ", kEpoch + 5, " evt_1 test"));
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', i.provider_item_id, i.provider_price_id, i.quantity, extract(epoch FROM i.current_period_end)::bigint)
    FROM billing.subscription_items i WHERE i.entity_id = $1
  )sql",
                  {entity_}),
            absl::StrCat("si_of_sub_1 price_pro 2 ", kEpoch + 2592000));
  EXPECT_EQ(Revision(entity_), before + 1);
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.change_feed WHERE entity_id = $1 AND revision = $2",
                  {entity_, before + 1}),
            "1");
  const auto changes = replica_.notifier.Take();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].entity_id, entity_);
  EXPECT_EQ(changes[0].revision, before + 1);
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', actor, provider_event_id, detail->>'type', detail->>'object_id', detail->>'result',
                     before_digest IS NULL, length(after_digest))
    FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED' AND entity_id = $1
  )sql",
                  {entity_}),
            "provider:stripe evt_1 customer.subscription.created sub_1 applied t 64");
}

TEST_F(WebhookApplyTest, BothShapesOfASubscriptionProjectIdentically) {
  const std::string other = database_.AddWorkspace("other");
  database_.LinkCustomer(other, "cus_2");
  json old_shape = Subscription("sub_2", "cus_2", "active", 1);
  json& item = old_shape["items"]["data"][0];
  old_shape["current_period_start"] = item["current_period_start"];
  old_shape["current_period_end"] = item["current_period_end"];
  item.erase("current_period_start");
  item.erase("current_period_end");
  old_shape["customer"] = {{"id", "cus_2"}, {"object", "customer"}};
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active", 1)));
  Deliver(Event("evt_2", "customer.subscription.created", 5, old_shape));
  std::string expected = Projection(entity_);
  std::replace(expected.begin(), expected.end(), '1', '2');
  std::string actual = Projection(other);
  std::replace(actual.begin(), actual.end(), '1', '2');
  EXPECT_EQ(actual, expected);
  EXPECT_NE(actual, "");
}

// Every order of one life's events, each life on an entity of its own, ends in the same projection.
TEST_F(WebhookApplyTest, OutOfOrderEventsConverge) {
  std::vector<int> order(5);
  std::iota(order.begin(), order.end(), 0);
  std::optional<std::string> expected;
  int lives = 0;
  do {
    const std::string tag = absl::StrCat("life", lives++);
    const std::string entity = database_.AddWorkspace(tag), customer = "cus_" + tag, sub = "sub_" + tag,
                      dup = "sub_a" + tag;
    database_.LinkCustomer(entity, customer);
    const std::string e = "evt_" + tag;
    json past_due = Subscription(sub, customer, "past_due", 10);
    past_due["items"]["data"][0]["quantity"] = 7;
    const std::vector<json> life = {
        Event(e + "_c", "customer.subscription.created", 10, Subscription(sub, customer, "incomplete", 10)),
        Event(e + "_b", "customer.subscription.updated", 10, Subscription(sub, customer, "active", 10)),
        Event(e + "_d", "customer.subscription.updated", 20, past_due),
        Event(e + "_e", "customer.subscription.created", 25, Subscription(dup, customer, "active", 25)),
        Event(e + "_a", "customer.subscription.deleted", 30, Subscription(sub, customer, "canceled", 10)),
    };
    for (const int step : order) ASSERT_EQ(Deliver(life[static_cast<size_t>(step)]), "processed");
    std::string projection = Projection(entity);
    for (size_t at; (at = projection.find(tag)) != std::string::npos;) projection.replace(at, tag.size(), "life");
    if (!expected) expected = projection;
    ASSERT_EQ(projection, *expected) << "order " << ::testing::PrintToString(order);
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(lives, 120);
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "600") << "one row an event, stale ones too";
}

TEST_F(WebhookApplyTest, MadeAndPaidInTheSameSecondItIsActiveWhicheverComesFirst) {
  for (const bool made_first : {true, false}) {
    const std::string tag = made_first ? "a" : "b";
    const std::string entity = database_.AddWorkspace("ws-" + tag), customer = "cus_" + tag, sub = "sub_" + tag;
    database_.LinkCustomer(entity, customer);
    // By its id alone the earlier event would win.
    const std::vector<json> events = {
        Event("evt_z" + tag, "customer.subscription.created", 10, Subscription(sub, customer, "incomplete", 10)),
        Event("evt_a" + tag, "customer.subscription.updated", 10, Subscription(sub, customer, "active", 10))};
    Deliver(events[made_first ? 0 : 1]);
    Deliver(events[made_first ? 1 : 0]);
    EXPECT_EQ(Value("SELECT status FROM billing.subscriptions WHERE entity_id = $1", {entity}), "active");
  }
}

TEST_F(WebhookApplyTest, AnEventThatChangesNothingBumpsNothing) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  const int64_t revision = Revision(entity_);
  EXPECT_EQ(Deliver(Event("evt_2", "customer.subscription.updated", 9, Subscription("sub_1", "cus_1", "active"))),
            "processed");
  EXPECT_EQ(Deliver(Event("evt_3", "customer.subscription.updated", 7, Subscription("sub_1", "cus_1", "past_due"))),
            "processed");
  EXPECT_EQ(Revision(entity_), revision);
  EXPECT_EQ(Value("SELECT provider_event_id FROM billing.subscriptions"), "evt_2");
  EXPECT_EQ(Value("SELECT string_agg(detail->>'result', ' ' ORDER BY provider_event_id) FROM billing.audit_log"),
            "applied unchanged stale");
}

TEST_F(WebhookApplyTest, ATerminalStatusClearsIsCurrentInTheSameTransaction) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  Deliver(Event("evt_2", "customer.subscription.deleted", 9, Subscription("sub_1", "cus_1", "canceled")));
  EXPECT_EQ(Value("SELECT concat_ws(' ', status, is_current) FROM billing.subscriptions"), "canceled f");
}

TEST_F(WebhookApplyTest, ADuplicateSubscriptionGetsOneRemediationAndTheCanonicalOneStaysCurrent) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_b", "cus_1", "active", 5)));
  EXPECT_EQ(Deliver(Event("evt_2", "customer.subscription.created", 6, Subscription("sub_a", "cus_1", "active", 2))),
            "processed");
  EXPECT_EQ(Deliver(Event("evt_3", "customer.subscription.updated", 7, Subscription("sub_b", "cus_1", "past_due", 5))),
            "processed");
  EXPECT_EQ(Value("SELECT string_agg(provider_subscription_id, ' ') FROM billing.subscriptions WHERE is_current"),
            "sub_a");
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(concat_ws(' ', r.provider_subscription_id, r.kind, r.algorithm, r.status, s.provider_subscription_id), '; ')
    FROM billing.remediations r JOIN billing.subscriptions s ON s.id = r.canonical_subscription_id
  )sql"),
            "sub_b cancel_duplicate_subscription dup_canonical_v1 ready sub_a");
  Deliver(Event("evt_4", "customer.subscription.deleted", 8, Subscription("sub_a", "cus_1", "canceled", 2)));
  EXPECT_EQ(Value("SELECT string_agg(provider_subscription_id, ' ') FROM billing.subscriptions WHERE is_current"),
            "sub_b");
}

TEST_F(WebhookApplyTest, ACompletedSessionIsReconciledWhicheverEventComesFirst) {
  for (const bool session_first : {true, false}) {
    const std::string tag = session_first ? "a" : "b";
    const std::string entity = database_.AddWorkspace("ws-" + tag), customer = "cus_" + tag, key = "op_" + tag;
    database_.LinkCustomer(entity, customer);
    AddOperation(key, entity);
    AddSession(key, "cs_" + tag, entity, "open");
    const json metadata = {{"billmesh_operation_key", key}, {"billmesh_entity_id", entity}, {"billmesh_env", "test"}};
    json session = Session("cs_" + tag, customer, "complete", "sub_" + tag, key);
    session["metadata"] = metadata;
    std::vector<json> events = {Event("evt_s" + tag, "checkout.session.completed", 10, session),
                                Event("evt_t" + tag, "customer.subscription.created", 10,
                                      Subscription("sub_" + tag, customer, "active", 9, metadata))};
    if (!session_first) std::swap(events[0], events[1]);
    EXPECT_EQ(Deliver(events[0]), "processed");
    EXPECT_EQ(SessionStatusOf(key), session_first ? "completed_pending_subscription" : "open");
    EXPECT_EQ(Deliver(events[1]), "processed");
    EXPECT_EQ(SessionStatusOf(key), "completed_reconciled");
    EXPECT_EQ(Value(R"sql(
      SELECT concat_ws(' ', c.provider_subscription_id, c.provider_customer_id, c.ended_at IS NOT NULL, s.operation_key)
      FROM billing.checkout_sessions c JOIN billing.subscriptions s USING (provider_subscription_id)
      WHERE c.operation_key = $1
    )sql",
                    {key}),
              "sub_" + tag + " " + customer + " t " + key);
  }
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(concat_ws(' ', operation_key, provider_event_id, detail->>'from', '→', detail->>'to'), '; '
                      ORDER BY created_at) FROM billing.audit_log WHERE action = 'BILLING_CHECKOUT_COMPLETED'
  )sql"),
            "op_a evt_sa open → completed_pending_subscription; op_b evt_sb open → completed_reconciled")
      << "told once for a purchase";
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(concat_ws(' ', operation_key, provider_event_id, detail->>'from', '→', detail->>'to'), '; ')
    FROM billing.audit_log WHERE action = 'BILLING_CHECKOUT_RECONCILED'
  )sql"),
            "op_a evt_ta completed_pending_subscription → completed_reconciled");
  // The digests of one session's moves make a chain.
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', a.after_digest = b.before_digest, a.before_digest <> a.after_digest,
                     b.before_digest <> b.after_digest, length(b.after_digest))
    FROM billing.audit_log a JOIN billing.audit_log b USING (operation_key)
    WHERE a.action = 'BILLING_CHECKOUT_COMPLETED' AND b.action = 'BILLING_CHECKOUT_RECONCILED'
  )sql"),
            "t t t 64");
}

TEST_F(WebhookApplyTest, BothEventsInOneBatchReconcileToo) {
  AddOperation("op_1", entity_);
  AddSession("op_1", "cs_1", entity_, "open");
  const int64_t revision = Revision(entity_);
  EXPECT_EQ(DeliverBatch({Event("evt_1", "checkout.session.completed", 10,
                                Session("cs_1", "cus_1", "complete", "sub_1", "op_1")),
                          Event("evt_2", "customer.subscription.created", 10, Subscription("sub_1", "cus_1", "active")),
                          Event("evt_3", "invoice.paid", 10, Invoice("in_1", "cus_1", "paid", "sub_1"))}),
            (std::vector<std::string>{"processed", "processed", "processed"}));
  EXPECT_EQ(SessionStatusOf("op_1"), "completed_reconciled");
  EXPECT_EQ(Revision(entity_), revision + 1) << "one transaction, one revision";
}

TEST_F(WebhookApplyTest, ACompletedSessionWhoseRowWasNeverWrittenIsMadeByOperationKey) {
  AddOperation("op_1", entity_);
  EXPECT_EQ(
      Deliver(Event("evt_1", "checkout.session.completed", 10, Session("cs_1", "cus_1", "complete", "sub_1", "op_1"))),
      "processed");
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', c.status, c.provider_session_id, c.plan_code, c.plan_version, c.mode, r.operation_key)
    FROM billing.checkout_sessions c JOIN billing.request_idempotency r ON r.id = c.operation_id
  )sql"),
            "completed_pending_subscription cs_1 pro 1 subscription op_1");
  Deliver(Event("evt_2", "customer.subscription.created", 11, Subscription("sub_1", "cus_1", "active")));
  EXPECT_EQ(SessionStatusOf("op_1"), "completed_reconciled");
}

TEST_F(WebhookApplyTest, ASessionWithoutARowNeverTakesTheBlockingPlaceOfAnother) {
  AddOperation("op_old", entity_, "expired");
  AddOperation("op_new", entity_);
  AddSession("op_new", "cs_new", entity_, "open");
  EXPECT_EQ(Deliver(Event("evt_1", "checkout.session.completed", 10,
                          Session("cs_old", "cus_1", "complete", "sub_1", "op_old"))),
            "processed");
  EXPECT_EQ(SessionStatusOf("op_old"), "abandoned");
  EXPECT_EQ(SessionStatusOf("op_new"), "open");
  EXPECT_EQ(AuditCount("BILLING_CHECKOUT_PAID_LATE"), "1");
}

TEST_F(WebhookApplyTest, AHoldFollowsTheProvidersWord) {
  AddOperation("op_1", entity_, "expired");
  AddSession("op_1", "", entity_, "recovery_verification_pending");
  Deliver(Event("evt_1", "customer.subscription.created", 9, Subscription("sub_1", "cus_1", "active")));
  EXPECT_EQ(
      Deliver(Event("evt_2", "checkout.session.completed", 10, Session("cs_1", "cus_1", "complete", "sub_1", "op_1"))),
      "processed");
  EXPECT_EQ(SessionStatusOf("op_1"), "completed_reconciled");
  EXPECT_EQ(Value("SELECT provider_session_id FROM billing.checkout_sessions"), "cs_1");
}

TEST_F(WebhookApplyTest, AnExpiredSessionFreesTheEntity) {
  AddOperation("op_1", entity_);
  AddSession("op_1", "cs_1", entity_, "open");
  EXPECT_EQ(Deliver(Event("evt_1", "checkout.session.expired", 10,
                          Session("cs_1", "cus_1", "expired", "", "op_1", "unpaid"))),
            "processed");
  EXPECT_EQ(SessionStatusOf("op_1"), "expired");
  EXPECT_EQ(AuditCount("BILLING_CHECKOUT_SESSION_EXPIRED"), "1");
}

TEST_F(WebhookApplyTest, LatePaymentKeepsTheLocalEndIsMarkedAuditedAndItsSubscriptionProjected) {
  AddOperation("op_1", entity_, "expired");
  AddSession("op_1", "cs_1", entity_, "expired");
  const std::string ended = Value("SELECT ended_at::text FROM billing.checkout_sessions");
  EXPECT_EQ(
      Deliver(Event("evt_1", "checkout.session.completed", 10, Session("cs_1", "cus_1", "complete", "sub_1", "op_1"))),
      "processed");
  Deliver(Event("evt_2", "customer.subscription.created", 11, Subscription("sub_1", "cus_1", "active")));
  EXPECT_EQ(
      Value("SELECT concat_ws(' ', status, extract(epoch FROM late_paid_at)::bigint) FROM billing.checkout_sessions"),
      absl::StrCat("expired ", kEpoch + 10));
  EXPECT_EQ(Value("SELECT ended_at::text FROM billing.checkout_sessions"), ended);
  EXPECT_EQ(AuditCount("BILLING_CHECKOUT_PAID_LATE"), "1");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions WHERE is_current"), "1");
}

TEST_F(WebhookApplyTest, ContradictingMetadataAreQuarantinedWithoutAnyMutation) {
  const std::string other = database_.AddWorkspace("other");
  AddOperation("op_other", other);
  const int64_t revision = Revision(entity_);
  const std::map<std::string, json> lies = {
      {"metadata_entity_differs", {{"billmesh_entity_id", other}}},
      {"metadata_env_differs", {{"billmesh_env", "live"}}},
      {"stored_entities_differ", {{"billmesh_operation_key", "op_other"}}},
  };
  int n = 0;
  for (const auto& [why, metadata] : lies) {
    const std::string id = absl::StrCat("evt_", ++n);
    EXPECT_EQ(
        Deliver(Event(id, "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active", 1, metadata))),
        "quarantined " + why);
    EXPECT_EQ(EventStatus(id), "quarantined " + why);
  }
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
  EXPECT_EQ(Revision(entity_), revision);
  EXPECT_EQ(AuditCount("BILLING_WEBHOOK_PROCESSED"), "0");
}

TEST_F(WebhookApplyTest, InvoicesOfBothShapesAreProjected) {
  json old_shape = Invoice("in_2", "cus_1", "open", "");
  old_shape["subscription"] = "sub_1";
  EXPECT_EQ(Deliver(Event("evt_1", "invoice.paid", 10, Invoice("in_1", "cus_1", "paid", "sub_1"))), "processed");
  EXPECT_EQ(Deliver(Event("evt_2", "invoice.payment_failed", 10, old_shape)), "processed");
  EXPECT_EQ(Deliver(Event("evt_3", "invoice.finalized", 10, Invoice("in_1", "cus_1", "open", "sub_1"))), "processed");
  EXPECT_EQ(Deliver(Event("evt_4", "invoice.paid", 10, Invoice("in_3", "cus_1", "paid", ""))), "processed");
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(concat_ws(' ', i.provider_invoice_id, i.status, coalesce(i.provider_subscription_id, '-'), i.currency,
                                i.total_minor, i.amount_remaining_minor, i.attempt_count), '; ' ORDER BY i.provider_invoice_id)
    FROM billing.invoices i WHERE i.entity_id = $1
  )sql",
                  {entity_}),
            "in_1 paid sub_1 eur 1900 0 1; in_2 open sub_1 eur 1900 1900 1; in_3 paid - eur 1900 0 1");
}

TEST_F(WebhookApplyTest, EachSubscriptionKeepsItsOwnItems) {
  const auto with_items = [](const std::string& id, std::vector<std::string> items) {
    json subscription = Subscription(id, "cus_1", "active");
    json data = json::array();
    for (const std::string& item : items) data.push_back({{"id", item}, {"price", "price_1"}, {"quantity", 1}});
    subscription["items"]["data"] = data;
    return subscription;
  };
  Deliver(Event("evt_1", "customer.subscription.created", 5, with_items("sub_1", {"si_b", "si_a", "si_c"})));
  Deliver(Event("evt_2", "customer.subscription.created", 6, with_items("sub_2", {"si_e", "si_d"})));
  Deliver(Event("evt_3", "customer.subscription.created", 7, with_items("sub_3", {})));
  const int64_t before = Revision(entity_);
  // All three are loaded; nothing is new.
  Deliver(Event("evt_4", "customer.subscription.updated", 8, with_items("sub_1", {"si_b", "si_a", "si_c"})));
  Deliver(Event("evt_5", "customer.subscription.updated", 9, with_items("sub_3", {})));
  EXPECT_EQ(Revision(entity_), before);
  Deliver(Event("evt_6", "customer.subscription.updated", 10, with_items("sub_2", {"si_d"})));
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(s.provider_subscription_id || ':' || i.provider_item_id, ' ' ORDER BY i.provider_item_id)
    FROM billing.subscription_items i JOIN billing.subscriptions s ON s.id = i.subscription_id
  )sql"),
            "sub_1:si_a sub_1:si_b sub_1:si_c sub_2:si_d");
}

TEST_F(WebhookApplyTest, ItemsThatAreGoneAreDeletedAndThoseThatStayKeepTheirRow) {
  json two = Subscription("sub_1", "cus_1", "active");
  two["items"]["data"].push_back({{"id", "si_extra"}, {"price", "price_extra"}, {"quantity", 1}});
  Deliver(Event("evt_1", "customer.subscription.created", 5, two));
  const std::string kept = Value("SELECT id::text FROM billing.subscription_items WHERE provider_item_id = 'si_extra'");
  json one = two;
  one["items"]["data"].erase(0);
  one["items"]["data"][0]["quantity"] = 9;
  Deliver(Event("evt_2", "customer.subscription.updated", 6, one));
  EXPECT_EQ(Value("SELECT string_agg(concat_ws(' ', id, quantity), ';') FROM billing.subscription_items"), kept + " 9");
}

TEST_F(WebhookApplyTest, TheMatrixInCodeIsTheDatabases) {
  std::string code;
  std::vector<std::string> pairs;
  for (const auto& [from, to] : checkout::kSessionTransitions) {
    pairs.push_back(absl::StrCat(std::string(checkout::NameOf(from)), ">", std::string(checkout::NameOf(to))));
  }
  std::sort(pairs.begin(), pairs.end());
  for (const std::string& pair : pairs) absl::StrAppend(&code, pair, " ");
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(t.pair || ' ', '' ORDER BY t.pair COLLATE "C")
    FROM (SELECT from_status || '>' || to_status AS pair FROM billing.checkout_session_transitions) AS t
  )sql"),
            code);
}

}  // namespace
}  // namespace billmesh::webhook
