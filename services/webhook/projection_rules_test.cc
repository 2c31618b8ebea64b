#include "services/webhook/projection_rules.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

absl::Time At(int64_t seconds) { return absl::FromUnixSeconds(1'700'000'000 + seconds); }

const OperationFact kOperation = {"op_id", "e", "checkout", "pro", 2, "cus_1"};

ApplyContext Context(int64_t at, const std::string& event_id, const std::string& operation_key = "op_1") {
  ApplyContext context;
  context.version = {At(at), event_id};
  context.operation_key = operation_key;
  context.operation = &kOperation;
  context.new_row_id = "row_" + event_id;
  return context;
}

ApplyContext Unknown(int64_t at, const std::string& event_id) {
  ApplyContext context;
  context.version = {At(at), event_id};
  context.new_row_id = "row_" + event_id;
  return context;
}

provider::CheckoutSession Session(const std::string& status, const std::string& payment = "paid") {
  provider::CheckoutSession session;
  session.id = "cs_1";
  session.mode = "subscription";
  session.status = status;
  session.payment_status = payment;
  session.customer_id = "cus_1";
  if (status == "complete") session.subscription_id = "sub_1";
  session.expires_at = At(86400);
  return session;
}

provider::Subscription Subscription(const std::string& status, const std::string& id = "sub_1", int64_t created = 0) {
  provider::Subscription subscription;
  subscription.id = id;
  subscription.status = status;
  subscription.customer_id = "cus_1";
  subscription.created_at = At(created);
  subscription.items = {{"si_" + id, "price_1", 1, At(0), At(1000)}};
  return subscription;
}

EntityState Empty() { return {.entity_id = "e"}; }

// An entity whose checkout wrote its session's row.
EntityState WithSession(SessionStatus status) {
  EntityState state = Empty();
  TrackedSession& tracked = state.sessions.emplace_back();
  tracked.row.id = "s";
  tracked.row.entity_id = "e";
  tracked.row.operation_key = "op_1";
  if (status != SessionStatus::kRecoveryVerificationPending) tracked.row.provider_session_id = "cs_1";
  tracked.row.status = status;
  tracked.row.expires_at = At(86400);
  tracked.stored = tracked.row;
  return state;
}

const SessionRow& TheSession(const EntityState& state) { return state.sessions.at(0).row; }
const SubscriptionRow& TheSubscription(const EntityState& state) { return state.subscriptions.at(0).row; }

TEST(SessionRuleTest, CompletionWaitsForTheSubscriptionAndIsReconciledByIt) {
  EntityState state = WithSession(SessionStatus::kOpen);
  const Applied completed = ApplyCheckoutSession(state, Session("complete"), Context(10, "evt_1"));
  EXPECT_STREQ(completed.result, kApplied);
  EXPECT_EQ(TheSession(state).status, SessionStatus::kCompletedPendingSubscription);
  EXPECT_EQ(TheSession(state).provider_subscription_id, "sub_1");
  ASSERT_EQ(completed.session_changes.size(), 1u);
  EXPECT_EQ(completed.session_changes[0].from, SessionStatus::kOpen);
  const Applied created = ApplySubscription(state, Subscription("active"), Context(11, "evt_2"));
  EXPECT_EQ(TheSession(state).status, SessionStatus::kCompletedReconciled);
  ASSERT_EQ(created.session_changes.size(), 1u);
  EXPECT_EQ(created.session_changes[0].to, SessionStatus::kCompletedReconciled);
}

TEST(SessionRuleTest, ASubscriptionThatCameFirstReconcilesAtOnceThroughThePendingState) {
  EntityState state = WithSession(SessionStatus::kOpen);
  ApplySubscription(state, Subscription("active"), Context(11, "evt_2"));
  EXPECT_EQ(TheSession(state).status, SessionStatus::kOpen) << "a subscription event says nothing of the session";
  ApplyCheckoutSession(state, Session("complete"), Context(10, "evt_1"));
  EXPECT_EQ(TheSession(state).status, SessionStatus::kCompletedReconciled);
  EXPECT_EQ(state.sessions[0].path, (std::vector<SessionStatus>{SessionStatus::kCompletedPendingSubscription,
                                                                SessionStatus::kCompletedReconciled}))
      << "the database checks each move";
}

TEST(SessionRuleTest, EveryMoveIsOneThatTheMatrixAllows) {
  for (const auto& status : checkout::kSessionStatuses) {
    for (const char* word : {"open", "complete", "expired"}) {
      for (const bool projected : {false, true}) {
        EntityState state = WithSession(status.status);
        if (projected) ApplySubscription(state, Subscription("active"), Context(1, "evt_0"));
        SessionStatus from = TheSession(state).status;
        state.sessions[0].path.clear();
        ApplyCheckoutSession(state, Session(word), Context(10, "evt_1"));
        for (const SessionStatus to : state.sessions[0].path) {
          EXPECT_TRUE(checkout::MayMove(from, to)) << checkout::NameOf(from) << " → " << checkout::NameOf(to);
          from = to;
        }
        EXPECT_EQ(from, TheSession(state).status);
      }
    }
  }
}

TEST(SessionRuleTest, ExpiryEndsAnOpenSessionAndNothingElse) {
  EntityState open = WithSession(SessionStatus::kOpen);
  const Applied expired = ApplyCheckoutSession(open, Session("expired", "unpaid"), Context(10, "evt_1"));
  EXPECT_EQ(TheSession(open).status, SessionStatus::kExpired);
  EXPECT_FALSE(TheSession(open).url.has_value());
  ASSERT_EQ(expired.session_changes.size(), 1u);
  EntityState completed = WithSession(SessionStatus::kCompletedPendingSubscription);
  ApplyCheckoutSession(completed, Session("expired", "unpaid"), Context(10, "evt_1"));
  EXPECT_EQ(TheSession(completed).status, SessionStatus::kCompletedPendingSubscription);
}

TEST(SessionRuleTest, AHoldGivesWayToTheProvidersWord) {
  EntityState state = WithSession(SessionStatus::kRecoveryVerificationPending);
  ApplyCheckoutSession(state, Session("complete"), Context(10, "evt_1"));
  EXPECT_EQ(TheSession(state).status, SessionStatus::kCompletedPendingSubscription);
  EXPECT_EQ(TheSession(state).provider_session_id, "cs_1");
}

TEST(SessionRuleTest, PaidAfterItsEndItKeepsItsStateAndIsMarkedLate) {
  for (const SessionStatus end : {SessionStatus::kExpired, SessionStatus::kAbandoned}) {
    EntityState state = WithSession(end);
    const Applied late = ApplyCheckoutSession(state, Session("complete"), Context(10, "evt_1"));
    EXPECT_EQ(TheSession(state).status, end);
    EXPECT_EQ(TheSession(state).late_paid_at, At(10));
    ASSERT_EQ(late.session_changes.size(), 1u);
    EXPECT_TRUE(late.session_changes[0].paid_late);
    const Applied again = ApplyCheckoutSession(state, Session("complete"), Context(12, "evt_2"));
    EXPECT_EQ(TheSession(state).late_paid_at, At(10)) << "the first time counts";
    EXPECT_TRUE(again.session_changes.empty()) << "and is told once";
    ApplySubscription(state, Subscription("active"), Context(13, "evt_3"));
    EXPECT_TRUE(TheSubscription(state).is_current) << "what was paid for is projected all the same";
  }
}

TEST(SessionRuleTest, CompletedButUnpaidIsNotLateYet) {
  EntityState state = WithSession(SessionStatus::kExpired);
  ApplyCheckoutSession(state, Session("complete", "unpaid"), Context(10, "evt_1"));
  EXPECT_FALSE(TheSession(state).late_paid_at.has_value());
  ApplyCheckoutSession(state, Session("complete", "paid"), Context(20, "evt_2"));
  EXPECT_EQ(TheSession(state).late_paid_at, At(20));
}

TEST(SessionRuleTest, ACompletedSessionWithoutItsRowIsMadeFromTheOperation) {
  EntityState state = Empty();
  const Applied applied = ApplyCheckoutSession(state, Session("complete"), Context(10, "evt_1"));
  ASSERT_EQ(state.sessions.size(), 1u);
  const SessionRow& row = TheSession(state);
  EXPECT_EQ(row.id, "row_evt_1");
  EXPECT_EQ(row.operation_id, "op_id");
  EXPECT_EQ(row.operation_key, "op_1");
  EXPECT_EQ(row.plan_code, "pro");
  EXPECT_EQ(row.plan_version, 2);
  EXPECT_EQ(row.status, SessionStatus::kCompletedPendingSubscription);
  ASSERT_EQ(applied.session_changes.size(), 1u);
  EXPECT_FALSE(applied.session_changes[0].from.has_value());
  EXPECT_FALSE(applied.before_digest.has_value());
}

TEST(SessionRuleTest, ALateSessionWhosePlaceIsTakenNeverBlocksToo) {
  EntityState state = WithSession(SessionStatus::kOpen);  // of another operation
  state.sessions[0].row.operation_key = "op_0";
  state.sessions[0].row.provider_session_id = "cs_0";
  const Applied applied = ApplyCheckoutSession(state, Session("complete"), Context(10, "evt_1"));
  EXPECT_EQ(state.sessions[0].row.status, SessionStatus::kOpen);
  EXPECT_EQ(state.sessions[1].row.status, SessionStatus::kAbandoned);
  EXPECT_EQ(state.sessions[1].row.late_paid_at, At(10));
  EXPECT_TRUE(applied.session_changes.at(0).paid_late);
}

TEST(SessionRuleTest, WhatIsNotOurCheckoutIsIgnoredByName) {
  EntityState state = Empty();
  EXPECT_EQ(ApplyCheckoutSession(state, Session("complete"), Unknown(1, "e")).reason, kNotOurCheckout);
  EXPECT_EQ(ApplyCheckoutSession(state, Session("open"), Context(1, "e")).reason, kSessionStillOpen);
  provider::CheckoutSession payment = Session("complete");
  payment.mode = "payment";
  EXPECT_EQ(ApplyCheckoutSession(state, payment, Context(1, "e")).reason, kSessionModeNotKept);
  const OperationFact link = {"op_id", "e", kPaymentLinkAction, std::nullopt, std::nullopt, std::nullopt};
  ApplyContext of_link = Context(1, "e");
  of_link.operation = &link;
  EXPECT_EQ(ApplyCheckoutSession(state, payment, of_link).reason, kPaymentLinkSession);
  EXPECT_EQ(ApplyCheckoutSession(state, Session("complete"), of_link).reason, kNotOurCheckout);
  EXPECT_EQ(ApplyCheckoutSession(state, Session("half_done"), Context(1, "e")).disposition, Disposition::kFailed);
  EXPECT_TRUE(state.sessions.empty());
}

TEST(SubscriptionRuleTest, EveryStatusOfTheProvidersHasItsPlace) {
  const std::map<std::string, bool> kCurrent = {
      {"incomplete", true}, {"incomplete_expired", false}, {"trialing", true}, {"active", true},
      {"past_due", true},   {"canceled", false},           {"unpaid", true},   {"paused", true}};
  for (const auto& [word, current] : kCurrent) {
    EntityState state = Empty();
    const Applied applied = ApplySubscription(state, Subscription(word), Unknown(1, "evt_1"));
    EXPECT_EQ(applied.disposition, Disposition::kProcessed);
    EXPECT_EQ(RowOf(TheSubscription(state).status).name, word);
    EXPECT_EQ(TheSubscription(state).is_current, current) << word;
  }
  EXPECT_EQ(kCurrent.size(), kSubscriptionStatuses.size());
  EntityState state = Empty();
  EXPECT_EQ(ApplySubscription(state, Subscription("dormant"), Unknown(1, "evt_1")).disposition, Disposition::kFailed);
  EXPECT_TRUE(state.subscriptions.empty()) << "a failed event changes nothing";
}

TEST(SubscriptionRuleTest, AnOlderEventChangesNothing) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("past_due"), Unknown(20, "evt_2"));
  const SubscriptionRow before = TheSubscription(state);
  const Applied stale = ApplySubscription(state, Subscription("active"), Unknown(10, "evt_1"));
  EXPECT_STREQ(stale.result, kStale);
  EXPECT_EQ(TheSubscription(state), before);
  EXPECT_FALSE(stale.after_digest.has_value());
}

