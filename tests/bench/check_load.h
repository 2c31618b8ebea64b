// A closed loop of entitlement checks over gRPC: `concurrency` calls are always under way.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/rpc/server.h"
#include "tests/bench/report.h"

namespace billmesh::bench {

Load RunCheckLoad(const std::string& address, const rpc::TlsFiles& tls, const std::vector<std::string>& entity_ids,
                  const std::string& key, int concurrency, std::chrono::milliseconds duration);

}  // namespace billmesh::bench
