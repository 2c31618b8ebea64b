// Purchases against the checkout daemon: half of the calls repeat an earlier key. What counts is the mesh's own share
// of the time: the simulator's measured part of each call is taken off.
#pragma once

#include <string>
#include <vector>

#include "common/rpc/server.h"
#include "tests/support/mesh.h"

namespace billmesh::bench {

struct CheckoutLoadOptions {
  int clients = 64;       // calls under way at most
  double per_second = 0;  // calls started each second; 0: as fast as the clients go
  int calls = 0;          // purchases and repeats together
  bool with_repeats = true;
};

struct CheckoutLoad {
  double per_second = 0;
  // Milliseconds from the instant at which a call was due to its answer, without the provider's part.
  double overhead_p50_ms = 0;
  double overhead_p99_ms = 0;
  // Transactions that wrote, for each purchase.
  double commits_per_purchase = 0;
  int64_t failed = 0;
  std::string first_failure;
};

// Buys for the entities, one after another. Sessions are ended behind the purchases, so that no entity stays blocked.
// `round` makes the idempotency keys of this run its own.
CheckoutLoad RunCheckoutLoad(testing::Mesh& mesh, const rpc::TlsFiles& tls, const std::vector<std::string>& entity_ids,
                             const std::string& plan_code, const std::string& round,
                             const CheckoutLoadOptions& options);

}  // namespace billmesh::bench
