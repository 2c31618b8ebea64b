// How a daemon serves and ends: its probes, its workers, and the order of a drain. One without a database, on a thread
// of this process.
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/daemon/daemon.h"
#include "common/http/client.h"
#include "common/testing/process.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"

namespace billmesh::daemon {
namespace {

class DaemonServeTest : public ::testing::Test {
 protected:
  DaemonServeTest() {
    const std::string identity = testing::RequiredEnv("BILLMESH_DEV_DIR");
    const std::vector<std::string> arguments = {"daemon",
                                                "--billing-env=test",
                                                "--metrics-listen=" + address_,
                                                "--tls-ca=" + identity + "/ca.pem",
                                                "--tls-cert=" + identity + "/edge.pem",
                                                "--tls-key=" + identity + "/edge.key"};
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    const auto parsed =
        config::Parse("daemon", "A daemon.", CommonSettings(/*with_database=*/false), {}, static_cast<int>(argv.size()),
                      argv.data(), [](const char*) -> const char* { return nullptr; });
    EXPECT_TRUE(parsed.config.has_value()) << parsed.message;
    auto made = Daemon::Create({.name = "edge", .with_database = false}, *parsed.config);
    EXPECT_TRUE(made.ok()) << made.status();
    daemon_ = std::move(*made);
  }
  ~DaemonServeTest() override {
    if (serving_.joinable()) Stop();
  }

  void Serve() {
    serving_ = std::thread([this] { exit_code_ = daemon_->Serve({}); });
    EXPECT_TRUE(testing::WaitUntil([this] { return Get("/healthz") == "200 ok\n"; }));
  }
  // The signal that an orchestrator sends, for the thread that waits for it.
  void Signal() { pthread_kill(serving_.native_handle(), SIGTERM); }
  int Stop() {
    Signal();
    serving_.join();
    return exit_code_;
  }
  std::string Get(const std::string& path) {
    http::ClientRequest request;
    request.url = "http://" + address_ + path;
    const http::ClientResponse response = client_.Send(request).response;
    return absl::StrCat(response.status, " ", response.body);
  }

  const std::string address_ = absl::StrCat("127.0.0.1:", testing::FreePort());
  http::Client client_{http::ClientOptions{}};
  std::unique_ptr<Daemon> daemon_;
  std::thread serving_;
  int exit_code_ = -1;
};

TEST_F(DaemonServeTest, ReadinessSaysWhichCheckFailsAndWhy) {
  std::atomic<bool> loaded = false;
  daemon_->AddReadinessCheck("always", [] { return absl::OkStatus(); });
  daemon_->AddReadinessCheck("catalog",
                             [&] { return loaded ? absl::OkStatus() : absl::UnavailableError("nothing is loaded"); });
  Serve();
  EXPECT_TRUE(testing::WaitUntil([this] { return Get("/readyz") == "503 catalog: nothing is loaded\n"; }))
      << Get("/readyz");
  EXPECT_EQ(Get("/healthz"), "200 ok\n") << "alive, though not ready";
  loaded = true;
  EXPECT_TRUE(testing::WaitUntil([this] { return Get("/readyz") == "200 ready\n"; })) << Get("/readyz");
  EXPECT_EQ(Get("/nothing-here"), "404 not found\n");
  EXPECT_EQ(Stop(), 0);
}

TEST_F(DaemonServeTest, AWorkerRunsAgainAtOnceWhileThereIsMoreAndThenWaitsForItsPeriod) {
  std::atomic<int> runs = 0;
  daemon_->AddWorker("queue", absl::Hours(1), [&] { return ++runs < 5; });
  Serve();
  EXPECT_TRUE(testing::WaitUntil([&] { return runs == 5; }));
  EXPECT_EQ(Stop(), 0) << "and the drain wakes it in the middle of its hour";
  EXPECT_EQ(runs, 5);
}

TEST_F(DaemonServeTest, AWokenWorkerRestsSoThatWhatWakesItGathers) {
  constexpr auto kRest = std::chrono::milliseconds(300);
  std::atomic<int> runs = 0;
  std::atomic<std::chrono::steady_clock::time_point> last_run;
  std::atomic<std::chrono::steady_clock::duration> apart;
  const auto wake = daemon_->AddWorker(
      "queue", absl::Hours(1),
      [&] {
        const auto now = std::chrono::steady_clock::now();
        apart = now - last_run.exchange(now);
        ++runs;
        return false;
      },
      absl::FromChrono(kRest));
  Serve();
  EXPECT_TRUE(testing::WaitUntil([&] { return runs == 1; }));
  for (int n = 0; n < 10; ++n) wake();
  EXPECT_TRUE(testing::WaitUntil([&] { return runs == 2; })) << "though it was woken while it rested";
  EXPECT_GE(apart.load(), kRest);
  wake();
  EXPECT_EQ(Stop(), 0) << "and the drain ends its rest";
}

TEST_F(DaemonServeTest, AWorkerThatAlwaysHasMoreStopsOnDrain) {
  std::atomic<int> runs = 0;
  daemon_->AddWorker("queue", absl::Hours(1), [&] {
    ++runs;
    std::this_thread::yield();
    return true;
  });
  Serve();
  EXPECT_TRUE(testing::WaitUntil([&] { return runs > 0; }));
  EXPECT_EQ(Stop(), 0);
}

TEST_F(DaemonServeTest, WhileItDrainsItSaysSoAndWorkersMayFinish) {
  std::promise<void> worker_begun, worker_may_end;
  std::atomic<bool> drained = false, worker_ended = false, ended_before_drained = false;
  daemon_->AddWorker("slow", absl::Hours(1), [&] {
    worker_begun.set_value();
    worker_may_end.get_future().wait();
    worker_ended = true;
    return false;
  });
  daemon_->OnDrain([&] {
    ended_before_drained = worker_ended.load();
    drained = true;
  });
  Serve();
  worker_begun.get_future().wait();
  EXPECT_TRUE(testing::WaitUntil([this] { return Get("/readyz") == "200 ready\n"; }));
  EXPECT_FALSE(drained);
  Signal();
  EXPECT_TRUE(testing::WaitUntil([&] { return drained.load(); }));
  EXPECT_EQ(Get("/readyz"), "503 draining\n") << "its probes answer until the workers have ended";
  worker_may_end.set_value();
  serving_.join();
  EXPECT_EQ(exit_code_, 0);
  EXPECT_TRUE(worker_ended);
  EXPECT_FALSE(ended_before_drained);
}

TEST_F(DaemonServeTest, ATakenPortEndsItWithOne) {
  auto taken = http::Server::Start({.listen = address_}, [](http::Request, http::Respond) {});
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(daemon_->Serve({}), 1);
}

}  // namespace
}  // namespace billmesh::daemon