TEST(SubscriptionRuleTest, AnEndIsNeverLeft) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("canceled"), Unknown(10, "evt_1"));
  ApplySubscription(state, Subscription("active"), Unknown(30, "evt_3"));
  EXPECT_EQ(TheSubscription(state).status, SubscriptionStatus::kCanceled);
  EXPECT_FALSE(TheSubscription(state).is_current);
}

TEST(SubscriptionRuleTest, ItsTimeOfMakingIsSetOnce) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("active", "sub_1", 5), Unknown(10, "evt_1"));
  ApplySubscription(state, Subscription("active", "sub_1", 99), Unknown(20, "evt_2"));
  EXPECT_EQ(TheSubscription(state).provider_created_at, At(5));
}

TEST(SubscriptionRuleTest, ItemsFollowTheSnapshotAndKeepTheirRows) {
  EntityState state = Empty();
  provider::Subscription first = Subscription("active");
  first.items = {{"si_b", "price_b", 1}, {"si_a", "price_a", 1}};
  ApplySubscription(state, first, Unknown(10, "evt_1"));
  auto& items = state.subscriptions[0].row.items;
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].provider_item_id, "si_a");
  items[0].id = "uuid_a";
  items[1].id = "uuid_b";
  provider::Subscription second = Subscription("active");
  second.items = {{"si_a", "price_a", 5}, {"si_c", "price_c", std::nullopt}};
  ApplySubscription(state, second, Unknown(20, "evt_2"));
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].id, "uuid_a");
  EXPECT_EQ(items[0].quantity, 5);
  EXPECT_EQ(items[1].provider_item_id, "si_c");
  EXPECT_EQ(items[1].id, "");
  provider::Subscription part = Subscription("active");
  part.items = {{"si_d", "price_d", 1}};
  part.items_complete = false;
  EXPECT_EQ(ApplySubscription(state, part, Unknown(30, "evt_3")).reason, kPartOfItems);
  EXPECT_EQ(items.size(), 2u)
      << "items that a part list doesn't show may still be there: who has one fetches the whole";
  provider::Subscription twice = Subscription("active");
  twice.items = {{"si_a", "price_a", 1}, {"si_a", "price_a", 2}};
  EXPECT_EQ(ApplySubscription(state, twice, Unknown(40, "evt_4")).reason, kRepeatedItem);
}

