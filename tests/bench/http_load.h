// A closed loop of signed webhook deliveries over kept-alive connections, one thread a connection.
#pragma once

#include <functional>
#include <string>

#include "tests/bench/report.h"

namespace billmesh::bench {

// Sends `total` bodies, made by body(i), to POST target at host:port over `connections` connections, each signed with the secret. A
// delivery that isn't answered 200 counts as failed.
Load RunDeliveries(int port, const std::string& target, const std::string& secret, int total, int connections,
                   const std::function<std::string(int)>& body);

}  // namespace billmesh::bench
