// Benchmark of the webhook path: signed deliveries through the edge, from ingest to projected, against pgbench doing
// the same durable writes as one transaction an event.
#pragma once

namespace billmesh::bench {

// Each in a mesh of its own. They end the program where a figure would mean nothing. `smoke`: small, to see that it
// runs.

// Rates, latencies and what an event costs.
void BenchWebhookRate(bool smoke);
// What one entity whose events the database refuses costs the others.
void BenchWebhookIsolation(bool smoke);
// How much of the rate over a few entities is left over many.
void BenchWebhookScale(bool smoke);

}  // namespace billmesh::bench
