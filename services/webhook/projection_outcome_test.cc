#include "services/webhook/projection_outcome.h"

#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

ObjectResult Result(Disposition disposition, const char* reason = "", const char* entity_id = "") {
  ObjectResult result;
  result.disposition = disposition;
  result.reason = reason;
  result.entity_id = entity_id;
  return result;
}

ObjectResult Processed(const char* what) {
  ObjectResult result = Result(Disposition::kProcessed, "", "e");
  result.applied.result = what;
  return result;
}

TEST(ProjectionOutcomeTest, WhatIsProcessedChangedSomethingOrDidNot) {
  EXPECT_EQ(OutcomeOf(Processed(kApplied)), ProjectionOutcome::kChanged);
  EXPECT_EQ(OutcomeOf(Processed(kUnchanged)), ProjectionOutcome::kUnchanged);
  EXPECT_EQ(OutcomeOf(Processed(kStale)), ProjectionOutcome::kUnchanged);
  ObjectResult freed = Processed(kUnchanged);
  freed.applied.session_changes.push_back({"op_1", "cs_1", std::nullopt, SessionStatus::kCompletedReconciled});
  EXPECT_EQ(OutcomeOf(freed), ProjectionOutcome::kChanged) << "a session waited for it";
}

TEST(ProjectionOutcomeTest, EveryOtherEndHasItsWord) {
  EXPECT_EQ(OutcomeOf(Result(Disposition::kParked, kNothingStoredMatches)), ProjectionOutcome::kUnbound);
  EXPECT_EQ(OutcomeOf(Result(Disposition::kParked, kCustomerNotLinked)), ProjectionOutcome::kUnbound);
  EXPECT_EQ(OutcomeOf(Result(Disposition::kQuarantined, "metadata_env_differs")), ProjectionOutcome::kContradicted);
  EXPECT_EQ(OutcomeOf(Result(Disposition::kFailed, kUnknownStatus, "e")), ProjectionOutcome::kRefused);
  EXPECT_EQ(OutcomeOf(Result(Disposition::kIgnored, kEnvironmentMismatch)), ProjectionOutcome::kRefused);
  EXPECT_EQ(OutcomeOf(Result(Disposition::kIgnored, kNotOurCheckout)), ProjectionOutcome::kUnbound);
  EXPECT_EQ(OutcomeOf(Result(Disposition::kIgnored, kNotOurCheckout, "e")), ProjectionOutcome::kRefused)
      << "of an entity of ours, but not one of our checkouts";
  EXPECT_EQ(OutcomeOf(Result(Disposition::kPending)), ProjectionOutcome::kRefused);
}

TEST(ProjectionOutcomeTest, EachKindHasItsOwnerAndNoOtherIsTaken) {
  EXPECT_EQ(OwnerOfKind("checkout_session"), Owner::kCheckoutSessions);
  EXPECT_EQ(OwnerOfKind("subscription"), Owner::kSubscriptions);
  EXPECT_EQ(OwnerOfKind("invoice"), Owner::kInvoices);
  EXPECT_EQ(OwnerOfKind("customer"), Owner::kCustomers);
  EXPECT_EQ(OwnerOfKind("payment_method"), Owner::kPaymentMethods);
  for (const char* kind : {"payment", "charge", "refund", "dispute", "credit_note", "invoice_payment"}) {
    EXPECT_EQ(OwnerOfKind(kind), Owner::kPayments) << kind;
  }
  for (const char* kind : {"", "payment_link", "checkout.session", "Invoice"}) EXPECT_FALSE(OwnerOfKind(kind)) << kind;
}

TEST(ProjectionOutcomeTest, IdAndModeComeFromEachKindOfObject) {
  provider::CheckoutSession session;
  provider::Subscription subscription;
  provider::Invoice invoice;
  session.id = "cs_1";
  subscription.id = "sub_1";
  invoice.id = "in_1";
  EXPECT_EQ(IdOf(session), "cs_1");
  EXPECT_EQ(IdOf(subscription), "sub_1");
  EXPECT_EQ(IdOf(invoice), "in_1");
  EXPECT_EQ(IdOf(ProviderObject()), "");
  EXPECT_EQ(LivemodeOf(invoice), false);
  session.livemode = subscription.livemode = invoice.livemode = true;
  EXPECT_EQ(LivemodeOf(session), true);
  EXPECT_EQ(LivemodeOf(subscription), true);
  EXPECT_EQ(LivemodeOf(invoice), true);
}

}  // namespace
}  // namespace billmesh::webhook
