// Real input: every recorded event and object of the reference data goes through the service; each is accepted, stored,
// and projected or ignored by name. None is lost, and none fails.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/crypto/crypto.h"
#include "common/testing/process.h"
#include "common/testing/shared_data.h"
#include "tests/fault/projection_dump.h"
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

  // A hosted page's address lets whoever has it in: its hash says as well whether it is the right one.
  static std::string WithoutAddress(const std::string& column) {
    constexpr std::string_view kUrl = "url=https://";
    return column.starts_with(kUrl) ? absl::StrCat("url sha256=", crypto::Sha256Hex(column.substr(4))) : column;
  }
  // A line a field: the table, the provider's id, whose it is, the column and its value.
  std::vector<std::string> ProjectionLines() {
    std::vector<std::string> lines;
    const auto projections =
        convergence::ReadProjections([this](const std::string& sql) { return database_.Admin(sql.c_str()); });
    for (const auto& [entity_id, projection] : projections) {
      const std::string customer = database_.Value(
          "SELECT provider_customer_id FROM billing.entity_customers WHERE entity_id = $1", {entity_id});
      for (const auto& [name, row] : projection) {
        for (const auto column : absl::StrSplit(row.content, ' ')) {
          lines.push_back(absl::StrCat(name, " of ", customer, ": ", WithoutAddress(std::string(column))));
        }
        if (!row.version.empty()) lines.push_back(absl::StrCat(name, " of ", customer, ": version=", row.version));
      }
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  static BatchSettings LiveSettings() {
    BatchSettings settings = DefaultSettings();
    settings.livemode = true;
    return settings;
  }

  testing::TestDatabase database_;
  // Two deployments over the same rows, so that events of both modes meet the one that serves them.
  Replica test_{database_, "test-mode"};
  Replica live_{database_, "live-mode", LiveSettings()};
};

TEST_F(RecordedEventsTest, EveryOneIsAcceptedStoredAndProjectedOrIgnoredByName) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const std::vector<RecordedEvent> events = testing::AllRecordedEvents(*data);
  LinkCustomers(events);

  std::map<std::string, int> counts;
  for (const RecordedEvent& event : events) {
    Replica& replica = event.livemode ? live_ : test_;
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

// Golden: what each row must say, old shapes and new ones. After a change of the reference data or of the columns, the
// file is written anew by BILLMESH_WRITE_GOLDEN=1 and read by a person.
TEST_F(RecordedEventsTest, EachProjectsToTheStoredExpectationFieldByField) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const std::vector<RecordedEvent> events = testing::AllRecordedEvents(*data);
  LinkCustomers(events);
  for (const RecordedEvent& event : events) {
    Replica& replica = event.livemode ? live_ : test_;
    ASSERT_TRUE(replica.service.Apply({Parsed(event.payload)})[0].ok()) << event.file;
  }
  const std::vector<std::string> projection = ProjectionLines();
  const std::string golden = testing::RequiredEnv("BILLMESH_SOURCE_ROOT") + "/tests/integration/recorded_events.golden";
  if (std::getenv("BILLMESH_WRITE_GOLDEN") != nullptr) {
    std::ofstream(golden) << absl::StrJoin(projection, "\n") << "\n";
    GTEST_SKIP() << golden << " was written: read it";
  }
  const std::vector<std::string> expected = absl::StrSplit(testing::ReadWholeFile(golden), '\n', absl::SkipEmpty());
  EXPECT_EQ(projection, expected);
}

TEST_F(RecordedEventsTest, EventsOfTheOtherModeAreRefusedAndKept) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const std::vector<RecordedEvent> events = testing::AllRecordedEvents(*data);
  LinkCustomers(events);
  for (const RecordedEvent& event : events) {
    Replica& wrong = event.livemode ? test_ : live_;
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
