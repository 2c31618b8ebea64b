// Real input through the built daemons: every recorded event and object of the reference data, signed and delivered at
// the edge. Each is accepted and stored as it came, then projected or ignored by name.
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/crypto.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"
#include "tests/support/recorded_events.h"

namespace billmesh {
namespace {

using testing::HttpAnswer;
using testing::Mesh;
using testing::RecordedEvent;

struct StoredEvent {
  std::string status, sha256, reason;
};

// An entity for each customer.
void LinkCustomers(Mesh& mesh, const std::vector<RecordedEvent>& events) {
  std::set<std::string> customers;
  for (const RecordedEvent& event : events) {
    if (!event.customer.empty()) customers.insert(event.customer);
  }
  int number = 0;
  for (const std::string& customer : customers) {
    mesh.Value(
        absl::StrCat("WITH entity AS (INSERT INTO billing.entities (id, env, kind, ref, slug, display_name) SELECT "
                     "gen_random_uuid(), 'test', "
                     "'workspace', w, w, w FROM (VALUES ('recorded-",
                     ++number,
                     "')) v (w) RETURNING id) "
                     "INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id) "
                     "SELECT gen_random_uuid(), id, 'stripe', '",
                     customer, "' FROM entity"));
  }
  std::printf("recorded events: %d customers linked\n", number);
}

std::map<std::string, StoredEvent> StoredEvents(Mesh& mesh) {
  std::map<std::string, StoredEvent> stored;
  const std::string rows = mesh.Value(
      "SELECT provider_event_id, status, encode(sha256(payload), 'hex'), coalesce(status_reason, '') FROM "
      "billing.webhook_events");
  for (const auto& row : absl::StrSplit(rows, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> columns = absl::StrSplit(row, absl::MaxSplits('|', 3));
    EXPECT_EQ(columns.size(), 4u) << row;
    if (columns.size() != 4) continue;
    EXPECT_TRUE(stored.emplace(columns[0], StoredEvent{columns[1], columns[2], columns[3]}).second)
        << columns[0] << " twice";
  }
  return stored;
}

void ExpectDelivered(Mesh& mesh, const RecordedEvent& event, bool duplication) {
  const HttpAnswer answer = mesh.DeliverWebhook(event.payload);
  EXPECT_EQ(answer.status, 200) << event.file << ": " << answer.body;
  const nlohmann::json body = answer.json();
  EXPECT_TRUE(body.is_object() && body.value("duplication", !duplication) == duplication)
      << event.file << ": " << answer.body;
}

// By outcome ("processed", "ignored environment_mismatch"), how many there are.
std::map<std::string, int> CheckStored(Mesh& mesh, const std::vector<RecordedEvent>& events) {
  const std::map<std::string, StoredEvent> stored = StoredEvents(mesh);
  std::map<std::string, int> counts;
  for (const RecordedEvent& event : events) {
    const auto row = stored.find(event.id);
    if (row == stored.end()) {
      ADD_FAILURE() << event.file << " is lost";
      continue;
    }
    const auto& [status, sha256, reason] = row->second;
    EXPECT_EQ(sha256, crypto::Sha256Hex(event.payload)) << event.file << " isn't stored as it came";
    if (event.livemode) {
      EXPECT_EQ(status, "ignored") << event.file;
      EXPECT_EQ(reason, "environment_mismatch") << event.file;
    } else {
      // None failed. Parked are guests', and what belongs to a payment or an invoice that isn't among them.
      EXPECT_TRUE(status == "processed" || status == "parked" || (status == "ignored" && !reason.empty()))
          << event.file << ": " << status << " " << reason;
      EXPECT_NE(reason, "environment_mismatch") << event.file;
    }
    ++counts[reason.empty() ? status : status + " " + reason];
  }
  return counts;
}

TEST(RecordedEventsEndToEndTest, EachIsAcceptedStoredAsItCameAndProjectedOrIgnoredByName) {
  const auto data = testing::FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  // Each in the mode that it was recorded in, and in the other one; the deployment serves test mode.
  std::vector<RecordedEvent> events = testing::AllRecordedEvents(*data);
  const size_t recorded = events.size();
  for (size_t i = 0; i < recorded; ++i) events.push_back(testing::InOtherMode(events[i]));

  Mesh mesh;
  LinkCustomers(mesh, events);
  for (const RecordedEvent& event : events) ExpectDelivered(mesh, event, /*duplication=*/false);
  // What came before its parent is taken up by a worker.
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return mesh.Value("SELECT count(*) FROM billing.webhook_events WHERE status = 'processed'") == "25"; }));
  std::map<std::string, int> counts = CheckStored(mesh, events);
  for (const auto& [outcome, count] : counts) std::printf("recorded events: %3d %s\n", count, outcome.c_str());
  std::printf("recorded events: %zu delivered, %s subscriptions, %s items, %s invoices projected\n", events.size(),
              mesh.Value("SELECT count(*) FROM billing.subscriptions").c_str(),
              mesh.Value("SELECT count(*) FROM billing.subscription_items").c_str(),
              mesh.Value("SELECT count(*) FROM billing.invoices").c_str());
  EXPECT_EQ(counts["processed"], 25) << "5 of subscriptions, 6 of invoices, 14 of payments, customers and methods";
  EXPECT_EQ(counts["ignored environment_mismatch"], static_cast<int>(recorded)) << "each has one mode that isn't ours";

  // Again: the same answers, the same rows.
  const std::string rows = mesh.Value("SELECT count(*) FROM billing.webhook_events");
  for (const RecordedEvent& event : events) ExpectDelivered(mesh, event, /*duplication=*/true);
  EXPECT_EQ(mesh.Value("SELECT count(*) FROM billing.webhook_events"), rows);
  EXPECT_EQ(CheckStored(mesh, events), counts);
  for (const char* daemon : {"edge", "webhook", "entitlements"}) EXPECT_TRUE(mesh.Ready(daemon)) << daemon;
}

}  // namespace
}  // namespace billmesh