TEST(SubscriptionRuleTest, TheSameContentAgainIsNewerAndNoChange) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("active"), Unknown(10, "evt_1"));
  state.subscriptions[0].stored = state.subscriptions[0].row;
  const Applied again = ApplySubscription(state, Subscription("active"), Unknown(20, "evt_2"));
  EXPECT_STREQ(again.result, kUnchanged);
  EXPECT_TRUE(state.subscriptions[0].Written()) << "its version moved on";
  EXPECT_FALSE(state.ContentChanged()) << "but the entity's revision needn't";
  const Applied replay = ApplySubscription(state, Subscription("active"), Unknown(20, "evt_2"));
  EXPECT_STREQ(replay.result, kStale);
  EXPECT_FALSE(replay.tie);
}

TEST(CanonicalRuleTest, TheEarliestMadeIsCurrentAndEachOtherIsADuplicateOnce) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("active", "sub_2", 20), Unknown(1, "evt_1"));
  EXPECT_TRUE(state.subscriptions[0].row.is_current);
  ApplySubscription(state, Subscription("active", "sub_1", 10), Unknown(2, "evt_2"));
  EXPECT_FALSE(state.subscriptions[0].row.is_current);
  EXPECT_TRUE(state.subscriptions[1].row.is_current);
  ApplySubscription(state, Subscription("past_due", "sub_2", 20), Unknown(3, "evt_3"));
  ASSERT_EQ(state.duplicates.size(), 1u);
  EXPECT_EQ(state.duplicates[0].provider_subscription_id, "sub_2");
  EXPECT_EQ(state.duplicates[0].canonical_subscription_id, "row_evt_2");
  ApplySubscription(state, Subscription("canceled", "sub_1", 10), Unknown(4, "evt_4"));
  EXPECT_TRUE(state.subscriptions[0].row.is_current) << "the other one takes its place";
  EXPECT_FALSE(state.subscriptions[1].row.is_current);
}

