// The webhook daemon's door under conditions of its own: more than it can take, and secrets that change under it.
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/e2e/forged_deliveries.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using testing::HttpAnswer;
using testing::Mesh;
using testing::Process;
using testing::WaitUntil;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr int64_t kCreated = 1'790'000'000;
constexpr int kAtOnce = 12;

std::string HeaderOf(const HttpAnswer& answer, const std::string& name) {
  for (const auto& [key, value] : answer.headers) {
    if (absl::EqualsIgnoreCase(key, name)) return value;
  }
  return "";
}

// The webhook daemon of the mesh with another environment; each test has a mesh of its own.
class WebhookEndpointTest : public ::testing::Test {
 protected:
  using Environment = std::map<std::string, std::string>;

  void Restart(const Environment& environment) {
    mesh_.Stop("webhook");
    daemon_ = std::make_unique<Process>(std::vector<std::string>{mesh_.BinaryOf("webhook")}, environment, Log());
    ASSERT_TRUE(WaitUntil([&] { return mesh_.Ready("webhook") || !daemon_->running(); }, kPatience));
    // The edge finds out a little later that it is back.
    ASSERT_TRUE(WaitUntil([&] { return mesh_.Ready("edge"); }, kPatience));
  }
  std::string Log() const { return mesh_.work_directory() + "/webhook.log"; }
  bool Logged(const std::string& text) const {
    std::ifstream file(Log());
    for (std::string line; std::getline(file, line);) {
      if (absl::StrContains(line, text)) return true;
    }
    return false;
  }
  HttpAnswer Deliver(const std::string& id, const std::string& secret = "") {
    return mesh_.DeliverWebhook(testing::UnknownEvent(id, kCreated), 0, secret);
  }
  std::string Stored() {
    return mesh_.Value(
        "SELECT concat_ws(' ', count(*), count(DISTINCT provider_event_id)) FROM billing.webhook_events WHERE "
        "provider_event_id LIKE 'evt_queue_%'");
  }

  Mesh mesh_;
  std::unique_ptr<Process> daemon_;
};

// Holds a lock that every delivery needs until it's released or ends.
class TableLock {
 public:
  explicit TableLock(Mesh& mesh)
      : mesh_(mesh),
        session_({"psql", "-X", "-q", "-c",
                  "BEGIN; LOCK TABLE billing.webhook_event_keys IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(120)",
                  mesh.database_url()},
                 {{"PGAPPNAME", "table-lock"}}, mesh.work_directory() + "/lock.log") {
    EXPECT_TRUE(WaitUntil([&] { return Held() != "0"; }, kPatience));
  }
  ~TableLock() { Release(); }
  void Release() {
    mesh_.Value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'table-lock'");
    EXPECT_TRUE(WaitUntil([&] { return Held() == "0"; }, kPatience));
  }

 private:
  std::string Held() {
    return mesh_.Value(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'table-lock' AND "
        "mode = 'AccessExclusiveLock' AND granted AND relation = 'billing.webhook_event_keys'::regclass");
  }

  Mesh& mesh_;
  Process session_;
};

TEST_F(WebhookEndpointTest, AFullQueueIsA503WithRetryAfterAndNothingIsLost) {
  Environment environment = mesh_.EnvironmentOf("webhook");
  environment["INGEST_QUEUE"] = "1";
  environment["INGEST_BATCH"] = "1";
  environment["INGEST_COMMITTERS"] = "1";
  Restart(environment);
  ASSERT_TRUE(WaitUntil([&] { return Deliver("evt_first").status == 200; }, kPatience));
  std::mutex mutex;
  std::vector<HttpAnswer> overloaded;  // guarded by mutex
  std::atomic<int> taken = 0;
  TableLock lock(mesh_);
  std::vector<std::thread> senders;
  for (int i = 0; i < kAtOnce; ++i) {
    senders.emplace_back([&, i] {
      // As the provider: until it's taken.
      EXPECT_TRUE(WaitUntil(
          [&] {
            const HttpAnswer answer = Deliver(absl::StrCat("evt_queue_", i));
            std::lock_guard guard(mutex);
            if (answer.json().value("code", "") == "overloaded") overloaded.push_back(answer);
            return answer.status == 200;
          },
          2 * kPatience));
      ++taken;
    });
  }
  EXPECT_TRUE(WaitUntil(
      [&] {
        std::lock_guard guard(mutex);
        return overloaded.size() >= kAtOnce;
      },
      kPatience));
  EXPECT_EQ(taken, 0);
  lock.Release();
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(Stored(), absl::StrCat(kAtOnce, " ", kAtOnce));
  for (const HttpAnswer& answer : overloaded) {
    EXPECT_EQ(answer.status, 503);
    int seconds = 0;
    EXPECT_TRUE(absl::SimpleAtoi(HeaderOf(answer, "Retry-After"), &seconds) && seconds >= 1) << answer.body;
  }
  std::printf("full queue: %zu answers of 503, %d events taken in the end\n", overloaded.size(), taken.load());
}

TEST_F(WebhookEndpointTest, SecretsRotateInTheirFileWithoutARestart) {
  const std::string file = mesh_.work_directory() + "/webhook.secret";
  // As a mounted secret changes: whole, at once.
  const auto write = [&](const std::string& text) {
    std::ofstream(file + ".new", std::ios::trunc) << text;
    std::filesystem::rename(file + ".new", file);
  };
  int number = 0;
  const auto status = [&](const std::string& secret) {
    return Deliver(absl::StrCat("evt_rotation_", ++number), secret).status;
  };
  write("whsec_old\n");
  Environment environment = mesh_.EnvironmentOf("webhook");
  environment.erase("STRIPE_WEBHOOK_SECRET");
  environment["STRIPE_WEBHOOK_SECRET_FILE"] = file;
  Restart(environment);
  ASSERT_TRUE(WaitUntil([&] { return status("whsec_old") == 200; }, kPatience));
  EXPECT_EQ(status("whsec_new"), 400);
  write("whsec_old,whsec_new\n");
  EXPECT_TRUE(WaitUntil([&] { return status("whsec_new") == 200; }, kPatience));
  EXPECT_EQ(status("whsec_old"), 200) << "both, while the provider changes over";
  write("whsec_new\n");
  EXPECT_TRUE(WaitUntil([&] { return status("whsec_old") == 400; }, kPatience));
  EXPECT_EQ(status("whsec_new"), 200);
  write("whsec_other, ,\n");
  EXPECT_TRUE(WaitUntil([&] { return Logged("new webhook secrets refused"); }, kPatience));
  EXPECT_EQ(status("whsec_new"), 200) << "a file that can't be meant changes nothing";
  EXPECT_EQ(status("whsec_other"), 400);
  EXPECT_TRUE(daemon_->running());
}

}  // namespace
}  // namespace billmesh
