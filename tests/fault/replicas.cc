#include "tests/fault/replicas.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/testing/test_database.h"

namespace billmesh::exactlyonce {
namespace {

constexpr char kRoute[] = "/api/billing/webhooks/stripe";
constexpr absl::Duration kReadyWithin = absl::Seconds(30);
// What a killed one held is taken over soon after.
constexpr char kEventLease[] = "5s";

std::string FreeAddress() { return absl::StrCat("127.0.0.1:", testing::FreePort()); }

}  // namespace

Replicas::Replicas(testing::Mesh& mesh) : mesh_(mesh) {
  for (size_t n = 0; n < pairs_.size(); ++n) {
    Pair& pair = pairs_[n];
    pair.environment = mesh.EnvironmentOf("webhook");
    pair.environment["EVENT_LEASE"] = kEventLease;
    pair.log = absl::StrCat(mesh.work_directory(), "/webhook-", n, ".log");
    pair.url = mesh.edge_url() + kRoute;
    if (n == 0) continue;
    pair.environment["LISTEN_ADDR"] = FreeAddress();
    pair.environment["METRICS_ADDR"] = FreeAddress();
    auto edge = mesh.EnvironmentOf("edge");
    edge["HTTP_LISTEN_ADDR"] = FreeAddress();
    edge["METRICS_ADDR"] = FreeAddress();
    edge["WEBHOOK_ADDR"] = pair.environment["LISTEN_ADDR"];
    pair.url = absl::StrCat("http://", edge["HTTP_LISTEN_ADDR"], kRoute);
    pair.edge = std::make_unique<testing::Process>(std::vector<std::string>{mesh.BinaryOf("edge")}, edge,
                                                   absl::StrCat(mesh.work_directory(), "/edge-", n, ".log"));
  }
  mesh.Stop("webhook");
  for (int replica = 0; replica < kCount; ++replica) Start(replica);
}

void Replicas::Kill(int replica) {
  Pair& pair = pairs_[static_cast<size_t>(replica)];
  pair.webhook->Signal(SIGKILL);
  pair.webhook.reset();
}

void Replicas::Start(int replica) {
  Pair& pair = pairs_[static_cast<size_t>(replica)];
  pair.webhook = std::make_unique<testing::Process>(std::vector<std::string>{mesh_.BinaryOf("webhook")},
                                                    pair.environment, pair.log);
  const std::string ready = absl::StrCat("http://", pair.environment["METRICS_ADDR"], "/readyz");
  if (testing::WaitUntil([&] { return mesh_.Send("GET", ready).status == 200; }, kReadyWithin)) return;
  std::fprintf(stderr, "replica %d of the webhook daemon does not become ready\n", replica);
  std::abort();
}

}  // namespace billmesh::exactlyonce
