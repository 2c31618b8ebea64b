#include "services/webhook/payment_rules.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "common/provider/object_format.h"
#include "gtest/gtest.h"
#include "services/webhook/customer_rules.h"

namespace billmesh::webhook {
namespace {

absl::Time At(int64_t seconds) { return absl::FromUnixSeconds(1'700'000'000 + seconds); }

EntityState Empty() { return {.entity_id = "e"}; }

const OperationFact kLink = {"op_id", "e", kPaymentLinkAction, std::nullopt, std::nullopt, std::nullopt, "credits", 3};

ApplyContext Context(int64_t at, const std::string& event_id) {
  ApplyContext context;
  context.version = {At(at), event_id};
  context.linked_customer_id = "cus_1";
  context.new_row_id = "row_" + event_id;
  return context;
}

ApplyContext OfLink(int64_t at, const std::string& event_id) {
  ApplyContext context = Context(at, event_id);
  context.linked_customer_id.reset();
  context.operation_key = "op_1";
  context.operation = &kLink;
  return context;
}

provider::Payment Payment(const std::string& status, const std::string& failure = "") {
  provider::Payment payment;
  payment.id = "pi_1";
  payment.status = status;
  payment.currency = "eur";
  payment.amount_minor = 2900;
  if (!failure.empty()) payment.failure_code = failure;
  payment.created_at = At(0);
  if (status == "canceled") payment.canceled_at = At(9);
  return payment;
}

provider::Charge Charge(const std::string& id, const std::string& status, int64_t created, int64_t refunded = 0) {
  provider::Charge charge;
  charge.id = id;
  charge.payment_id = "pi_1";
  charge.status = status;
  charge.currency = "eur";
  charge.amount_minor = 2900;
  charge.amount_refunded_minor = refunded;
  if (status == "failed") charge.failure_code = "card_declined";
  charge.created_at = At(created);
  return charge;
}

provider::Refund Refund(const std::string& status) {
  provider::Refund refund;
  refund.id = "re_1";
  refund.payment_id = "pi_1";
  refund.status = status;
  refund.currency = "eur";
  refund.amount_minor = 2900;
  refund.created_at = At(5);
  return refund;
}

provider::Dispute Dispute(const std::string& status) {
  provider::Dispute dispute;
  dispute.id = "dp_1";
  dispute.payment_id = "pi_1";
  dispute.status = status;
  dispute.currency = "eur";
  dispute.amount_minor = 2900;
  dispute.cause = "fraudulent";
  dispute.created_at = At(6);
  return dispute;
}

const PaymentRow& Only(const EntityState& state) {
  EXPECT_EQ(state.payments.size(), 1u);
  return state.payments.front().row;
}

TEST(PaymentRulesTest, EveryWordOfTheProvidersHasItsStatus) {
  const struct {
    const char* word;
    const char* failure;
    PaymentStatus status;
  } kCases[] = {
      {"requires_payment_method", "", PaymentStatus::kPending},
      {"requires_payment_method", "card_declined", PaymentStatus::kFailed},
      {"requires_confirmation", "", PaymentStatus::kPending},
      {"requires_action", "", PaymentStatus::kRequiresAction},
      {"requires_action", "card_declined", PaymentStatus::kRequiresAction},
      {"processing", "", PaymentStatus::kProcessing},
      {"requires_capture", "", PaymentStatus::kProcessing},
      {"succeeded", "", PaymentStatus::kSucceeded},
      {"canceled", "", PaymentStatus::kCanceled},
  };
  for (const auto& c : kCases) {
    EntityState state = Empty();
    EXPECT_STREQ(ApplyPayment(state, Payment(c.word, c.failure), Context(1, "evt_1")).result, kApplied) << c.word;
    EXPECT_EQ(Only(state).status, c.status) << c.word;
    EXPECT_EQ(Only(state).failure_code.has_value(), c.status == PaymentStatus::kFailed) << c.word;
  }
  EntityState state = Empty();
  EXPECT_EQ(ApplyPayment(state, Payment("a_word_of_next_year"), Context(1, "evt_1")).disposition, Disposition::kFailed);
  EXPECT_TRUE(state.payments.empty());
}

TEST(PaymentRulesTest, WhatThePaymentSaysWinsOverItsCharge) {
  EntityState state = Empty();
  ApplyCharge(state, Charge("ch_1", "failed", 1), Context(1, "evt_1"));
  EXPECT_EQ(Only(state).status, PaymentStatus::kFailed);
  EXPECT_EQ(Only(state).failure_code, "card_declined");
  EXPECT_FALSE(Only(state).IsKnownByItself());
  ApplyPayment(state, Payment("processing"), Context(0, "evt_0"));
  EXPECT_EQ(Only(state).status, PaymentStatus::kProcessing) << "older, but the first word of the payment itself";
  EXPECT_EQ(Only(state).failure_code, std::nullopt);
  ApplyCharge(state, Charge("ch_2", "succeeded", 2), Context(2, "evt_2"));
  EXPECT_EQ(Only(state).status, PaymentStatus::kProcessing);
  EXPECT_EQ(Only(state).succeeded_at, std::nullopt);
  ApplyPayment(state, Payment("succeeded"), Context(2, "evt_3"));
  EXPECT_EQ(Only(state).succeeded_at, At(2)) << "the charge says when";
}

TEST(PaymentRulesTest, TheLatestChargeCounts) {
  EntityState state = Empty();
  ApplyCharge(state, Charge("ch_2", "succeeded", 2), Context(2, "evt_2"));
  EXPECT_STREQ(ApplyCharge(state, Charge("ch_1", "failed", 1), Context(9, "evt_9")).result, kStale);
  EXPECT_EQ(Only(state).charge->provider_charge_id, "ch_2");
  EXPECT_EQ(Only(state).status, PaymentStatus::kSucceeded);
  ApplyCharge(state, Charge("ch_2", "succeeded", 2, 500), Context(3, "evt_3"));
  EXPECT_EQ(Only(state).amount_refunded_minor, 500);
  ApplyCharge(state, Charge("ch_2", "succeeded", 2, 0), Context(4, "evt_4"));
  EXPECT_EQ(Only(state).amount_refunded_minor, 0) << "the refund failed";
}

// The provider's times are seconds: a card that fails may be followed by one that works within the same.
TEST(PaymentRulesTest, OfChargesOfOneSecondTheOneThatWorkedCounts) {
  const auto failed = [](EntityState& s) { ApplyCharge(s, Charge("ch_9", "failed", 1), Context(1, "evt_1")); };
  const auto worked = [](EntityState& s) { ApplyCharge(s, Charge("ch_1", "succeeded", 1), Context(1, "evt_2")); };
  EntityState in_order = Empty(), reversed = Empty();
  failed(in_order), worked(in_order);
  worked(reversed), failed(reversed);
  for (EntityState* state : {&in_order, &reversed}) {
    EXPECT_EQ(Only(*state).charge->provider_charge_id, "ch_1");
    EXPECT_EQ(Only(*state).status, PaymentStatus::kSucceeded);
  }
}

provider::Payment Refused(const std::string& latest_charge) {
  provider::Payment payment = Payment("requires_payment_method", "card_declined");
  payment.latest_charge_id = latest_charge;
  return payment;
}

ApplyContext Fetched(int64_t at) {
  ApplyContext context = Context(at, "");
  context.version = FetchedVersion(At(at), "what was fetched");
  return context;
}

// Of tries that failed within one second only the payment knows which came last.
TEST(PaymentRulesTest, OfChargesOfOneSecondThePaymentNamesTheLatest) {
  for (const bool reversed : {false, true}) {
    EntityState state = Empty();
    const char* first = reversed ? "ch_1" : "ch_9";
    const char* second = reversed ? "ch_9" : "ch_1";
    ApplyPayment(state, Refused("ch_1"), Context(2, "evt_5"));
    const Applied one = ApplyCharge(state, Charge(first, "failed", 1), Context(1, "evt_1"));
    const Applied other = ApplyCharge(state, Charge(second, "failed", 1), Context(1, "evt_2"));
    EXPECT_EQ(Only(state).charge->provider_charge_id, "ch_1") << reversed;
    EXPECT_FALSE(one.fetch.has_value() || other.fetch.has_value()) << "the payment spoke of a later second";
    EXPECT_FALSE(one.tie || other.tie) << reversed;
  }
}

TEST(PaymentRulesTest, AChargeThatLostToAnotherOfItsSecondIsFetched) {
  EntityState state = Empty();
  ApplyCharge(state, Charge("ch_9", "failed", 1), Context(1, "evt_1"));
  EXPECT_FALSE(ApplyPayment(state, Refused("ch_9"), Context(1, "evt_2")).fetch.has_value());
  const Applied lost = ApplyCharge(state, Charge("ch_1", "failed", 1), Context(1, "evt_3"));
  EXPECT_STREQ(lost.result, kStale) << "for now the id decides";
  EXPECT_EQ(lost.fetch, (ObjectToFetch{provider::kPaymentKind, "pi_1"})) << "the payment may not know of it yet";
  EXPECT_FALSE(ApplyPayment(state, Refused("ch_1"), Context(2, "evt_4")).fetch.has_value()) << "its event may follow";
  // What was fetched needn't be news to us to tell that we miss something.
  EXPECT_EQ(ApplyPayment(state, Refused("ch_1"), Fetched(2)).fetch, (ObjectToFetch{provider::kChargeKind, "ch_1"}));
  const Applied taken = ApplyCharge(state, Charge("ch_1", "failed", 1), Fetched(3));
  EXPECT_STREQ(taken.result, kApplied);
  EXPECT_FALSE(taken.fetch.has_value());
  EXPECT_EQ(Only(state).charge->provider_charge_id, "ch_1");
  EXPECT_FALSE(ApplyPayment(state, Refused("ch_1"), Fetched(4)).fetch.has_value());
  EXPECT_STREQ(ApplyCharge(state, Charge("ch_9", "failed", 1), Context(5, "evt_6")).result, kStale);
}

// Whatever the payment said of an earlier moment.
TEST(PaymentRulesTest, AChargeThatSucceededCountsThoughThePaymentNamesAnother) {
  for (const bool reversed : {false, true}) {
    EntityState state = Empty();
    ApplyPayment(state, Refused("ch_9"), Context(2, "evt_1"));
    const auto failed = [&] { ApplyCharge(state, Charge("ch_9", "failed", 1), Context(2, "evt_2")); };
    if (!reversed) failed();
    EXPECT_STREQ(ApplyCharge(state, Charge("ch_1", "succeeded", 1), Context(3, "evt_3")).result, kApplied);
    if (reversed) failed();
    ApplyPayment(state, Payment("succeeded"), Context(3, "evt_4"));
    EXPECT_EQ(Only(state).charge->provider_charge_id, "ch_1");
    EXPECT_EQ(Only(state).succeeded_at, At(1));
  }
}

TEST(PaymentRulesTest, WhatAPaymentSaidBeforeAChargesEventMayBeBehindIt) {
  EntityState state = Empty();
  ApplyCharge(state, Charge("ch_9", "failed", 1), Context(1, "evt_1"));
  ApplyPayment(state, Refused("ch_9"), Context(2, "evt_2"));
  const Applied late = ApplyCharge(state, Charge("ch_1", "failed", 1), Context(3, "evt_3"));
  EXPECT_EQ(late.fetch, (ObjectToFetch{provider::kPaymentKind, "pi_1"}));
  EXPECT_FALSE(ApplyCharge(state, Charge("ch_0", "failed", 1), Context(2, "evt_4")).fetch.has_value());
}

TEST(PaymentRulesTest, APaymentThatNamesNoChargeKnowsOfNone) {
  EntityState state = Empty();
  ApplyPayment(state, Payment("requires_payment_method", "card_declined"), Context(5, "evt_1"));
  ApplyCharge(state, Charge("ch_9", "failed", 1), Context(1, "evt_2"));
  const Applied other = ApplyCharge(state, Charge("ch_1", "failed", 1), Context(1, "evt_3"));
  EXPECT_EQ(other.fetch, (ObjectToFetch{provider::kPaymentKind, "pi_1"}));
}

TEST(PaymentRulesTest, NothingIsFetchedWhereTheChargesTell) {
  EntityState state = Empty();
  EXPECT_FALSE(ApplyPayment(state, Refused("ch_1"), Context(1, "evt_0")).fetch.has_value()) << "its event may follow";
  EXPECT_FALSE(ApplyCharge(state, Charge("ch_1", "failed", 1), Context(1, "evt_1")).fetch.has_value());
  EXPECT_FALSE(ApplyCharge(state, Charge("ch_0", "failed", 2), Context(2, "evt_2")).fetch.has_value()) << "later";
  EXPECT_FALSE(ApplyCharge(state, Charge("ch_2", "succeeded", 2), Context(2, "evt_3")).fetch.has_value());
  EXPECT_FALSE(ApplyCharge(state, Charge("ch_0", "failed", 2), Context(2, "evt_2")).fetch.has_value());
  EXPECT_EQ(Only(state).charge->provider_charge_id, "ch_2");
  EXPECT_FALSE(ApplyPayment(state, Refused("ch_1"), Fetched(1)).fetch.has_value()) << "older than what we keep";
}

TEST(PaymentRulesTest, AChargeThatNeverCameIsFetched) {
  EntityState state = Empty();
  EXPECT_EQ(ApplyPayment(state, Refused("ch_1"), Fetched(1)).fetch, (ObjectToFetch{provider::kChargeKind, "ch_1"}));
  state = Empty();
  EXPECT_FALSE(ApplyPayment(state, Payment("processing"), Fetched(1)).fetch.has_value()) << "not tried yet";
}

TEST(PaymentRulesTest, TiesAreTold) {
  EntityState state = Empty();
  ApplyPayment(state, Payment("processing"), Context(1, "evt_1"));
  EXPECT_TRUE(ApplyPayment(state, Payment("requires_action"), Context(1, "evt_2")).tie);
  EXPECT_FALSE(ApplyPayment(state, Payment("succeeded"), Context(1, "evt_0")).tie) << "its stage of life decides";
  EXPECT_EQ(Only(state).status, PaymentStatus::kSucceeded);
  ApplyCharge(state, Charge("ch_1", "succeeded", 1), Context(1, "evt_3"));
  EXPECT_TRUE(ApplyCharge(state, Charge("ch_1", "succeeded", 1, 500), Context(1, "evt_4")).tie);
  state = Empty();
  ApplyPayment(state, Refused("ch_1"), Context(1, "evt_1"));
  EXPECT_TRUE(ApplyPayment(state, Refused("ch_2"), Context(1, "evt_2")).tie) << "which try was the last?";
}

TEST(PaymentRulesTest, WhatALinkSoldIsKnownForGood) {
  EntityState state = Empty();
  ApplyCharge(state, Charge("ch_1", "succeeded", 1), OfLink(1, "evt_1"));
  ApplyContext later = Context(2, "evt_2");
  later.linked_customer_id.reset();
  ApplyPayment(state, Payment("succeeded"), later);
  EXPECT_EQ(Only(state).operation_key, "op_1");
  EXPECT_EQ(Only(state).item_code, "credits");
  EXPECT_EQ(Only(state).item_quantity, 3);
  EXPECT_EQ(Only(state).provider_customer_id, std::nullopt) << "a stranger's customer";
}

TEST(PaymentRulesTest, AnInvoicePaymentNamesTheInvoice) {
  EntityState state = Empty();
  const provider::InvoicePayment paid{"inpay_1", "in_1", "pi_1", "paid", false};
  EXPECT_EQ(ApplyInvoicePayment(state, paid, Context(1, "evt_1")).disposition, Disposition::kParked);
  ApplyPayment(state, Payment("succeeded"), Context(1, "evt_2"));
  EXPECT_STREQ(ApplyInvoicePayment(state, paid, Context(1, "evt_1")).result, kApplied);
  EXPECT_STREQ(ApplyInvoicePayment(state, paid, Context(1, "evt_1")).result, kUnchanged);
  EXPECT_EQ(Only(state).provider_invoice_id, "in_1");
  const provider::InvoicePayment cash{"inpay_2", "in_1", std::nullopt, "paid", false};
  EXPECT_EQ(ApplyInvoicePayment(state, cash, Context(1, "evt_3")).reason, kPaidOutOfBand);
}

TEST(PaymentRulesTest, WhatBelongsToAPaymentWaitsForIt) {
  EntityState state = Empty();
  EXPECT_EQ(ApplyRefund(state, Refund("succeeded"), Context(1, "evt_1")).reason, kPaymentNotStored);
  EXPECT_EQ(ApplyDispute(state, Dispute("needs_response"), Context(1, "evt_2")).reason, kPaymentNotStored);
  provider::CreditNote note;
  note.id = "cn_1";
  note.invoice_id = "in_1";
  note.status = "issued";
  EXPECT_EQ(ApplyCreditNote(state, note, Context(1, "evt_3")).reason, kInvoiceNotStored);
  EXPECT_TRUE(state.refunds.empty() && state.disputes.empty() && state.credit_notes.empty());
}

TEST(PaymentRulesTest, ARefundMayFailAfterItSucceeded) {
  EntityState state = Empty();
  ApplyPayment(state, Payment("succeeded"), Context(1, "evt_1"));
  ApplyRefund(state, Refund("succeeded"), Context(5, "evt_5"));
  EXPECT_STREQ(ApplyRefund(state, Refund("pending"), Context(6, "evt_6")).result, kStale);
  ApplyRefund(state, Refund("failed"), Context(7, "evt_7"));
  EXPECT_STREQ(ApplyRefund(state, Refund("succeeded"), Context(8, "evt_8")).result, kStale) << "an end is an end";
  EXPECT_EQ(state.refunds.front().row.status, RefundStatus::kFailed);
}

TEST(PaymentRulesTest, ADisputeIsToldOnce) {
  EntityState state = Empty();
  ApplyPayment(state, Payment("succeeded"), Context(1, "evt_1"));
  EXPECT_TRUE(ApplyDispute(state, Dispute("warning_needs_response"), Context(6, "evt_6")).dispute_opened);
  EXPECT_FALSE(ApplyDispute(state, Dispute("needs_response"), Context(7, "evt_7")).dispute_opened);
  ApplyDispute(state, Dispute("lost"), Context(8, "evt_8"));
  ApplyDispute(state, Dispute("won"), Context(9, "evt_9"));
  EXPECT_EQ(state.disputes.front().row.status, DisputeStatus::kWon) << "a lost one may yet be won";
}

// WHK-5: whatever the order, the same rows.
TEST(PaymentRulesTest, AnyOrderEndsInTheSameRow) {
  const std::vector<std::function<void(EntityState&)>> events = {
      [](EntityState& s) { ApplyPayment(s, Payment("requires_payment_method"), Context(0, "evt_0")); },
      [](EntityState& s) { ApplyCharge(s, Charge("ch_1", "failed", 1), Context(1, "evt_1")); },
      [](EntityState& s) { ApplyPayment(s, Payment("requires_payment_method", "card_declined"), Context(1, "evt_2")); },
      [](EntityState& s) { ApplyCharge(s, Charge("ch_2", "succeeded", 2), Context(2, "evt_3")); },
      [](EntityState& s) { ApplyPayment(s, Payment("succeeded"), Context(2, "evt_4")); },
      [](EntityState& s) { ApplyCharge(s, Charge("ch_2", "succeeded", 2, 900), Context(4, "evt_5")); },
  };
  const auto outcome = [&](const std::vector<size_t>& order) {
    EntityState state = Empty();
    for (const size_t i : order) events[i](state);
    PaymentRow row = Only(state);
    row.id.clear();  // of the event that came first
    return row;
  };
  std::vector<size_t> order(events.size());
  std::iota(order.begin(), order.end(), 0);
  const PaymentRow expected = outcome(order);
  EXPECT_EQ(expected.status, PaymentStatus::kSucceeded);
  EXPECT_EQ(expected.amount_refunded_minor, 900);
  while (std::next_permutation(order.begin(), order.end())) ASSERT_EQ(outcome(order), expected);
}

TEST(CustomerRulesTest, ADeletedCustomerStaysDeleted) {
  EntityState state = Empty();
  provider::Customer customer;
  customer.id = "cus_1";
  customer.default_payment_method_id = "pm_1";
  ApplyCustomer(state, customer, Context(1, "evt_1"));
  EXPECT_EQ(state.customers.front().row.default_payment_method_id, "pm_1");
  provider::Customer deleted;
  deleted.id = "cus_1";
  deleted.deleted = true;
  ApplyCustomer(state, deleted, Context(2, "evt_2"));
  ApplyCustomer(state, deleted, Context(9, "evt_9"));
  EXPECT_STREQ(ApplyCustomer(state, customer, Context(10, "evt_10")).result, kStale);
  EXPECT_EQ(state.customers.front().row.deleted_at, At(2)) << "being told again doesn't move it";
  EXPECT_EQ(state.customers.front().row.default_payment_method_id, std::nullopt);
}

TEST(CustomerRulesTest, AMethodWithoutACustomerIsDetached) {
  EntityState state = Empty();
  provider::PaymentMethod method;
  method.id = "pm_1";
  method.type = "card";
  method.brand = "visa";
  method.last4 = "4242";
  method.customer_id = "cus_1";
  ApplyPaymentMethod(state, method, Context(1, "evt_1"));
  EXPECT_EQ(state.payment_methods.front().row.provider_customer_id, "cus_1");
  method.customer_id.reset();
  ApplyContext nobody = Context(2, "evt_2");
  nobody.linked_customer_id.reset();
  ApplyPaymentMethod(state, method, nobody);
  EXPECT_EQ(state.payment_methods.front().row.detached_at, At(2));
  EXPECT_EQ(state.payment_methods.front().row.provider_customer_id, "cus_1") << "whose it was";
  EntityState fresh = Empty();
  EXPECT_EQ(ApplyPaymentMethod(fresh, method, nobody).reason, kNoCustomer);
}

}  // namespace
}  // namespace billmesh::webhook
