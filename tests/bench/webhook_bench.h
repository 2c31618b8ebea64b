// Benchmark of the webhook path: signed deliveries through the edge, from ingest to projected, against pgbench doing
// the same durable writes as one transaction an event.
#pragma once

namespace billmesh::bench {

// In meshes of its own. Ends the program where a figure would mean nothing. `smoke`: small, to see that it runs.
void BenchWebhook(bool smoke);

}  // namespace billmesh::bench