TEST(CanonicalRuleTest, IncompleteOnesComeLastAndTheLowestIdDecidesATie) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("incomplete", "sub_1", 1), Unknown(1, "evt_1"));
  EXPECT_FALSE(ApplySubscription(state, Subscription("active", "sub_2", 5), Unknown(2, "evt_2")).canonical_tie);
  EXPECT_TRUE(state.subscriptions[1].row.is_current);
  EXPECT_TRUE(ApplySubscription(state, Subscription("active", "sub_0", 5), Unknown(3, "evt_3")).canonical_tie);
  EXPECT_TRUE(state.subscriptions[2].row.is_current);
}

TEST(InvoiceRuleTest, FollowsItsLife) {
  EntityState state = Empty();
  provider::Invoice invoice;
  invoice.id = "in_1";
  invoice.customer_id = "cus_1";
  invoice.currency = "eur";
  invoice.status = "paid";
  invoice.total_minor = 1900;
  EXPECT_STREQ(ApplyInvoice(state, invoice, Unknown(10, "evt_1")).result, kApplied);
  invoice.status = "open";
  EXPECT_STREQ(ApplyInvoice(state, invoice, Unknown(10, "evt_2")).result, kStale)
      << "opened and paid in the same second";
  invoice.status = "draft";
  EXPECT_STREQ(ApplyInvoice(state, invoice, Unknown(99, "evt_3")).result, kStale);
  EXPECT_EQ(state.invoices.at(0).row.status, InvoiceStatus::kPaid);
  invoice.status = "lost";
  EXPECT_EQ(ApplyInvoice(state, invoice, Unknown(99, "evt_4")).reason, kUnknownStatus);
}

