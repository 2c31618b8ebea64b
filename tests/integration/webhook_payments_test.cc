// Payments, what becomes of them, customers and payment methods, from events in Stripe's words, on a real PostgreSQL.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "common/telemetry/metrics.h"
#include "services/webhook/webhook_metrics.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

json PaymentIntent(const std::string& id, const json& customer, const std::string& status) {
  return {{"id", id},
          {"object", "payment_intent"},
          {"amount", 2900},
          {"currency", "eur"},
          {"customer", customer},
          {"status", status},
          {"created", kEpoch},
          {"livemode", false},
          {"canceled_at", nullptr},
          {"last_payment_error", nullptr},
          {"metadata", json::object()}};
}

json Charge(const std::string& id, const std::string& payment, const json& customer, const std::string& status,
            int64_t refunded = 0) {
  return {{"id", id},
          {"object", "charge"},
          {"amount", 2900},
          {"amount_refunded", refunded},
          {"currency", "eur"},
          {"customer", customer},
          {"payment_intent", payment},
          {"status", status},
          {"created", kEpoch + 1},
          {"failure_code", nullptr},
          {"livemode", false},
          {"metadata", json::object()}};
}

json Refund(const std::string& id, const std::string& payment, const std::string& status) {
  return {{"id", id},          {"object", "refund"},    {"amount", 2900},
          {"currency", "eur"}, {"charge", "ch_1"},      {"payment_intent", payment},
          {"status", status},  {"created", kEpoch + 5}, {"metadata", nullptr}};
}

json Dispute(const std::string& id, const std::string& payment, const std::string& status) {
  return {{"id", id},
          {"object", "dispute"},
          {"amount", 2900},
          {"currency", "eur"},
          {"charge", "ch_1"},
          {"payment_intent", payment},
          {"status", status},
          {"created", kEpoch + 6},
          {"livemode", false},
          {"reason", "fraudulent"},
          {"metadata", json::object()}};
}

json CreditNote(const std::string& id, const std::string& invoice, const std::string& status) {
  return {{"id", id},
          {"object", "credit_note"},
          {"invoice", invoice},
          {"customer", "cus_1"},
          {"status", status},
          {"currency", "eur"},
          {"total", 500},
          {"number", "CN-1"},
          {"created", kEpoch + 7},
          {"livemode", false},
          {"voided_at", nullptr}};
}

json InvoicePayment(const std::string& invoice, const std::string& payment) {
  return {{"id", "inpay_1"},    {"object", "invoice_payment"},
          {"invoice", invoice}, {"payment", {{"type", "payment_intent"}, {"payment_intent", payment}}},
          {"status", "paid"},   {"livemode", false},
          {"created", kEpoch},  {"is_default", true}};
}

json Method(const std::string& id, const json& customer) {
  return {{"id", id},
          {"object", "payment_method"},
          {"customer", customer},
          {"type", "card"},
          {"card", {{"brand", "visa"}, {"last4", "4242"}, {"exp_month", 12}, {"exp_year", 2034}, {"wallet", nullptr}}},
          {"created", kEpoch},
          {"livemode", false}};
}

json Customer(const std::string& id, const json& method) {
  return {{"id", id},
          {"object", "customer"},
          {"created", kEpoch},
          {"livemode", false},
          {"invoice_settings", {{"default_payment_method", method}}},
          {"metadata", json::object()}};
}

