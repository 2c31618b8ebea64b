// Signed webhook deliveries over kept-alive connections, by one thread: the mesh shares the processors with it, so it
// does as little as it can.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/report.h"

namespace billmesh::bench {

// A whole HTTP request: a POST of the body to the target, signed now with the secret.
std::string SignedRequest(const std::string& target, const std::string& secret, const std::string& body);

struct DeliveryLoad {
  int port = 0;
  int connections = 1;
  double per_second = 0;  // sent at this rate, late ones too (open loop); 0: as fast as they are answered (closed loop)
};

// Sends the requests in their order. One that isn't answered 200 counts as failed. The latency of an open loop's
// request is measured from when it was due.
Load RunDeliveries(const DeliveryLoad& load, const std::vector<std::string>& requests);

}  // namespace billmesh::bench
