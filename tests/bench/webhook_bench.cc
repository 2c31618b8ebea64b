#include "tests/bench/webhook_bench.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/crypto.h"
#include "common/testing/test_database.h"
#include "tests/bench/cpu_time.h"
#include "tests/bench/entities.h"
#include "tests/bench/http_load.h"
#include "tests/bench/webhook_deliveries.h"
#include "tests/support/mesh.h"

namespace billmesh::bench {
namespace {

using testing::Mesh;

struct WebhookSizes {
  int entities;       // that events are spread over
  int few, many;      // entities of the comparison in scale
  int deliveries;     // of a closed loop
  int rate_rounds;    // of pgbench and of the loads, one after the other
  int paced_seconds;  // of an open loop
  int pgbench_seconds;
  int isolation_rounds;  // of both kinds
};
constexpr WebhookSizes kFullSizes{10'000, 1'000, 1'000'000, 30'000, 5, 4, 4, 24};
constexpr WebhookSizes kSmokeSizes{100, 50, 100, 300, 1, 1, 1, 1};
// Of the comparison with and without a poisoned entity.
constexpr int kIsolationEntities = 1'000, kIsolationSeconds = 3;
constexpr double kIsolationRate = 1'000;  // deliveries each second
constexpr size_t kPoisonedEvery = 1'000;  // its share
constexpr int kPgbenchClients = 8;
constexpr int kTopConnections = 128;
// The bars of the issue.
constexpr double kCpuBarMs = 0.30, kAckBarMs = 20, kLagBarMs = 50, kScaleBar = 0.8, kRateBar = 2.0, kIsolationBar = 1.1;

double RunPgbench(Mesh& mesh, int entities, int seconds, const std::string& payload) {
  const std::string bench = testing::RequiredEnv("BILLMESH_SOURCE_ROOT") + "/tests/bench";
  const auto setup =
      testing::RunCommand({"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", absl::StrCat("entities=", entities), "-f",
                           bench + "/nine_statements_setup.sql", mesh.database_url()},
                          {});
  if (setup.exit_code != 0) Die("pgbench set-up failed");
  mesh.Value("INSERT INTO bench.payload (payload) VALUES ('\\x" + crypto::HexEncode(payload) + "')");
  // What the parts before left in the kernel's cache would be written out in the middle, and hold up every commit.
  sync();
  const auto run = testing::RunCommand(
      {"pgbench", "-n", "-M", "prepared", "-c", absl::StrCat(kPgbenchClients), "-j", "2", "-T", absl::StrCat(seconds),
       "-D", absl::StrCat("entities=", entities), "-f", bench + "/nine_statements.sql", mesh.database_url()},
      {{"PATH", "/usr/lib/postgresql/15/bin:/usr/bin:/bin"}}, absl::Seconds(seconds + 60));
  const size_t at = run.output.find("tps = ");
  double tps = 0;
  if (run.exit_code != 0 || at == std::string::npos ||
      !absl::SimpleAtod(run.output.substr(at + 6, run.output.find(' ', at + 6) - at - 6), &tps)) {
    Die("pgbench failed: " + run.output);
  }
  // What it leaves would be vacuumed while the mesh is measured.
  mesh.Value("SET client_min_messages = warning; DROP SCHEMA bench CASCADE");
  return tps;
}

// Processes of the mesh and of its Postgres; not the simulator, nor this program.
std::vector<pid_t> Processes(Mesh& mesh) {
  std::vector<pid_t> pids;
  for (const char* daemon : {"edge", "webhook", "entitlements", "checkout", "reconciler"}) {
    pids.push_back(mesh.process(daemon).pid());
  }
  const std::string file = mesh.Value("SELECT pg_read_file('postmaster.pid')");
  int postmaster = 0;
  if (!absl::SimpleAtoi(file.substr(0, file.find('\n')), &postmaster)) Die("no process of Postgres");
  pids.push_back(postmaster);
  return pids;
}

double Number(Mesh& mesh, const std::string& sql) {
  double number = 0;
  if (!absl::SimpleAtod(mesh.Value(sql), &number)) Die("no number: " + sql);
  return number;
}

// Transactions so far that wrote something; counted at once, unlike the statistics.
double Commits(Mesh& mesh) { return Number(mesh, "SELECT pg_snapshot_xmax(pg_current_snapshot())"); }

void ExpectDurable(Mesh& mesh) {
  const std::string settings = mesh.Value(
      "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'), "
      "current_setting('full_page_writes'))");
  if (settings != "on on on") Die("Postgres isn't durable: " + settings);
}

// As on a server that has run for a while: its log goes into files that are there already. A new one is filled with
// zeros first, which holds up every commit for tens of milliseconds. A benchmark is over before the next checkpoint:
// what one costs isn't in its figures.
void AgeLog(Mesh& mesh) {
  mesh.Value("ALTER SYSTEM SET max_wal_size = '8GB'");
  mesh.Value("ALTER SYSTEM SET min_wal_size = '2GB'");
  mesh.Value("SELECT pg_reload_conf()");
  mesh.Value(R"sql(
    DO $$ BEGIN
      FOR i IN 1 .. 100 LOOP  -- of 16 MiB; min_wal_size keeps them
        PERFORM pg_logical_emit_message(false, 'bench', '');
        PERFORM pg_switch_wal();
      END LOOP;
    END $$;
    CHECKPOINT)sql");
}

// Acknowledged means projected: each of them, or the figures mean nothing.
void ExpectProjected(Mesh& mesh) {
  if (!testing::WaitUntil([&] {
        return mesh.Value("SELECT count(*) FROM billing.webhook_events WHERE status NOT IN ('processed', 'ignored')") ==
               "0";
      })) {
    Die("not all events are projected");
  }
}

// A closed loop's rate and latency against pgbench's.
Load BenchClosed(Mesh& mesh, int connections, const std::vector<std::string>& requests, double baseline,
                 Rounds& rounds) {
  Load load = Deliver(mesh, {.connections = connections}, requests);
  rounds.Add(absl::StrCat("webhook_projected_c", connections), load.per_second, "events/s", baseline);
  rounds.Add(absl::StrCat("webhook_ack_p50_ms_c", connections), load.p50_us / 1000, "ms",
             kPgbenchClients * 1000.0 / baseline);
  return load;
}

// The rate of a closed loop at 128 connections, with what an event costs; in events/s.
double BenchTop(Mesh& mesh, Deliveries& events, int deliveries, double baseline, Rounds& rounds) {
  const std::vector<std::string> requests = events.Next(deliveries);
  sync();
  const std::vector<pid_t> pids = Processes(mesh);
  const double commits_before = Commits(mesh), cpu_before = CpuSeconds(pids);
  const Load load = BenchClosed(mesh, kTopConnections, requests, baseline, rounds);
  const double cpu_ms = (CpuSeconds(pids) - cpu_before) * 1000 / deliveries;
  const double commits = Commits(mesh) - commits_before;
  rounds.Add("webhook_projected_c128_bar", load.per_second / baseline, "x", kRateBar);
  rounds.Add("webhook_cpu_ms_per_event", cpu_ms, "ms", kCpuBarMs);
  rounds.Add("webhook_commits_per_event", commits / deliveries, "commits", 1);
  return load.per_second;
}

// An open loop at this rate; its acknowledgements' p99 in ms.
double BenchPaced(Mesh& mesh, Deliveries& events, double rate, int seconds, Rounds& rounds) {
  const std::vector<std::string> requests = events.NextWithEarlyOnes(static_cast<int>(rate * seconds));
  sync();
  const std::vector<pid_t> pids = Processes(mesh);
  const double commits_before = Commits(mesh), cpu_before = CpuSeconds(pids);
  const Load load = Deliver(mesh, {.connections = kTopConnections, .per_second = rate}, requests);
  const auto done = static_cast<double>(load.done);
  const double cpu_ms = (CpuSeconds(pids) - cpu_before) * 1000 / done;
  const double commits = Commits(mesh) - commits_before;
  ExpectProjected(mesh);
  rounds.Add("webhook_paced_rate", load.per_second, "events/s", rate);
  rounds.Add("webhook_paced_cpu_ms_per_event", cpu_ms, "ms", kCpuBarMs);
  rounds.Add("webhook_paced_commits_per_event", commits / done, "commits", 1);
  rounds.Add("webhook_ack_p50_ms", load.p50_us / 1000, "ms", kAckBarMs);
  rounds.Add("webhook_ack_p99_ms", load.p99_us / 1000, "ms", kAckBarMs);
  return load.p99_us / 1000;
}

// A refund is projected once its charge is: from when that was stored (and acknowledged) to when the refund was
// applied.
double LagP99Ms(Mesh& mesh) {
  return Number(mesh, R"sql(
    SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (
             ORDER BY extract(epoch FROM r.processed_at - greatest(c.processed_at, r.received_at)) * 1000), 0)
    FROM billing.webhook_events r
    JOIN billing.webhook_events c ON c.provider_event_id = replace(r.provider_event_id, 'evt_refund', 'evt_charge')
    WHERE r.provider_event_id LIKE 'evt_refund%'
  )sql");
}

// What the deliveries of sound entities take, in us, with or without a poisoned one's among them. Its earlier events
// are tried again while new ones come, and not while none do.
std::vector<double> OthersLatencies(Mesh& mesh, Deliveries& deliveries, bool with_poison) {
  mesh.Value(
      absl::StrCat("UPDATE billing.webhook_events SET run_after = billing.now() + ",
                   with_poison ? absl::StrCat("random() * interval '", kIsolationSeconds, " s'") : "interval '1 h'",
                   " WHERE status = 'failed'"));
  std::vector<std::string> requests = deliveries.Next(static_cast<int>(kIsolationRate) * kIsolationSeconds);
  for (size_t i = 0; with_poison && i < requests.size(); i += kPoisonedEvery)
    requests[i] = deliveries.NextPoisoned(kIsolationEntities - 1);
  const Load load = Deliver(mesh, {.connections = kTopConnections, .per_second = kIsolationRate}, requests);
  std::vector<double> others;
  for (size_t i = 0; i < load.latencies_us.size(); ++i) {
    if (i % kPoisonedEvery != 0) others.push_back(load.latencies_us[i]);
  }
  return others;
}

// As whoever has a million entities would: by default PostgreSQL keeps 128 MiB of pages, less than they take.
void GiveMemory(Mesh& mesh) {
  mesh.Value("ALTER SYSTEM SET shared_buffers = '2GB'");
  mesh.StopPostgres();
  mesh.StartPostgres();
}

// As long after a checkpoint: the first change of a page after one writes the whole page into the log.
void TouchPages(Mesh& mesh) {
  for (const char* table : {"entities", "subscriptions", "subscription_items"}) {
    mesh.Value(absl::StrCat("UPDATE billing.", table, " SET created_at = created_at WHERE (ctid::text::point)[1] = 1"));
  }
}

}  // namespace

void BenchWebhookRate(bool smoke) {
  const WebhookSizes& sizes = smoke ? kSmokeSizes : kFullSizes;
  Mesh mesh;
  ExpectDurable(mesh);
  AgeLog(mesh);
  MakeEntities(mesh, 0, sizes.entities);
  MakePayments(mesh, sizes.entities);
  Deliveries events(mesh, sizes.entities);
  Rounds rounds;
  double worst_ack_ms = 0;
  for (int round = 0; round < sizes.rate_rounds; ++round) {
    const double baseline = RunPgbench(mesh, sizes.entities, sizes.pgbench_seconds, events.Body(0, 0));
    const int deliveries = sizes.deliveries / sizes.rate_rounds;
    for (const int connections : {1, 8, 32}) {
      const int total = connections == 1 ? deliveries / 12 : deliveries / 3;
      BenchClosed(mesh, connections, events.Next(total), baseline, rounds);
    }
    const double top = BenchTop(mesh, events, deliveries, baseline, rounds);
    ExpectProjected(mesh);
    worst_ack_ms = std::max(worst_ack_ms, BenchPaced(mesh, events, top / 2, sizes.paced_seconds, rounds));
  }
  rounds.ReportMiddle();
  Report("webhook_ack_p99_ms_worst", worst_ack_ms, "ms", kAckBarMs);
  Report("webhook_lag_p99_ms", LagP99Ms(mesh), "ms", kLagBarMs);
}

// One kind of round after the other, in pairs: the machine's speed changes within seconds, and a pair's ratio says what
// the poison does. The poisoned entity is suspect from the warm-up on.
void BenchWebhookIsolation(bool smoke) {
  const WebhookSizes& sizes = smoke ? kSmokeSizes : kFullSizes;
  Mesh mesh;
  ExpectDurable(mesh);
  AgeLog(mesh);
  MakeEntities(mesh, 0, kIsolationEntities);
  Deliveries deliveries(mesh, kIsolationEntities - 1);  // but of the last one
  Rounds rounds;
  std::vector<double> all_sound, all_poisoned;
  for (int round = -1; round < sizes.isolation_rounds; ++round) {
    std::vector<double> sound, poisoned;
    for (const bool with_poison : {round % 2 != 0, round % 2 == 0}) {
      (with_poison ? poisoned : sound) = OthersLatencies(mesh, deliveries, with_poison);
    }
    if (round < 0) continue;  // to warm up
    const double p99 = Quantile(poisoned, 0.99), p99_sound = Quantile(sound, 0.99);
    rounds.Add("webhook_isolation_p50_ms", Quantile(poisoned, 0.5) / 1000, "ms", Quantile(sound, 0.5) / 1000);
    rounds.Add("webhook_isolation_p99_ms", p99 / 1000, "ms", p99_sound / 1000);
    rounds.Add("webhook_isolation_bar", p99 / p99_sound, "x", kIsolationBar);
    all_sound.insert(all_sound.end(), sound.begin(), sound.end());
    all_poisoned.insert(all_poisoned.end(), poisoned.begin(), poisoned.end());
  }
  const std::string of_the_last = absl::StrCat("provider_customer_id = 'cus_bench", kIsolationEntities - 1, "'");
  if (!testing::WaitUntil([&] {
        return Number(mesh, "SELECT count(*) FROM billing.webhook_events WHERE attempts = 0 AND " + of_the_last) == 0;
      })) {
    Die("an event that was poisoned wasn't refused");
  }
  if (Number(mesh, "SELECT count(*) FROM billing.webhook_events WHERE " + of_the_last) < sizes.isolation_rounds ||
      Number(mesh, "SELECT count(*) FROM billing.webhook_events WHERE status <> 'processed' AND NOT " + of_the_last) >
          0) {
    Die("the poison wasn't where it should be");
  }
  rounds.ReportMiddle();
  Report("webhook_isolation_p99_ms_pooled", Quantile(all_poisoned, 0.99) / 1000, "ms",
         Quantile(all_sound, 0.99) / 1000);
}

// Few and many in turn, each in a mesh of its own: the machine's speed changes meanwhile.
void BenchWebhookScale(bool smoke) {
  const WebhookSizes& sizes = smoke ? kSmokeSizes : kFullSizes;
  Mesh small, large;
  Deliveries few(small, sizes.few), many(large, sizes.many);
  GiveMemory(small);
  GiveMemory(large);
  MakeEntities(small, 0, sizes.few);
  MakeEntities(large, 0, sizes.many);
  for (Mesh* mesh : {&small, &large}) {
    ExpectDurable(*mesh);
    mesh->Value("VACUUM");  // not in the middle
    AgeLog(*mesh);
    TouchPages(*mesh);
  }
  const auto rate = [&](Mesh& mesh, Deliveries& deliveries) {
    const std::vector<std::string> requests = deliveries.Next(sizes.deliveries / 3);
    sync();
    return Deliver(mesh, {.connections = kTopConnections}, requests).per_second;
  };
  Rounds rounds;
  for (int round = -1; round < sizes.rate_rounds; ++round) {
    double rate_few = 0, rate_many = 0;
    for (const bool of_many : {round % 2 != 0, round % 2 == 0}) {
      (of_many ? rate_many : rate_few) = of_many ? rate(large, many) : rate(small, few);
    }
    if (round < 0) continue;  // to warm up
    rounds.Add("webhook_scale_1e6", rate_many / rate_few, "x", kScaleBar);
  }
  ExpectProjected(small);
  ExpectProjected(large);
  rounds.ReportMiddle();
}

}  // namespace billmesh::bench
