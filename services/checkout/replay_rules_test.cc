#include "services/checkout/replay_rules.h"

#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

TEST(DecideSendingTest, EveryCombinationOfFacts) {
  for (int bits = 0; bits < 32; ++bits) {
    const SendingFacts facts{.known_object = (bits & 1) != 0,
                             .fresh = (bits & 2) != 0,
                             .deadline_passed = (bits & 4) != 0,
                             .provenance_matches = (bits & 8) != 0,
                             .owned_by_entity = (bits & 16) != 0};
    const Sending sending = DecideSending(facts);
    const bool sends = sending == Sending::kFirst || sending == Sending::kReplay;
    // IDM-6, IDM-7: no create goes out past the deadline or as another client's.
    if (facts.deadline_passed || !facts.provenance_matches) {
      EXPECT_FALSE(sends) << bits;
    }
    // IDM-9: what is known is retrieved, and nothing else is.
    EXPECT_EQ(sending == Sending::kRetrieve, facts.known_object) << bits;
    // Only a step that nobody can have sent counts as a first sending.
    if (sending == Sending::kFirst) {
      EXPECT_TRUE(facts.fresh) << bits;
    }
    // CHK-10: only the entity's own step is looked up and made anew without a hold.
    if (sending == Sending::kLookUp) {
      EXPECT_TRUE(facts.owned_by_entity) << bits;
    }
    if (sending == Sending::kWithhold) {
      EXPECT_FALSE(facts.owned_by_entity) << bits;
    }
    if (!facts.known_object && !facts.deadline_passed && facts.provenance_matches) {
      EXPECT_TRUE(sends) << bits;
    }
  }
}

TEST(ProvenanceTest, OnlyMinorVersionsOfOurClientMayDiffer) {
  const provider::Provenance frozen{"stripe", "2026-10-28.endive", "acct_1", "billmesh-stripe", "1.4.2"};
  EXPECT_TRUE(ProvenanceAllowsReplay(frozen, frozen));
  auto with = [&](auto change) {
    provider::Provenance present = frozen;
    change(present);
    return ProvenanceAllowsReplay(frozen, present);
  };
  EXPECT_TRUE(with([](auto& p) { p.client_version = "1.5.0"; }));
  EXPECT_TRUE(with([](auto& p) { p.client_version = "1"; }));
  EXPECT_FALSE(with([](auto& p) { p.client_version = "2.0.0"; }));
  EXPECT_FALSE(with([](auto& p) { p.client_version = "10.0.0"; }));
  EXPECT_FALSE(with([](auto& p) { p.client_version = ""; }));
  EXPECT_FALSE(with([](auto& p) { p.client_name = "other"; }));
  EXPECT_FALSE(with([](auto& p) { p.api_version = "2026-03-25.dahlia"; }));
  EXPECT_FALSE(with([](auto& p) { p.account_id = "acct_2"; }));
  EXPECT_FALSE(with([](auto& p) { p.provider = "other"; }));
}

}  // namespace
}  // namespace billmesh::checkout