class WebhookPaymentsTest : public WebhookTest {
 protected:
  std::string PaymentLine() {
    return Value(R"sql(
      SELECT coalesce(string_agg(concat_ws(' ', provider_payment_id, status, amount_refunded_minor,
                                           coalesce(provider_invoice_id, '-'), coalesce(provider_charge_id, '-'),
                                           coalesce(provider_customer_id, '-'), succeeded_at IS NOT NULL), ', '
                                 ORDER BY provider_payment_id), '')
      FROM billing.payments
    )sql");
  }
  int WaitingTransactions() {
    return std::stoi(Value(R"sql(
      SELECT count(DISTINCT w.pid)::text
      FROM pg_locks w
      JOIN pg_locks h ON h.pid = w.pid AND h.relation = 'billing.webhook_event_keys'::regclass
        AND h.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      WHERE NOT w.granted
    )sql"));
  }
  static int Disputes() {
    const std::string series = absl::StrCat("billmesh_guardrail_total{code=\"", kDisputeOpened, "\"} ");
    const std::string metrics = telemetry::RenderMetrics();
    const size_t at = metrics.find(series);
    return at == std::string::npos ? 0 : std::stoi(metrics.substr(at + series.size()));
  }
  // A sold item of the catalog, for ENT-9.
  void AddLinkOperation(const std::string& key) {
    database_.Admin(R"sql(
      INSERT INTO billing.catalog_items (id, code, name, applies_to, provider, provider_product_id, provider_price_id, currency,
                                         unit_amount_minor, content_sha256)
      VALUES ($1, 'credits', 'Credits', 'any', 'stripe', 'prod_c', 'price_c', 'eur', 500, 'x')
    )sql",
                    {database_.ids().NewId()});
    database_.Admin(R"sql(
      INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
        operation_key, actor, status, provider, completed_at, response)
      VALUES ($1, 'test', $2, 'create_payment_link', $3, '', '{"item_code":"credits","quantity":3,"success_path":""}', $3, 'user:x', 'succeeded',
              'stripe', billing.now(), '{}')
    )sql",
                    {database_.ids().NewId(), entity_, key});
  }
};

TEST_F(WebhookPaymentsTest, APaymentItsChargeAndItsInvoiceComeTogetherInEveryOrder) {
  const std::vector<json> events = {
      Event("evt_1", "payment_intent.created", 0, PaymentIntent("pi_1", "cus_1", "requires_payment_method")),
      Event("evt_2", "payment_intent.succeeded", 2, PaymentIntent("pi_1", "cus_1", "succeeded")),
      Event("evt_3", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded")),
      Event("evt_4", "invoice.paid", 2, Invoice("in_1", "cus_1", "paid", "")),
      Event("evt_5", "invoice_payment.paid", 2, InvoicePayment("in_1", "pi_1")),
      Event("evt_6", "charge.refunded", 9, Charge("ch_1", "pi_1", "cus_1", "succeeded", 900)),
  };
  std::vector<size_t> order(events.size());
  std::iota(order.begin(), order.end(), 0);
  int round = 0;
  do {
    // Each order has objects of its own.
    const std::string suffix = absl::StrCat("_", ++round);
    for (const size_t i : order) {
      std::string text = events[i].dump();
      for (const char* id : {"evt_1", "evt_2", "evt_3", "evt_4", "evt_5", "evt_6", "pi_1", "ch_1", "in_1", "inpay_1"}) {
        const std::string quoted = absl::StrCat("\"", id, "\"");
        for (size_t at = 0; (at = text.find(quoted, at)) != std::string::npos; at += quoted.size()) {
          text.insert(at + quoted.size() - 1, suffix);
        }
      }
      Deliver(json::parse(text));
    }
  } while (std::next_permutation(order.begin(), order.end()) && round < 60);
  // What came before its payment was woken by it.
  while (replica_.worker.RunOnce()) {
  }
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(DISTINCT concat_ws(' ', status, amount_minor, amount_refunded_minor,
                                         provider_invoice_id = replace(provider_payment_id, 'pi', 'in'),
                                         provider_charge_id = replace(provider_payment_id, 'pi', 'ch'), provider_customer_id,
                                         succeeded_at = provider_created_at + interval '1 second'), ', ')
    FROM billing.payments
  )sql"),
            "succeeded 2900 900 t t cus_1 t");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.payments"), absl::StrCat(round));
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status <> 'processed'"), "0");
}