TEST(InvoiceRuleTest, NamesItsCustomerOnlyWhereThatIsLinked) {
  EntityState state = Empty();
  provider::Invoice invoice;
  invoice.id = "in_1";
  invoice.customer_id = "cus_payer";
  invoice.status = "open";
  EXPECT_STREQ(ApplyInvoice(state, invoice, Unknown(10, "evt_1")).result, kApplied);
  EXPECT_EQ(state.invoices.at(0).row.provider_customer_id, std::nullopt);
  ApplyContext linked = Unknown(11, "evt_2");
  linked.linked_customer_id = "cus_payer";
  EXPECT_STREQ(ApplyInvoice(state, invoice, linked).result, kApplied);
  EXPECT_EQ(state.invoices.at(0).row.provider_customer_id, "cus_payer");
}

ApplyContext FetchedAt(int64_t at, const std::string& object, const std::string& operation_key = "op_1") {
  ApplyContext context = Context(at, "fetch_" + object, operation_key);
  context.version = FetchedVersion(At(at), object);
  return context;
}

TEST(FetchedRuleTest, ALateEventOfBeforeTheFetchChangesNothingAndOneOfAfterItWins) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("incomplete"), Context(10, "evt_1"));
  EXPECT_STREQ(ApplySubscription(state, Subscription("past_due"), FetchedAt(20, "f")).result, kApplied);
  EXPECT_STREQ(ApplySubscription(state, Subscription("past_due"), FetchedAt(20, "f")).result, kStale)
      << "the same again";
  EXPECT_STREQ(ApplySubscription(state, Subscription("active"), Context(19, "evt_2")).result, kStale);
  EXPECT_EQ(TheSubscription(state).status, SubscriptionStatus::kPastDue);
  EXPECT_STREQ(ApplySubscription(state, Subscription("active"), Context(20, "evt_3")).result, kApplied);
  EXPECT_EQ(TheSubscription(state).status, SubscriptionStatus::kActive);
}

