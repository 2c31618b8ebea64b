// Every event three times over eight connections to two replicas of the webhook daemon, while one of them is killed
// every few seconds and the database goes away once (WHK-1, WHK-2, WHK-6): what was acknowledged is stored, each event
// is applied once, and the projection says what the provider says. A few workspaces by default; tests/fault/run
// exactly-once has it in full.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/fault/mesh_history.h"
#include "tests/fault/projection_dump.h"
#include "tests/fault/redelivery.h"
#include "tests/fault/replicas.h"

namespace billmesh::exactlyonce {
namespace {

using testing::Mesh;
using testing::WaitUntil;

struct Size {
  int tenants;
  size_t least_events;
  double per_second;  // deliveries
  absl::Duration kill_every;
};
constexpr Size kSlice = {10, 250, 150, absl::Milliseconds(1500)};
constexpr Size kFull = {170, 5000, 300, absl::Milliseconds(2500)};
constexpr int kTimes = 3, kConnections = 8;
constexpr absl::Duration kLimit = absl::Minutes(5), kSettledWithin = absl::Minutes(3);

bool IsFull() {
  const char* size = std::getenv("BILLMESH_EXACTLY_ONCE");
  return size != nullptr && std::string(size) == "full";
}

class ExactlyOnceTest : public ::testing::Test {
 protected:
  ExactlyOnceTest()
      : seed_(static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count() % 1'000'000)),
        size_(IsFull() ? kFull : kSlice),
        history_(PlayHistory(mesh_, size_.tenants)),
        replicas_(mesh_) {}

  // Kills and starts again until everything is delivered. Postgres goes away in the middle.
  void Disturb(const Redelivery& delivery) {
    std::mt19937_64 chance(seed_);
    const auto half = static_cast<int64_t>(history_.event_ids.size()) * kTimes / 2;
    bool restarted = false;
    while (!delivery.done()) {
      const absl::Time next = absl::Now() + size_.kill_every;
      const int victim = static_cast<int>(chance() % Replicas::kCount);
      replicas_.Kill(victim);
      ++kills_;
      if (!restarted && delivery.answered() >= half) {
        restarted = true;
        mesh_.StopPostgres();
        mesh_.StartPostgres();
      }
      replicas_.Start(victim);
      WaitUntil([&] { return delivery.done(); }, std::max(absl::ZeroDuration(), next - absl::Now()));
    }
    EXPECT_TRUE(restarted);
    EXPECT_GE(kills_, 2);
  }

  std::string Count(const std::string& what) { return mesh_.Value("SELECT count(*) " + what); }

  // Nothing waits any more, neither events nor refreshes.
  void ExpectSettled() {
    const std::string open_events = "FROM billing.webhook_events WHERE status NOT IN ('processed', 'ignored')";
    const std::string open_jobs =
        "FROM billing.outbox_jobs WHERE job_type LIKE 'refresh\\_%' AND status NOT IN ('done')";
    EXPECT_TRUE(WaitUntil([&] { return Count(open_events) == "0" && Count(open_jobs) == "0"; }, kSettledWithin))
        << mesh_.Value("SELECT string_agg(concat_ws(' ', provider_event_id, type, status, status_reason), ', ') " +
                       open_events)
        << mesh_.Value("SELECT string_agg(concat_ws(' ', job_type, status), ', ') " + open_jobs);
  }

  void ExpectStored(const Redelivery& delivery) {
    EXPECT_EQ(absl::StrJoin(delivery.lost(), ", "), "");
    std::set<std::string> acknowledged, stored;
    for (size_t n = 0; n < history_.event_ids.size(); ++n) {
      EXPECT_EQ(delivery.answers()[n], kTimes) << history_.event_ids[n];
      if (delivery.answers()[n] > 0) acknowledged.insert(history_.event_ids[n]);
    }
    const std::string ids = mesh_.Value("SELECT string_agg(provider_event_id, ' ') FROM billing.webhook_events");
    for (const auto id : absl::StrSplit(ids, ' ')) {
      EXPECT_TRUE(stored.insert(std::string(id)).second) << id << " is stored twice";
    }
    EXPECT_EQ(stored, acknowledged);
  }

