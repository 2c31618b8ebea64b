// Benchmarks over the built mesh. usage: billmesh-bench [--smoke] [entitlements] [checkout] [webhook]; all without a
// name. Run by tests/bench/run.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/crypto.h"
#include "common/testing/test_database.h"
#include "tests/bench/check_load.h"
#include "tests/bench/checkout_load.h"
#include "tests/bench/http_load.h"
#include "tests/support/mesh.h"

namespace billmesh::bench {
namespace {

using testing::Mesh;

// Sizes of a full run and of the smoke run that the default tests hold.
struct Sizes {
  int entities;
  std::chrono::milliseconds check_time;
  int deliveries;
  int pgbench_seconds;
  int buyers;
  int checkout_calls;
};
constexpr Sizes kFull{1000, std::chrono::seconds(8), 20000, 10, 1000, 6000};
constexpr int kPgbenchClients = 8;
// At this rate the mesh's own part of a purchase stays below the bound, for 99 of 100.
constexpr double kPacedCheckouts = 200;
constexpr double kOverheadBoundMs = 25;
constexpr Sizes kSmoke{50, std::chrono::milliseconds(400), 300, 1, 200, 100};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(1);
}

// Workspaces with a customer link and an active subscription to the sample catalog's paid plan.
void MakeEntities(Mesh& mesh, int count) {
  mesh.Value(absl::StrCat(R"sql(
    BEGIN;
    INSERT INTO billing.entities (id, env, kind, ref, slug, display_name)
      SELECT md5('entity' || g)::uuid, 'test', 'workspace', 'bench-' || g, 'bench-' || g, 'Bench'
      FROM generate_series(0, )sql",
                          count, R"sql( - 1) AS g;
    INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id)
      SELECT md5('link' || g)::uuid, md5('entity' || g)::uuid, 'stripe', 'cus_bench' || g
      FROM generate_series(0, )sql",
                          count, R"sql( - 1) AS g;
    INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status,
                                       is_current, provider_subscription_created_at, provider_updated_at, provider_event_id)
      SELECT md5('sub' || g)::uuid, 'test', md5('entity' || g)::uuid, 'stripe', 'sub_bench' || g, 'cus_bench' || g, 'active', true,
             '2026-01-01', '2026-01-01', 'evt_0'
      FROM generate_series(0, )sql",
                          count, R"sql( - 1) AS g;
    INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id, quantity,
                                            current_period_start, current_period_end)
      SELECT md5('item' || g)::uuid, md5('entity' || g)::uuid, md5('sub' || g)::uuid, 'stripe', 'si_bench' || g,
             (SELECT p.provider_price_id FROM billing.plan_prices p WHERE p.component = 'base' LIMIT 1), 1, '2026-01-01', '2036-01-01'
      FROM generate_series(0, )sql",
                          count, R"sql( - 1) AS g;
    COMMIT;
    ANALYZE billing.entities, billing.entity_customers, billing.subscriptions, billing.subscription_items)sql"));
}

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

// A subscription event of the present shape, of about 5 KB as real ones are.
std::string SubscriptionEvent(int n, int entity, const std::string& price) {
  const int created = 1790000000 + n;
  std::string padding;
  for (int i = 0; i < 45; ++i)
    absl::StrAppend(&padding, i ? "," : "", "\"note_", i,
                    "\":\"a field that billing does not read, like many of a real object\"");
  return absl::StrCat(
      R"({"id":"evt_bench)", n, R"(","object":"event","api_version":"2026-10-28.endive","created":)", created,
      R"(,"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"customer.subscription.updated",)",
      R"("data":{"object":{"id":"sub_bench)", entity, R"(","object":"subscription","customer":"cus_bench)", entity,
      R"(","status":"active","created":1767225600,"cancel_at_period_end":false,"cancel_at":null,"canceled_at":null,"ended_at":null,)",
      R"("trial_start":null,"trial_end":null,"latest_invoice":"in_)", n, R"(","livemode":false,"metadata":{)", padding,
      R"(},"items":{"object":"list","has_more":false,"data":[{"id":"si_bench)", entity,
      R"(","object":"subscription_item","quantity":)", 1 + n % 7, R"(,"current_period_start":)", created,
      R"(,"current_period_end":)", created + 2592000, R"(,"price":{"id":")", price,
      R"(","object":"price","currency":"eur","unit_amount":2900}}]}}}})");
}