TEST_F(WebhookPaymentsTest, WhatComesBeforeItsPaymentIsWokenByIt) {
  EXPECT_EQ(Deliver(Event("evt_1", "refund.created", 5, Refund("re_1", "pi_1", "succeeded"))),
            "parked nothing_stored_matches");
  EXPECT_EQ(Deliver(Event("evt_2", "charge.dispute.created", 6, Dispute("dp_1", "pi_1", "needs_response"))),
            "parked nothing_stored_matches");
  EXPECT_EQ(Deliver(Event("evt_3", "credit_note.created", 7, CreditNote("cn_1", "in_1", "issued"))),
            "parked invoice_not_stored");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "parked nothing_stored_matches") << "nothing has changed, and it isn't due";
  EXPECT_EQ(Deliver(Event("evt_4", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded"))), "processed");
  EXPECT_TRUE(replica_.notifier.TakeWoken());
  EXPECT_EQ(Deliver(Event("evt_5", "invoice.paid", 2, Invoice("in_1", "cus_1", "paid", ""))), "processed");
  replica_.worker.RunOnce();
  for (const char* id : {"evt_1", "evt_2", "evt_3"}) EXPECT_EQ(EventStatus(id), "processed") << id;
  EXPECT_EQ(Value("SELECT concat_ws(' ', status, amount_minor, provider_payment_id) FROM billing.refunds"),
            "succeeded 2900 pi_1");
  EXPECT_EQ(Value("SELECT concat_ws(' ', status, cause, provider_payment_id) FROM billing.disputes"),
            "open fraudulent pi_1");
  EXPECT_EQ(Value("SELECT concat_ws(' ', status, total_minor, number, provider_invoice_id) FROM billing.credit_notes"),
            "issued 500 CN-1 in_1");
}

// Its statements are planned while there are few rows, and the plans are kept while there come more.
TEST_F(WebhookPaymentsTest, NoTableIsReadFromEndToEndHoweverFewRowsItHad) {
  ASSERT_TRUE(replica_.worker.KeepPartitions());
  database_.Admin(R"sql(
    INSERT INTO billing.webhook_events (id, received_at, env, provider, provider_event_id, type, livemode, provider_created_at,
                                        status)
    SELECT gen_random_uuid(), billing.now(), 'test', 'stripe', 'evt_early_' || n, 'plan.created', false, billing.now(), 'ignored'
    FROM generate_series(1, 1000) n
  )sql");
  database_.ForgetScans();
  DeliverBatch({Event("evt_1", "refund.created", 5, Refund("re_1", "pi_1", "succeeded")),
                Event("evt_2", "charge.dispute.created", 6, Dispute("dp_1", "pi_1", "needs_response")),
                Event("evt_3", "credit_note.created", 7, CreditNote("cn_1", "in_1", "issued")),
                Event("evt_4", "customer.updated", 1, Customer("cus_1", nullptr)),
                Event("evt_5", "customer.subscription.created", 1, Subscription("sub_1", "cus_1", "active")),
                Event("evt_6", "payment_intent.created", 5, PaymentIntent("pi_9", "cus_none", "succeeded"))});
  DeliverBatch({Event("evt_7", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded")),
                Event("evt_8", "invoice.paid", 2, Invoice("in_1", "cus_1", "paid", "")),
                Event("evt_8", "invoice.paid", 2, Invoice("in_1", "cus_1", "paid", ""))});
  replica_.worker.RunOnce();
  Deliver(Event("evt_8", "invoice.paid", 2, Invoice("in_1", "cus_1", "paid", "")));
  database_.LinkCustomer(database_.AddWorkspace("none"), "cus_none");
  replica_.worker.RunOnce();
  replica_.worker.ReportStats();
  EXPECT_EQ(database_.ScannedTables(), "");
  const std::string searches = Value(
      "SELECT sum(i.idx_scan)::text FROM pg_stat_user_indexes i WHERE i.indexrelname LIKE "
      "'webhook_events_%_waits_for_idx'");
  EXPECT_NE(searches, "0") << "nor an index that holds all of the parked events";
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events WHERE status = 'processed'"), "8");
}

TEST_F(WebhookPaymentsTest, AWakeUpThatWasMissedIsMadeGoodByTime) {
  EXPECT_EQ(Deliver(Event("evt_1", "refund.created", 5, Refund("re_1", "pi_1", "succeeded"))),
            "parked nothing_stored_matches");
  Deliver(Event("evt_2", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded")));
  // As if the two transactions hadn't seen each other.
  database_.Admin(
      "UPDATE billing.webhook_events SET run_after = received_at + interval '10 s' WHERE status = 'parked'");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "parked nothing_stored_matches");
  database_.SetClockOffset(absl::Seconds(11));
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "processed");
}

TEST_F(WebhookPaymentsTest, AWorkerAppliesARefundAndItsChargeTogether) {
  EXPECT_EQ(Deliver(Event("evt_1", "refund.created", 5, Refund("re_1", "pi_1", "succeeded"))),
            "parked nothing_stored_matches");
  EXPECT_EQ(Deliver(Event("evt_2", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_late", "succeeded"))),
            "parked nothing_stored_matches");
  database_.LinkCustomer(database_.AddWorkspace("late"), "cus_late");
  database_.Admin("UPDATE billing.webhook_events SET run_after = billing.now()");
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "processed");
  EXPECT_EQ(EventStatus("evt_2"), "processed");
  EXPECT_EQ(Value("SELECT count(DISTINCT xmin::text)::text FROM billing.webhook_events"), "1");
}

// A child is decided on before its parent's transaction has ended, and neither sees the other's row.
TEST_F(WebhookPaymentsTest, TransactionsThatOverlapDontMissEachOther) {
  const std::string other = database_.AddWorkspace("other");
  database_.LinkCustomer(other, "cus_2");
  database_.Admin("BEGIN");
  database_.Admin("SELECT 1 FROM billing.entities WHERE id = $1 FOR UPDATE", {other});
  std::vector<std::string> early;
  std::thread child([&] {
    early = DeliverBatch({Event("evt_1", "refund.created", 5, Refund("re_1", "pi_1", "succeeded")),
                          Event("evt_2", "customer.updated", 1, Customer("cus_2", nullptr))});
  });
  const bool decided = testing::WaitUntil([&] { return WaitingTransactions() == 1; });
  Replica parents{database_, "replica-2"};
  std::atomic<bool> ended = false;
  std::thread parent([&] {
    Deliver(Event("evt_3", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded")), parents);
    ended = true;
  });
  testing::WaitUntil([&] { return ended || WaitingTransactions() == 2; });
  database_.Admin("COMMIT");
  child.join();
  parent.join();
  EXPECT_TRUE(decided);
  EXPECT_EQ(early, (std::vector<std::string>{"parked nothing_stored_matches", "processed"}));
  EXPECT_TRUE(parents.notifier.TakeWoken());
  replica_.worker.RunOnce();
  EXPECT_EQ(EventStatus("evt_1"), "processed");
}

TEST_F(WebhookPaymentsTest, OneBatchBindsWhatBelongsTogether) {
  EXPECT_EQ(DeliverBatch({
                Event("evt_1", "refund.created", 5, Refund("re_1", "pi_1", "pending")),
                Event("evt_2", "invoice_payment.paid", 2, InvoicePayment("in_1", "pi_1")),
                Event("evt_3", "payment_intent.succeeded", 2, PaymentIntent("pi_1", "cus_1", "succeeded")),
                Event("evt_4", "invoice.paid", 2, Invoice("in_1", "cus_1", "paid", "")),
            }),
            (std::vector<std::string>{"processed", "processed", "processed", "processed"}));
  EXPECT_EQ(PaymentLine(), "pi_1 succeeded 0 in_1 - cus_1 f");
}

TEST_F(WebhookPaymentsTest, WhatALinkSoldToAStrangerIsTheEntitys) {
  AddLinkOperation("op_1");
  json payment = PaymentIntent("pi_1", "cus_guest", "succeeded");
  payment["metadata"]["billmesh_operation_key"] = "op_1";
  EXPECT_EQ(Deliver(Event("evt_1", "payment_intent.succeeded", 2, payment)), "processed");
  EXPECT_EQ(Deliver(Event("evt_2", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_guest", "succeeded"))),
            "processed")
      << "bound by its payment";
  EXPECT_EQ(PaymentLine(), "pi_1 succeeded 0 - ch_1 - t");
  EXPECT_EQ(Value("SELECT concat_ws(' ', operation_key, item_code, item_quantity) FROM billing.payments"),
            "op_1 credits 3");
}

TEST_F(WebhookPaymentsTest, AnotherEntitysRefundIsQuarantined) {
  Deliver(Event("evt_1", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded")));
  const std::string other = database_.AddWorkspace("other");
  database_.LinkCustomer(other, "cus_2");
  EXPECT_EQ(Deliver(Event("evt_2", "charge.refunded", 3, Charge("ch_1", "pi_1", "cus_2", "succeeded", 2900))),
            "quarantined stored_entities_differ");
  EXPECT_EQ(PaymentLine(), "pi_1 succeeded 0 - ch_1 cus_1 t");
}

TEST_F(WebhookPaymentsTest, ADisputeAlertsOnce) {
  const int before = Disputes();
  Deliver(Event("evt_1", "charge.succeeded", 2, Charge("ch_1", "pi_1", "cus_1", "succeeded")));
  Deliver(Event("evt_2", "charge.dispute.created", 6, Dispute("dp_1", "pi_1", "needs_response")));
  Deliver(Event("evt_3", "charge.dispute.closed", 9, Dispute("dp_1", "pi_1", "lost")));
  EXPECT_EQ(Disputes(), before + 1);
  EXPECT_EQ(Value("SELECT status FROM billing.disputes"), "lost");
}

TEST_F(WebhookPaymentsTest, ADeletedCustomerEndsItsLink) {
  Deliver(Event("evt_1", "customer.updated", 1, Customer("cus_1", "pm_1")));
  EXPECT_EQ(Value("SELECT provider_default_payment_method_id FROM billing.customers"), "pm_1");
  EXPECT_EQ(
      Deliver(Event("evt_2", "customer.deleted", 5, {{"id", "cus_1"}, {"object", "customer"}, {"deleted", true}})),
      "processed");
  EXPECT_EQ(Value("SELECT (ended_at IS NOT NULL)::text FROM billing.entity_customers"), "true");
  EXPECT_EQ(Deliver(Event("evt_3", "customer.updated", 4, Customer("cus_1", "pm_2"))), "processed");
  EXPECT_EQ(Value("SELECT concat_ws(' ', deleted_at IS NOT NULL, provider_default_payment_method_id IS NULL) "
                  "FROM billing.customers"),
            "t t");
  // Its history stays the entity's.
  EXPECT_EQ(Deliver(Event("evt_4", "charge.refunded", 6, Charge("ch_1", "pi_1", "cus_1", "succeeded", 2900))),
            "processed");
}

TEST_F(WebhookPaymentsTest, MethodsComeChangeAndGo) {
  EXPECT_EQ(Deliver(Event("evt_1", "payment_method.attached", 1, Method("pm_1", "cus_1"))), "processed");
  json renewed = Method("pm_1", "cus_1");
  renewed["card"]["exp_year"] = 2038;
  EXPECT_EQ(Deliver(Event("evt_2", "payment_method.automatically_updated", 2, renewed)), "processed");
  EXPECT_EQ(Value("SELECT concat_ws(' ', type, brand, last4, exp_month, exp_year) FROM billing.payment_methods"),
            "card visa 4242 12 2038");
  json detached = Event("evt_3", "payment_method.detached", 3, Method("pm_1", nullptr));
  detached["data"]["previous_attributes"] = {{"customer", "cus_1"}};
  EXPECT_EQ(Deliver(detached), "processed");
  EXPECT_EQ(Deliver(Event("evt_4", "payment_method.updated", 2, renewed)), "processed") << "late";
  EXPECT_EQ(Value("SELECT concat_ws(' ', detached_at IS NOT NULL, provider_customer_id) FROM billing.payment_methods"),
            "t cus_1");
  // Detached before anything else of it came.
  json gone = Event("evt_5", "payment_method.detached", 3, Method("pm_2", nullptr));
  gone["data"]["previous_attributes"] = {{"customer", "cus_1"}};
  EXPECT_EQ(Deliver(gone), "processed");
  EXPECT_EQ(Deliver(Event("evt_6", "payment_method.attached", 1, Method("pm_2", "cus_1"))), "processed");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.payment_methods WHERE detached_at IS NULL"), "0");
}

}  // namespace
}  // namespace billmesh::webhook
