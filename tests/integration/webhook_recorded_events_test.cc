// Real input: every recorded event and object of the reference data goes through the service; each is accepted, stored,
// and projected or ignored by name. None is lost, and none fails.
#include <map>
#include <set>
#include <vector>

#include "common/testing/shared_data.h"
#include "tests/integration/webhook_world.h"
#include "tests/support/recorded_events.h"

namespace billmesh::webhook {
namespace {

using testing::RecordedEvent;

class RecordedEventsTest : public ::testing::Test {
 protected:
  // An entity for each customer of the events, in the environment whose mode the event has.
  void LinkCustomers(const std::vector<RecordedEvent>& events) {
    std::set<std::string> linked;
    for (const RecordedEvent& event : events) {
      const Incoming incoming = Parsed(event.payload);
      const auto& customer = incoming.event.customer_id;
      if (!customer.has_value() || !linked.insert(*customer).second) continue;
      database_.LinkCustomer(database_.AddWorkspace(absl::StrCat("ws", linked.size())), *customer);
    }
  }

  testing::TestDatabase database_;
};

TEST_F(RecordedEventsTest, EveryOneIsAcceptedStoredAndProjectedOrIgnoredByName) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const std::vector<RecordedEvent> events = testing::AllRecordedEvents(*data);
  LinkCustomers(events);
  // Two deployments over the same rows, so that events of both modes meet the one that serves them.
  Replica test(database_, "test-mode");
  BatchSettings live_settings = DefaultSettings();
  live_settings.livemode = true;
  Replica live(database_, "live-mode", live_settings);

  std::map<std::string, int> counts;
  for (const RecordedEvent& event : events) {
    Replica& replica = event.livemode ? live : test;
    const auto result = replica.service.Apply({Parsed(event.payload)})[0];
    ASSERT_TRUE(result.ok()) << event.file << ": " << result.status();
    const std::string outcome = absl::StrCat(std::string(NameOf(result->disposition)), " ", result->reason);
    ++counts[outcome];
    const bool kept = result->disposition == Disposition::kProcessed || result->disposition == Disposition::kIgnored ||
                      result->disposition == Disposition::kParked;
    EXPECT_TRUE(kept) << event.file << ": " << outcome;
    EXPECT_EQ(database_.Value("SELECT status FROM billing.webhook_events WHERE provider_event_id = $1", {event.id}),
              NameOf(result->disposition))
        << event.file;
  }
  int total = 0;
  for (const auto& [outcome, count] : counts) {
    std::printf("recorded events: %3d %s\n", count, outcome.c_str());
    total += count;
  }
  std::printf("recorded events: %3d in all, %s subscriptions, %s items, %s invoices projected\n", total,
              database_.Value("SELECT count(*)::text FROM billing.subscriptions").c_str(),
              database_.Value("SELECT count(*)::text FROM billing.subscription_items").c_str(),
              database_.Value("SELECT count(*)::text FROM billing.invoices").c_str());
  EXPECT_EQ(total, 92);
  EXPECT_EQ(counts["processed "], 26) << "5 of subscriptions, 6 of invoices, 15 of payments, customers and methods";
  EXPECT_EQ(counts["parked nothing_stored_matches"], 23) << "guests, and what belongs to payments that aren't here";
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.webhook_events"), "92");
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED'"),
            "26");
}

TEST_F(RecordedEventsTest, EventsOfTheOtherModeAreRefusedAndKept) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const std::vector<RecordedEvent> events = testing::AllRecordedEvents(*data);
  LinkCustomers(events);
  Replica test(database_, "test-mode");
  BatchSettings live_settings = DefaultSettings();
  live_settings.livemode = true;
  Replica live(database_, "live-mode", live_settings);
  for (const RecordedEvent& event : events) {
    Replica& wrong = event.livemode ? test : live;
    const auto result = wrong.service.Apply({Parsed(event.payload)})[0];
    ASSERT_TRUE(result.ok()) << event.file << ": " << result.status();
    EXPECT_EQ(result->disposition, Disposition::kIgnored) << event.file;
    EXPECT_EQ(result->reason, kEnvironmentMismatch) << event.file;
  }
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.invoices"), "0");
}

}  // namespace
}  // namespace billmesh::webhook
