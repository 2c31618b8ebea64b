// gRPC's own log lines, as lines of ours.
#pragma once

namespace billmesh::rpc {

// From now on what gRPC writes goes to telemetry::Log, so that standard error is JSON only (OBS-3). Idempotent; thread
// safe.
void RouteGrpcLog();

}  // namespace billmesh::rpc