double RunPgbench(Mesh& mesh, const std::string& url, int entities, int seconds, const std::string& payload) {
  const std::string bench = testing::RequiredEnv("BILLMESH_SOURCE_ROOT") + "/tests/bench";
  const auto setup =
      testing::RunCommand({"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", absl::StrCat("entities=", entities), "-f",
                           bench + "/nine_statements_setup.sql", url},
                          {});
  if (setup.exit_code != 0) Die("pgbench set-up failed");
  mesh.Value("INSERT INTO bench.payload (payload) VALUES ('\\x" + crypto::HexEncode(payload) + "')");
  const auto run = testing::RunCommand(
      {"pgbench", "-n", "-M", "prepared", "-c", absl::StrCat(kPgbenchClients), "-j", "2", "-T", absl::StrCat(seconds),
       "-D", absl::StrCat("entities=", entities), "-f", bench + "/nine_statements.sql", url},
      {{"PATH", "/usr/lib/postgresql/15/bin:/usr/bin:/bin"}}, absl::Seconds(seconds + 60));
  const size_t at = run.output.find("tps = ");
  double tps = 0;
  if (run.exit_code != 0 || at == std::string::npos ||
      !absl::SimpleAtod(run.output.substr(at + 6, run.output.find(' ', at + 6) - at - 6), &tps)) {
    Die("pgbench failed: " + run.output);
  }
  return tps;
}

void BenchWebhook(Mesh& mesh, const Sizes& sizes) {
  const std::string price =
      mesh.Value("SELECT p.provider_price_id FROM billing.plan_prices p WHERE p.component = 'base' LIMIT 1");
  const double baseline =
      RunPgbench(mesh, mesh.database_url(), sizes.entities, sizes.pgbench_seconds, SubscriptionEvent(0, 0, price));
  int port = 0;
  if (!absl::SimpleAtoi(mesh.edge_url().substr(mesh.edge_url().rfind(':') + 1), &port))
    Die("no port in " + mesh.edge_url());
  int sent = 0;
  for (const int connections : {1, 8, 32, 128}) {
    const int total = connections == 1 ? sizes.deliveries / 8 : sizes.deliveries;
    const int first = sent;
    const Load load =
        RunDeliveries(port, "/api/billing/webhooks/stripe", mesh.webhook_secret(), total, connections,
                      [&](int i) { return SubscriptionEvent(first + i, (first + i) % sizes.entities, price); });
    sent += total;
    if (load.failed != 0) Die(absl::StrCat(load.failed, " of ", load.done, " deliveries were not answered 200"));
    Report(absl::StrCat("webhook_projected_c", connections), load.per_second, "events/s", baseline);
    // One client's share of the baseline's rate is the time that its transaction takes.
    const double baseline_ms = kPgbenchClients * 1000.0 / baseline;
    Report(absl::StrCat("webhook_ack_p50_ms_c", connections), load.p50_us / 1000, "ms", baseline_ms);
    Report(absl::StrCat("webhook_ack_p99_ms_c", connections), load.p99_us / 1000, "ms", baseline_ms);
  }
  // Acknowledged means projected: every one of them, or the figures above mean nothing.
  const std::string processed = mesh.Value(
      "SELECT count(*) FROM billing.webhook_events WHERE provider_event_id LIKE 'evt_bench%' AND status = 'processed'");
  if (processed != absl::StrCat(sent)) Die(absl::StrCat(processed, " of ", sent, " events are projected"));
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

int Main(int argc, char** argv) {
  Sizes sizes = kFull;
  bool entitlements = false, checkout = false, webhook = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--smoke") {
      sizes = kSmoke;
    } else if (argument == "entitlements") {
      entitlements = true;
    } else if (argument == "checkout") {
      checkout = true;
    } else if (argument == "webhook") {
      webhook = true;
    } else {
      std::fprintf(stderr, "usage: %s [--smoke] [entitlements] [checkout] [webhook]\n", argv[0]);
      return 2;
    }
  }
  const bool all = !entitlements && !checkout && !webhook;
  Mesh mesh;
  MakeEntities(mesh, sizes.entities);
  if (all || entitlements) BenchEntitlements(mesh, sizes);
  if (all || checkout) BenchCheckout(mesh, sizes);
  if (all || webhook) BenchWebhook(mesh, sizes);
  return 0;
}

}  // namespace
}  // namespace billmesh::bench

int main(int argc, char** argv) { return billmesh::bench::Main(argc, argv); }
