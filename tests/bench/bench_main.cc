// Benchmarks over the built mesh. usage: billmesh-bench [--smoke] [part…]; all without a part. Run by tests/bench/run.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/crypto.h"
#include "common/testing/test_database.h"
#include "tests/bench/check_load.h"
#include "tests/bench/checkout_load.h"
#include "tests/bench/entities.h"
#include "tests/bench/webhook_bench.h"
#include "tests/support/mesh.h"

namespace billmesh::bench {
namespace {

using testing::Mesh;

// Sizes of a full run and of the smoke run that the default tests hold.
struct Sizes {
  int entities;
  std::chrono::milliseconds check_time;
  int buyers;
  int checkout_calls;
};
constexpr Sizes kFull{1000, std::chrono::seconds(8), 1000, 6000};
// At this rate the mesh's own part of a purchase stays below the bound, for 99 of 100.
constexpr double kPacedCheckouts = 200;
constexpr double kOverheadBoundMs = 25;
constexpr Sizes kSmoke{50, std::chrono::milliseconds(400), 200, 100};

std::vector<std::string> EntityIds(Mesh& mesh) {
  const std::string text =
      mesh.Value("SELECT string_agg(id::text, ' ') FROM billing.entities WHERE ref LIKE 'bench-%'");
  return absl::StrSplit(text, ' ', absl::SkipEmpty());
}

void BenchEntitlements(Mesh& mesh, const Sizes& sizes) {
  const std::vector<std::string> entities = EntityIds(mesh);
  const std::string key = mesh.Value(R"sql(
    SELECT e.key FROM billing.plan_entitlements e JOIN billing.plan_prices p ON p.plan_id = e.plan_id
    WHERE e.schema_version = 'entitlement.boolean.v1' AND p.component = 'base' AND e.payload @> '{"enabled": true}' LIMIT 1
  )sql");
  const rpc::TlsFiles tls{mesh.Identity("ca.pem"), mesh.Identity("service.pem"), mesh.Identity("service.key")};
  const std::string echo_address = absl::StrCat("127.0.0.1:", testing::FreePort());
  testing::Process echo({testing::RequiredEnv("BILLMESH_BIN_DIR") + "/tests/bench/bench_echo_server", echo_address,
                         mesh.Identity("ca.pem"), mesh.Identity("service.pem"), mesh.Identity("service.key")},
                        {}, mesh.work_directory() + "/echo.log");
  // Every entity is loaded once before anything is measured.
  const Load warm = RunCheckLoad(mesh.grpc_address("entitlements"), tls, entities, key, 8, sizes.check_time);
  if (warm.done == 0) Die("no check was answered");
  for (const int concurrency : {1, 8, 64}) {
    const Load baseline = RunCheckLoad(echo_address, tls, entities, key, concurrency, sizes.check_time / 2);
    const Load check =
        RunCheckLoad(mesh.grpc_address("entitlements"), tls, entities, key, concurrency, sizes.check_time / 2);
    if (check.failed != 0) Die(absl::StrCat(check.failed, " of ", check.done, " checks failed or were denied"));
    Report(absl::StrCat("entitlement_check_c", concurrency), check.per_second, "req/s", baseline.per_second);
    Report(absl::StrCat("entitlement_check_p50_c", concurrency), check.p50_us, "us", baseline.p50_us);
    Report(absl::StrCat("entitlement_check_p99_c", concurrency), check.p99_us, "us", baseline.p99_us);
  }
}

// Workspaces that have bought nothing yet.
std::vector<std::string> MakeBuyers(Mesh& mesh, int count) {
  mesh.Value(absl::StrCat(R"sql(
    INSERT INTO billing.entities (id, env, kind, ref, slug, display_name)
      SELECT md5('buyer' || g)::uuid, 'test', 'workspace', 'buyer-' || g, 'buyer-' || g, 'Buyer'
      FROM generate_series(0, )sql",
                          count, R"sql( - 1) AS g)sql"));
  const std::string text =
      mesh.Value("SELECT string_agg(id::text, ' ') FROM billing.entities WHERE ref LIKE 'buyer-%'");
  return absl::StrSplit(text, ' ', absl::SkipEmpty());
}

CheckoutLoad Buy(Mesh& mesh, const std::vector<std::string>& buyers, const std::string& round,
                 const CheckoutLoadOptions& options) {
  const rpc::TlsFiles tls{mesh.Identity("ca.pem"), mesh.Identity("service.pem"), mesh.Identity("service.key")};
  const std::string plan = mesh.Value(
      "SELECT p.code FROM billing.plans p JOIN billing.plan_prices c ON c.plan_id = p.id WHERE c.component = 'base' "
      "AND p.pricing_model = 'flat' "
      "ORDER BY p.code LIMIT 1");
  const CheckoutLoad load = RunCheckoutLoad(mesh, tls, buyers, plan, round, options);
  if (load.failed != 0) Die(absl::StrCat(round, ": ", load.failed, " calls failed, the first: ", load.first_failure));
  return load;
}

void BenchCheckout(Mesh& mesh, const Sizes& sizes) {
  // What a provider tells of customers would be the webhook daemon's work, and its commits.
  mesh.Send("POST", mesh.sim_url() + "/_sim/webhooks", R"({"hold":true})", {{"Content-Type", "application/json"}});
  // What it writes of its own (runs, jobs) isn't the purchases'.
  if (mesh.Stop("reconciler") != 0) Die("the reconciler didn't end well");
  const std::vector<std::string> buyers = MakeBuyers(mesh, sizes.buyers);
  const CheckoutLoad first =
      Buy(mesh, buyers, "first", {.calls = static_cast<int>(buyers.size()), .with_repeats = false});
  const CheckoutLoad paced = Buy(mesh, buyers, "paced", {.per_second = kPacedCheckouts, .calls = sizes.checkout_calls});
  const CheckoutLoad closed = Buy(mesh, buyers, "closed", {.calls = sizes.checkout_calls});
  Report("checkout_overhead_p50_ms", paced.overhead_p50_ms, "ms", kOverheadBoundMs);
  Report("checkout_overhead_p99_ms", paced.overhead_p99_ms, "ms", kOverheadBoundMs);
  Report("checkout_ops_per_s", closed.per_second, "op/s", kPacedCheckouts);
  // A replay writes nothing: all that is written is the purchases'.
  Report("checkout_commits_per_op", paced.commits_per_purchase, "commits", 2);
  Report("checkout_commits_per_first_op", first.commits_per_purchase, "commits", 3);
  mesh.Start("reconciler");
  mesh.Send("DELETE", mesh.sim_url() + "/_sim/webhooks");
  mesh.Send("POST", mesh.sim_url() + "/_sim/webhooks", R"({"hold":false})", {{"Content-Type", "application/json"}});
}

// What each name on the command line stands for.
const std::map<std::string, std::set<std::string>> kParts = {
    {"entitlements", {"entitlements"}},
    {"checkout", {"checkout"}},
    {"webhook", {"webhook-rate", "webhook-isolation", "webhook-scale"}},
    {"webhook-rate", {"webhook-rate"}},
    {"webhook-isolation", {"webhook-isolation"}},
    {"webhook-scale", {"webhook-scale"}},
};

int Main(int argc, char** argv) {
  bool smoke = false;
  std::set<std::string> parts;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto part = kParts.find(argument);
    if (argument == "--smoke") {
      smoke = true;
    } else if (part != kParts.end()) {
      parts.insert(part->second.begin(), part->second.end());
    } else {
      std::fprintf(stderr, "usage: %s [--smoke] [part…]\nparts (default: all):", argv[0]);
      for (const auto& [name, stands_for] : kParts) std::fprintf(stderr, " %s", name.c_str());
      std::fprintf(stderr, "\n");
      return 2;
    }
  }
  const auto asked = [&](const char* part) { return parts.empty() || parts.count(part) > 0; };
  const Sizes& sizes = smoke ? kSmoke : kFull;
  if (asked("entitlements") || asked("checkout")) {
    Mesh mesh;
    MakeEntities(mesh, 0, sizes.entities);
    if (asked("entitlements")) BenchEntitlements(mesh, sizes);
    if (asked("checkout")) BenchCheckout(mesh, sizes);
  }
  if (asked("webhook-rate")) BenchWebhookRate(smoke);
  if (asked("webhook-isolation")) BenchWebhookIsolation(smoke);
  if (asked("webhook-scale")) BenchWebhookScale(smoke);
  return 0;
}

}  // namespace
}  // namespace billmesh::bench

int main(int argc, char** argv) { return billmesh::bench::Main(argc, argv); }
