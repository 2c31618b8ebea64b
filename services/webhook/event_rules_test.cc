#include "services/webhook/event_rules.h"

#include <algorithm>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "services/webhook/projection_outcome.h"

namespace billmesh::webhook {
namespace {

provider::Event Event(const std::string& type) {
  provider::Event event;
  event.id = "evt_1";
  event.type = type;
  event.object_id = "obj_1";
  return event;
}

std::string RouteOf(const provider::Event& event, bool livemode = false) {
  const Routed routed = Route(event, livemode);
  return std::string(NameOf(routed.disposition)) + (routed.reason.empty() ? "" : " " + routed.reason);
}

TEST(OwnershipMatrixTest, EveryFamilyHasOneOwner) {
  const struct {
    const char* type;
    Owner owner;
    bool applied;
  } kCases[] = {
      {"checkout.session.completed", Owner::kCheckoutSessions, true},
      {"checkout.session.expired", Owner::kCheckoutSessions, true},
      {"checkout.session.async_payment_failed", Owner::kCheckoutSessions, true},
      {"customer.subscription.created", Owner::kSubscriptions, true},
      {"customer.subscription.trial_will_end", Owner::kSubscriptions, true},
      {"customer.updated", Owner::kCustomers, true},
      {"customer.deleted", Owner::kCustomers, true},
      {"customer.tax_id.created", Owner::kCustomers, false},
      {"invoice.paid", Owner::kInvoices, true},
      {"invoice.payment_failed", Owner::kInvoices, true},
      {"invoice.a_type_of_next_year", Owner::kInvoices, true},
      {"invoice.upcoming", Owner::kInvoices, false},
      {"invoice.deleted", Owner::kInvoices, false},
      {"invoice_payment.paid", Owner::kPayments, true},
      {"payment_intent.succeeded", Owner::kPayments, true},
      {"charge.dispute.created", Owner::kPayments, true},
      {"refund.created", Owner::kPayments, true},
      {"credit_note.voided", Owner::kPayments, true},
      {"payment_method.attached", Owner::kPaymentMethods, true},
      {"subscription_schedule.released", Owner::kNone, false},
      {"product.created", Owner::kNone, false},
  };
  for (const auto& c : kCases) {
    const TypeRule* rule = RuleFor(c.type);
    ASSERT_NE(rule, nullptr) << c.type;
    EXPECT_EQ(rule->owner, c.owner) << c.type;
    EXPECT_EQ(rule->applied, c.applied) << c.type;
  }
  EXPECT_EQ(RuleFor("moon.landed"), nullptr);
  EXPECT_EQ(RuleFor("invoice"), nullptr) << "a family's name alone is no type";
}

TEST(OwnershipMatrixTest, WhatIsAppliedHasAKindThatItsOwnerTakes) {
  for (const TypeRule& rule : OwnershipMatrix()) {
    EXPECT_EQ(rule.applied, !rule.kind.empty()) << rule.prefix;
    if (!rule.applied) continue;
    EXPECT_EQ(OwnerOfKind(rule.kind), rule.owner) << rule.prefix;
  }
}

TEST(OwnershipMatrixTest, NoPrefixStandsTwice) {
  std::set<std::string_view> prefixes;
  for (const TypeRule& rule : OwnershipMatrix()) EXPECT_TRUE(prefixes.insert(rule.prefix).second) << rule.prefix;
}

TEST(RouteTest, SendsEventsWhereTheyBelong) {
  provider::Event paid = Event("invoice.paid");
  paid.object = provider::Invoice();
  EXPECT_EQ(RouteOf(paid), "pending");
  EXPECT_EQ(Route(paid, false).owner, Owner::kInvoices);
  EXPECT_EQ(RouteOf(paid, true), "ignored environment_mismatch");
  EXPECT_EQ(RouteOf(Event("moon.landed")), "ignored unknown_type");
  EXPECT_EQ(RouteOf(Event("product.created")), "ignored type_not_kept");
  provider::Event thin = Event("v1.invoice.paid");
  thin.thin = true;
  EXPECT_EQ(RouteOf(thin), "pending needs_fetch");
  EXPECT_EQ(Route(thin, false).kind, "invoice");
  thin.type = "v1.charge.dispute.created";
  EXPECT_EQ(Route(thin, false).kind, "dispute");
  thin.type = "v1.customer.tax_id.created";
  EXPECT_EQ(RouteOf(thin), "ignored type_not_kept");
  thin.type = "v2.core.account.updated";
  EXPECT_EQ(RouteOf(thin), "ignored unknown_type");
  provider::Event part = Event("customer.subscription.updated");
  provider::Subscription subscription;
  subscription.items_complete = false;
  part.object = subscription;
  EXPECT_EQ(RouteOf(part), "pending needs_fetch");
  EXPECT_EQ(Route(part, false).kind, "subscription");
  provider::Event connected = paid;
  connected.account = "acct_other";
  EXPECT_EQ(RouteOf(connected), "ignored connected_account");
  provider::Event broken = Event("invoice.paid");
  broken.object_error = "total: missing";
  EXPECT_EQ(RouteOf(broken), "failed object_malformed: total: missing");
  provider::Event other = Event("invoice.paid");
  other.object = provider::Subscription();
  EXPECT_EQ(RouteOf(other), "failed object_of_another_kind");
  provider::Event anonymous = paid;
  anonymous.object_id.reset();
  EXPECT_EQ(RouteOf(anonymous), "ignored object_without_id");
}

Precedence At(Stage stage, std::optional<int64_t> seconds, const std::string& event_id) {
  return {stage, {seconds ? std::optional(absl::FromUnixSeconds(*seconds)) : std::nullopt, event_id}};
}

TEST(MergeRuleTest, LaterWinsAndTheSameChangesNothing) {
  const Precedence stored = At(Stage::kLive, 100, "evt_m");
  EXPECT_TRUE(Wins(At(Stage::kLive, 101, "evt_a"), stored));
  EXPECT_FALSE(Wins(At(Stage::kLive, 99, "evt_z"), stored));
  EXPECT_FALSE(Wins(stored, stored)) << "a replay";
  EXPECT_FALSE(IsTie(stored, stored));
}

TEST(MergeRuleTest, EqualTimesAreSettledByTheEventsId) {
  const Precedence stored = At(Stage::kLive, 100, "evt_m");
  EXPECT_TRUE(Wins(At(Stage::kLive, 100, "evt_n"), stored));
  EXPECT_FALSE(Wins(At(Stage::kLive, 100, "evt_a"), stored));
  EXPECT_TRUE(IsTie(At(Stage::kLive, 100, "evt_n"), stored));
  EXPECT_TRUE(IsTie(At(Stage::kLive, 100, "evt_a"), stored));
}

Precedence Fetched(Stage stage, int64_t at, const std::string& object) {
  return {stage, FetchedVersion(absl::FromUnixSeconds(at), object)};
}

TEST(MergeRuleTest, AFetchedSnapshotIsDatedByTheWholeSecondAndMarkedByItsBytes) {
  const Version version = FetchedVersion(absl::FromUnixMillis(100'900), "{}");
  EXPECT_EQ(version.at, absl::FromUnixSeconds(100));
  EXPECT_TRUE(IsFetched(version));
  EXPECT_EQ(version, FetchedVersion(absl::FromUnixSeconds(100), "{}")) << "the same answer again is the same version";
  EXPECT_FALSE(version == FetchedVersion(absl::FromUnixSeconds(100), "{ }"));
  EXPECT_FALSE(IsFetched(At(Stage::kLive, 100, "evt_1").version));
  EXPECT_FALSE(IsFetched(At(Stage::kLive, 100, "fetched").version)) << "an event of such an id is an event";
  EXPECT_FALSE(IsFetched(Version())) << "neither is a row that nothing of the provider's wrote";
}

TEST(MergeRuleTest, AFetchedSnapshotWinsOverEarlierEventsAndLosesToThoseOfItsSecondAndLater) {
  const Precedence fetched = Fetched(Stage::kLive, 100, "{}");
  for (const char* id : {"!", "evt_a", "fetched", "~~"}) {
    EXPECT_TRUE(Wins(fetched, At(Stage::kLive, 99, id))) << id;
    EXPECT_FALSE(Wins(fetched, At(Stage::kLive, 100, id))) << id;
    EXPECT_TRUE(Wins(At(Stage::kLive, 100, id), fetched))
        << id << ": whatever the event's id, of one second it's the event";
    EXPECT_TRUE(Wins(At(Stage::kLive, 101, id), fetched)) << id;
    EXPECT_FALSE(IsTie(At(Stage::kLive, 100, id), fetched)) << "the source decides, not the id";
  }
  EXPECT_FALSE(Wins(fetched, fetched)) << "the same again";
  EXPECT_TRUE(Wins(fetched, At(Stage::kLive, std::nullopt, ""))) << "a row of checkout's own";
  EXPECT_TRUE(Wins(Fetched(Stage::kEnded, 50, "{}"), At(Stage::kLive, 100, "evt"))) << "an end is taken at any date";
  EXPECT_FALSE(Wins(Fetched(Stage::kLive, 200, "{}"), At(Stage::kEnded, 100, "evt"))) << "and never left";
}

TEST(MergeRuleTest, TwoSnapshotsOfOneSecondAreSettledByTheirMarks) {
  const Precedence a = Fetched(Stage::kLive, 100, "a"), b = Fetched(Stage::kLive, 100, "b");
  EXPECT_NE(Wins(a, b), Wins(b, a));
  EXPECT_TRUE(IsTie(a, b)) << "which is the truth, only the provider knows";
}

TEST(MergeRuleTest, TheStageOfLifeComesFirst) {
  EXPECT_TRUE(Wins(At(Stage::kEnded, 50, "a"), At(Stage::kLive, 100, "z")))
      << "a terminal state is taken, however late it comes";
  EXPECT_FALSE(Wins(At(Stage::kLive, 200, "z"), At(Stage::kEnded, 100, "a"))) << "and never left";
  EXPECT_TRUE(Wins(At(Stage::kLive, 100, "a"), At(Stage::kInitial, 100, "z"))) << "made and paid in the same second";
  EXPECT_TRUE(Wins(At(Stage::kLive, 1, ""), At(Stage::kLive, std::nullopt, "")))
      << "a row without a version is older than all";
}

// A total order: whatever order versions come in, the same one is left.
TEST(MergeRuleTest, AnyOrderEndsInTheSameVersion) {
  std::mt19937 random(20261120);
  const Stage stages[] = {Stage::kInitial, Stage::kLive, Stage::kEnding, Stage::kEnded};
  for (int round = 0; round < 200; ++round) {
    std::vector<Precedence> versions;
    for (int i = 0; i < 8; ++i) {
      const Stage stage = stages[random() % 4];
      const auto at = static_cast<int64_t>(random() % 3);
      const std::string name(1, static_cast<char>('a' + i));
      versions.push_back(random() % 2 == 0 ? At(stage, at, name) : Fetched(stage, at, name));
    }
    std::optional<Precedence> left;
    for (int order = 0; order < 20; ++order) {
      std::shuffle(versions.begin(), versions.end(), random);
      Precedence stored = versions[0];
      for (const Precedence& next : versions) {
        if (Wins(next, stored)) stored = next;
      }
      if (!left) left = stored;
      EXPECT_EQ(stored.version, left->version) << "round " << round;
    }
  }
}

TEST(DispositionTest, NamesGoBothWays) {
  for (const Disposition d :
       {Disposition::kPending, Disposition::kProcessed, Disposition::kIgnored, Disposition::kParked,
        Disposition::kQuarantined, Disposition::kFailed, Disposition::kDead}) {
    EXPECT_EQ(ParseDisposition(NameOf(d)), d);
  }
  EXPECT_FALSE(ParseDisposition("done").has_value());
}

}  // namespace
}  // namespace billmesh::webhook
