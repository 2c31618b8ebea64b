// Real input: every recorded event and object of the reference data goes through the service; each is accepted, stored,
// and projected or ignored by name. None is lost, and none fails.
#include <filesystem>
#include <map>
#include <set>

#include "common/testing/shared_data.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

namespace fs = std::filesystem;

// The type under which an object would come as an event.
const std::map<std::string, std::string> kTypeOfObject = {
    {"billing_portal.session", "billing_portal.session.created"},
    {"charge", "charge.updated"},
    {"checkout.session", "checkout.session.completed"},
    {"customer", "customer.updated"},
    {"entitlements.active_entitlement_summary", "entitlements.active_entitlement_summary.updated"},
    {"invoice", "invoice.updated"},
    {"payment_intent", "payment_intent.created"},
    {"payment_link", "payment_link.updated"},
    {"payment_method", "payment_method.updated"},
    {"price", "price.updated"},
    {"subscription", "customer.subscription.updated"},
};

std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// All events: the recorded ones as they are (several recordings share one event id, so each gets its own), then the
// single objects, wrapped.
std::map<std::string, json> RecordedEvents(const fs::path& data) {
  std::map<std::string, json> events;
  for (const fs::path& file : FilesIn(data / "events-2020-03-02")) {
    json event = json::parse(testing::ReadWholeFile(file));
    event["id"] = absl::StrCat(event["id"].get<std::string>(), "_", events.size());
    events[file.filename()] = std::move(event);
  }
  for (const fs::path& file : FilesIn(data / "objects")) {
    json object = json::parse(testing::ReadWholeFile(file));
    const bool livemode = object.value("livemode", false);
    const auto type = kTypeOfObject.find(object["object"].get<std::string>());
    if (type == kTypeOfObject.end()) {
      ADD_FAILURE() << file << " holds an object without a type in this test";
      continue;
    }
    json event = Event(absl::StrCat("evt_object_", events.size()), type->second, 0, std::move(object));
    event["livemode"] = livemode;
    events[file.filename()] = std::move(event);
  }
  return events;
}

class RecordedEventsTest : public ::testing::Test {
 protected:
  // An entity for each customer of the events, in the environment whose mode the event has.
  void LinkCustomers(const std::map<std::string, json>& events) {
    std::set<std::string> linked;
    for (const auto& [file, event] : events) {
      const Incoming incoming = Parsed(event.dump());
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
  const std::map<std::string, json> events = RecordedEvents(*data);
  LinkCustomers(events);
  // Two deployments over the same rows, so that events of both modes meet the one that serves them.
  Replica test(database_, "test-mode");
  BatchSettings live_settings = DefaultSettings();
  live_settings.livemode = true;
  Replica live(database_, "live-mode", live_settings);

  std::map<std::string, int> counts;
  for (const auto& [file, event] : events) {
    Replica& replica = event["livemode"].get<bool>() ? live : test;
    const auto result = replica.service.Apply({Parsed(event.dump())})[0];
    ASSERT_TRUE(result.ok()) << file << ": " << result.status();
    const std::string outcome = absl::StrCat(std::string(NameOf(result->disposition)), " ", result->reason);
    ++counts[outcome];
    const bool kept = result->disposition == Disposition::kProcessed || result->disposition == Disposition::kIgnored;
    EXPECT_TRUE(kept) << file << ": " << outcome;
    EXPECT_EQ(database_.Value("SELECT status FROM billing.webhook_events WHERE provider_event_id = $1",
                              {event["id"].get<std::string>()}),
              NameOf(result->disposition))
        << file;
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
  EXPECT_EQ(counts["processed "], 11) << "3 + 2 subscriptions, 4 + 2 invoices";
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.webhook_events"), "92");
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED'"),
            "11");
}

TEST_F(RecordedEventsTest, EventsOfTheOtherModeAreRefusedAndKept) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const std::map<std::string, json> events = RecordedEvents(*data);
  LinkCustomers(events);
  Replica test(database_, "test-mode");
  BatchSettings live_settings = DefaultSettings();
  live_settings.livemode = true;
  Replica live(database_, "live-mode", live_settings);
  for (const auto& [file, event] : events) {
    Replica& wrong = event["livemode"].get<bool>() ? test : live;
    const auto result = wrong.service.Apply({Parsed(event.dump())})[0];
    ASSERT_TRUE(result.ok()) << file << ": " << result.status();
    EXPECT_EQ(result->disposition, Disposition::kIgnored) << file;
    EXPECT_EQ(result->reason, kEnvironmentMismatch) << file;
  }
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.subscriptions"), "0");
  EXPECT_EQ(database_.Value("SELECT count(*)::text FROM billing.invoices"), "0");
}

}  // namespace
}  // namespace billmesh::webhook
