// Money that goes back: refunds, disputes, credit notes; and what banks do to cards.

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/stripesim/test_bench.h"

namespace stripesim {
namespace {

constexpr char kOld[] = "2024-06-20";

struct Paid {
  Json subscription;
  std::string invoice;
  std::string intent;
  std::string charge;
};

Paid PaidOnce(TestBench& bench) {
  Paid paid;
  paid.subscription = bench.Subscribed();
  paid.invoice = Str(paid.subscription, "latest_invoice");
  const Json payments = bench.Get("/v1/invoice_payments?invoice=" + paid.invoice).json;
  paid.intent = Str(payments["data"][0]["payment"], "payment_intent");
  paid.charge = Str(bench.Get("/v1/payment_intents/" + paid.intent).json, "latest_charge");
  return paid;
}

using Types = std::vector<std::string>;

TEST(MoneyBack, ARefundThatFailsGivesTheChargeItsAmountBack) {
  TestBench bench;
  const Paid paid = PaidOnce(bench);
  bench.Control("POST", "payment_behavior", {{"refund_status", "pending"}});
  const Json refund = bench.Post("/v1/refunds", "charge=" + paid.charge + "&amount=500").json;
  EXPECT_EQ(Str(refund, "status"), "pending");
  EXPECT_EQ(bench.Get("/v1/charges/" + paid.charge).json["amount_refunded"], 500);
  const std::string id = Str(refund, "id");
  EXPECT_EQ(Str(bench.Control("POST", "refunds/" + id, {{"status", "succeeded"}}), "status"), "succeeded");
  const Json failed = bench.Control("POST", "refunds/" + id, {{"status", "failed"}});
  EXPECT_EQ(Str(failed, "failure_reason"), "expired_or_canceled_card");
  EXPECT_EQ(bench.Get("/v1/charges/" + paid.charge).json["amount_refunded"], 0);
  EXPECT_EQ(bench.EventTypes(id), (Types{"refund.created", "charge.refund.updated", "refund.updated",
                                         "charge.refund.updated", "refund.updated", "refund.failed"}));
  EXPECT_EQ(bench.EventTypes(paid.charge), (Types{"charge.succeeded", "charge.refunded", "charge.updated"}));
  EXPECT_EQ(bench.Do("POST", "/_sim/refunds/" + id, R"({"status":"failed"})").status, 400) << "only once";
  EXPECT_EQ(Str(bench.Post("/v1/refunds/" + id, "metadata[a]=1").json["metadata"], "a"), "1");
}

TEST(MoneyBack, ADisputeTakesTheMoneyAndMayGiveItBack) {
  TestBench bench;
  const Paid paid = PaidOnce(bench);
  const Json dispute = bench.Control("POST", "disputes", {{"charge", paid.charge}});
  const std::string id = Str(dispute, "id");
  EXPECT_EQ(Str(dispute, "status"), "needs_response");
  EXPECT_EQ(dispute["amount"], 2000);
  EXPECT_EQ(Str(dispute, "payment_intent"), paid.intent);
  EXPECT_EQ(bench.Get("/v1/charges/" + paid.charge).json["disputed"], true);
  EXPECT_EQ(bench.Do("POST", "/_sim/disputes", Json{{"charge", paid.charge}}.dump()).status, 400);
  bench.Control("POST", "disputes/" + id, {{"status", "under_review"}});
  EXPECT_EQ(Str(bench.Control("POST", "disputes/" + id, {{"status", "won"}}), "status"), "won");
  EXPECT_EQ(bench.Do("POST", "/_sim/disputes/" + id, R"({"status":"lost"})").status, 400) << "closed";
  EXPECT_EQ(bench.EventTypes(id),
            (Types{"charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated",
                   "charge.dispute.updated", "charge.dispute.funds_reinstated", "charge.dispute.closed"}));
  EXPECT_EQ(bench.Get("/v1/disputes/" + id).json["balance_transactions"].size(), 2u);
  EXPECT_EQ(bench.Get("/v1/disputes?charge=" + paid.charge).json["data"].size(), 1u);
}

TEST(MoneyBack, AnInquiryTakesNothingUntilItEscalates) {
  TestBench bench;
  const Paid paid = PaidOnce(bench);
  const Json inquiry = bench.Control("POST", "disputes", {{"charge", paid.charge}, {"inquiry", true}});
  const std::string id = Str(inquiry, "id");
  EXPECT_EQ(Str(inquiry, "status"), "warning_needs_response");
  EXPECT_EQ(bench.EventTypes(id), Types{"charge.dispute.created"});
  bench.Control("POST", "disputes/" + id, {{"status", "needs_response"}});
  EXPECT_EQ(bench.EventTypes(id).back(), "charge.dispute.funds_withdrawn");
  EXPECT_EQ(Str(bench.Post("/v1/disputes/" + id + "/close").json, "status"), "lost");
  EXPECT_EQ(bench.EventTypes(id).back(), "charge.dispute.closed");
}

TEST(MoneyBack, APaidInvoiceIsCreditedByARefund) {
  TestBench bench;
  const Paid paid = PaidOnce(bench);
  EXPECT_EQ(bench.Post("/v1/credit_notes", "invoice=" + paid.invoice + "&amount=700").status, 400) << "to where?";
  const Json note =
      bench.Post("/v1/credit_notes", "invoice=" + paid.invoice + "&amount=700&refund_amount=700&memo=late").json;
  const std::string id = Str(note, "id");
  EXPECT_EQ(Str(note, "type"), "post_payment");
  EXPECT_EQ(Str(note, "status"), "issued");
  const std::string refund = Str(note["refunds"][0], "refund");
  EXPECT_EQ(bench.Get("/v1/refunds/" + refund).json["amount"], 700);
  EXPECT_EQ(bench.Get("/v1/invoices/" + paid.invoice).json["post_payment_credit_notes_amount"], 700);
  const Json old = bench.Do("GET", "/v1/credit_notes/" + id, "", {"", kOld}).json;
  EXPECT_EQ(Str(old, "refund"), refund);
  EXPECT_FALSE(old.contains("refunds"));
  EXPECT_EQ(bench.Post("/v1/credit_notes/" + id + "/void").status, 400) << "of open invoices only";
  bench.Post("/v1/refunds", "charge=" + paid.charge);
  EXPECT_EQ(bench.Post("/v1/credit_notes", "invoice=" + paid.invoice + "&amount=1&refund_amount=1").Code(),
            "charge_already_refunded");
  bench.Post("/v1/credit_notes/" + id, "memo=very+late");
  EXPECT_EQ(bench.EventTypes(id), (Types{"credit_note.created", "credit_note.updated"}));
  EXPECT_EQ(bench.Get("/v1/credit_notes?invoice=" + paid.invoice).json["data"].size(), 1u);
}

// A subscription whose first invoice stays open.
Json Unpaid(TestBench& bench) {
  return bench
      .Post("/v1/subscriptions", "customer=" + bench.Customer() + "&items[0][price]=" + bench.Price() +
                                     "&payment_behavior=default_incomplete")
      .json;
}

TEST(MoneyBack, AnOpenInvoiceBecomesLessAndIsRestoredByVoiding) {
  TestBench bench;
  const Json sub = Unpaid(bench);
  const std::string invoice = Str(sub, "latest_invoice");
  const std::string id = Str(bench.Post("/v1/credit_notes", "invoice=" + invoice + "&amount=500").json, "id");
  EXPECT_EQ(bench.Get("/v1/invoices/" + invoice).json["amount_remaining"], 1500);
  EXPECT_EQ(Str(bench.Post("/v1/credit_notes/" + id + "/void").json, "status"), "void");
  EXPECT_EQ(bench.EventTypes(id), (Types{"credit_note.created", "credit_note.voided"}));
  EXPECT_EQ(bench.Get("/v1/invoices/" + invoice).json["amount_remaining"], 2000);
}

TEST(MoneyBack, AnInvoiceThatIsCreditedWhollyIsPaidAndItsPaymentCanceled) {
  TestBench bench;
  const Json sub = Unpaid(bench);
  const std::string invoice = Str(sub, "latest_invoice");
  const Json payment = bench.Get("/v1/invoice_payments?invoice=" + invoice).json["data"][0];
  bench.Post("/v1/credit_notes", "invoice=" + invoice + "&amount=2000");
  EXPECT_EQ(Str(bench.Get("/v1/invoices/" + invoice).json, "status"), "paid");
  EXPECT_EQ(Str(bench.Get("/v1/subscriptions/" + Str(sub, "id")).json, "status"), "active");
  const std::string intent = Str(payment["payment"], "payment_intent");
  EXPECT_EQ(Str(bench.Get("/v1/payment_intents/" + intent).json, "status"), "canceled");
  EXPECT_EQ(bench.EventTypes(intent).back(), "payment_intent.canceled");
  EXPECT_EQ(Str(bench.Get("/v1/invoice_payments/" + Str(payment, "id")).json, "status"), "canceled");
}

TEST(MoneyBack, TheBankRenewsACard) {
  TestBench bench;
  const Paid paid = PaidOnce(bench);
  const std::string method = Str(bench.Get("/v1/payment_intents/" + paid.intent).json, "payment_method");
  bench.Control("POST", "payment_methods/" + method, {{"exp_year", 2039}});
  EXPECT_EQ(bench.EventTypes(method), (Types{"payment_method.attached", "payment_method.automatically_updated"}));
  EXPECT_EQ(bench.Get("/v1/payment_methods/" + method).json["card"]["exp_year"], 2039);
}

TEST(MoneyBack, OldShapesNameTheInvoiceOfAPayment) {
  TestBench bench;
  const Paid paid = PaidOnce(bench);
  EXPECT_FALSE(bench.Get("/v1/charges/" + paid.charge).json.contains("invoice"));
  EXPECT_EQ(Str(bench.Do("GET", "/v1/charges/" + paid.charge, "", {"", kOld}).json, "invoice"), paid.invoice);
  EXPECT_EQ(Str(bench.Do("GET", "/v1/payment_intents/" + paid.intent, "", {"", kOld}).json, "invoice"), paid.invoice);
}

TEST(MoneyBack, ADeletedCustomerTakesItsSubscriptionsAlong) {
  TestBench bench;
  const Json sub = bench.Subscribed();
  const std::string customer = Str(sub, "customer");
  EXPECT_EQ(bench.Do("DELETE", "/v1/customers/" + customer).json["deleted"], true);
  EXPECT_EQ(Str(bench.Get("/v1/subscriptions/" + Str(sub, "id")).json, "status"), "canceled");
  EXPECT_EQ(bench.EventTypes(customer).back(), "customer.deleted");
}

}  // namespace
}  // namespace stripesim