  // One audit row for each that was applied, none for any other.
  void ExpectAppliedOnce() {
    EXPECT_EQ(mesh_.Value(R"sql(
      SELECT string_agg(concat_ws(' ', provider_event_id, coalesce(e.status, 'not stored'), coalesce(a.rows, 0)), ', ')
      FROM billing.webhook_events e
      FULL JOIN (SELECT provider_event_id, count(*) AS rows FROM billing.audit_log
                 WHERE action = 'BILLING_WEBHOOK_PROCESSED' GROUP BY provider_event_id) a USING (provider_event_id)
      WHERE coalesce(a.rows, 0) <> CASE e.status WHEN 'processed' THEN 1 ELSE 0 END
    )sql"),
              "");
    EXPECT_NE(Count("FROM billing.webhook_events WHERE status = 'processed'"), "0");
  }

  void ExpectProjectionIsTheProviders() {
    SystemClock clock;
    SystemIdGenerator ids(clock);
    db::Pool pool(
        {.url = mesh_.EnvironmentOf("webhook").at("DATABASE_URL"), .daemon = "webhook", .prepare_statements = false},
        clock, ids);
    const auto projections = convergence::ReadProjections([&](const std::string& sql) {
      auto rows =
          db::RunInTransaction(pool, db::Scope::System("test"), [&](db::Tx& tx) { return tx.Exec(sql.c_str()); });
      if (!rows.ok()) {
        std::fprintf(stderr, "the projection can't be read: %s\n", std::string(rows.status().message()).c_str());
        std::abort();
      }
      return *std::move(rows);
    });
    for (const TenantHistory& tenant : history_.tenants) {
      const convergence::Projection expected = convergence::Expected(tenant.life);
      EXPECT_GT(expected.size(), 5u);
      const auto at = projections.find(tenant.entity_id);
      ASSERT_NE(at, projections.end()) << tenant.entity_id << " has no projection";
      EXPECT_EQ(convergence::Differences(at->second, expected, false), "") << tenant.entity_id;
      rows_ += static_cast<int>(expected.size());
    }
  }

  void Print(const Redelivery& delivery, absl::Duration took) {
    int64_t refused = 0;
    std::string by_status;
    for (const auto& [status, count] : delivery.refusals()) {
      refused += count;
      absl::StrAppend(&by_status, " ", status, "=", count);
    }
    std::printf(
        "exactly once: seed=%llu workspaces=%d events=%zu acknowledged=%lld not acknowledged=%lld (%s ) kills=%d "
        "seconds=%.1f stored=%s processed=%s ignored=%s rows compared=%d looked at again=%s\n",
        static_cast<unsigned long long>(seed_), size_.tenants, history_.event_ids.size(),
        static_cast<long long>(delivery.answered()), static_cast<long long>(refused), by_status.c_str(), kills_,
        absl::ToDoubleSeconds(took), Count("FROM billing.webhook_events").c_str(),
        Count("FROM billing.webhook_events WHERE status = 'processed'").c_str(),
        Count("FROM billing.webhook_events WHERE status = 'ignored'").c_str(), rows_,
        Count("FROM billing.webhook_events WHERE lease_version > 1").c_str());
  }

  const uint64_t seed_;
  const Size size_;
  Mesh mesh_;
  const MeshHistory history_;
  Replicas replicas_;
  int kills_ = 0, rows_ = 0;
};

TEST_F(ExactlyOnceTest, WhateverIsKilledMeanwhile) {
  EXPECT_GE(history_.event_ids.size(), size_.least_events);
  const absl::Time begun = absl::Now();
  Redelivery delivery(history_.event_bodies, {.connections = kConnections,
                                              .times = kTimes,
                                              .per_second = size_.per_second,
                                              .limit = kLimit,
                                              .urls = {replicas_.delivery_url(0), replicas_.delivery_url(1)},
                                              .secret = mesh_.webhook_secret(),
                                              .seed = seed_});
  Disturb(delivery);
  const absl::Duration took = absl::Now() - begun;
  ExpectSettled();
  ExpectStored(delivery);
  ExpectAppliedOnce();
  ExpectProjectionIsTheProviders();
  Print(delivery, took);
  const testing::CommandResult verified = mesh_.Billctl({"verify", "--settled"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
}

}  // namespace
}  // namespace billmesh::exactlyonce