TEST(FetchedRuleTest, TheSameContentOfALaterDateMovesTheVersionAlone) {
  EntityState state = Empty();
  ApplySubscription(state, Subscription("active"), Context(10, "evt_1"));
  state.subscriptions[0].stored = state.subscriptions[0].row;
  EXPECT_STREQ(ApplySubscription(state, Subscription("active"), FetchedAt(20, "f")).result, kUnchanged);
  EXPECT_TRUE(state.subscriptions[0].Written()) << "else an older event that comes later would win";
  EXPECT_FALSE(state.ContentChanged());
}

// Invariant 7 in small: one life, every order of its events and fetches with repeats, one projection.
TEST(ConvergenceTest, AnyOrderOfALifesEventsEndsInTheSameRows) {
  using Step = std::function<void(EntityState&)>;
  const std::vector<Step> life = {
      [](EntityState& s) { ApplySubscription(s, Subscription("incomplete"), Context(10, "evt_b")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("active"), Context(10, "evt_a")); },
      [](EntityState& s) { ApplyCheckoutSession(s, Session("complete", "unpaid"), Context(10, "evt_c")); },
      [](EntityState& s) { ApplyCheckoutSession(s, Session("complete", "paid"), Context(12, "evt_d")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("active", "sub_0", 7), Unknown(15, "evt_e")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("past_due"), Context(20, "evt_f")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("past_due"), FetchedAt(20, "f1")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("unpaid"), FetchedAt(20, "f2")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("unpaid"), FetchedAt(25, "f3")); },
      [](EntityState& s) { ApplyCheckoutSession(s, Session("complete", "paid"), FetchedAt(11, "f4")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("active", "sub_0", 7), FetchedAt(15, "f5")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("canceled"), Unknown(30, "evt_g")); },
      [](EntityState& s) { ApplySubscription(s, Subscription("active"), Context(30, "evt_h")); },
  };
  const auto describe = [](const EntityState& state) {
    std::map<std::string, std::string> rows;  // our own ids depend on the order; contents and versions must not
    for (const auto& t : state.subscriptions) {
      rows[t.row.provider_subscription_id] = DigestOf(t.row) + t.row.version.event_id;
    }
    for (const auto& t : state.sessions) rows[t.row.operation_key] = DigestOf(t.row) + t.row.version.event_id;
    return rows;
  };
  for (const SessionStatus start : {SessionStatus::kOpen, SessionStatus::kAbandoned, SessionStatus::kExpired}) {
    std::optional<std::map<std::string, std::string>> expected;
    std::mt19937 random(7);
    for (int order = 0; order < 500; ++order) {
      std::vector<Step> steps = life;
      if (order > 0) {
        for (int repeat = 0; repeat < 3; ++repeat) steps.push_back(life[random() % life.size()]);
        std::shuffle(steps.begin(), steps.end(), random);
      }
      EntityState state = WithSession(start);
      for (const Step& step : steps) step(state);
      if (!expected) expected = describe(state);
      ASSERT_EQ(describe(state), *expected) << "order " << order << " from " << checkout::NameOf(start);
    }
    EXPECT_EQ(expected->size(), 3u);
  }
}

}  // namespace
}  // namespace billmesh::webhook
