// Two replicas of the webhook daemon, each behind an edge of its own, that can be killed and started again.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>

#include "common/testing/process.h"
#include "tests/support/mesh.h"

namespace billmesh::exactlyonce {

// Not thread safe.
class Replicas {
 public:
  static constexpr int kCount = 2;

  // Takes the place of the mesh's own webhook daemon: the first replica listens where that did. Aborts the test program
  // when one doesn't become ready.
  explicit Replicas(testing::Mesh& mesh);

  // Where deliveries for a replica are posted.
  const std::string& delivery_url(int replica) const { return pairs_[static_cast<size_t>(replica)].url; }
  // SIGKILL; then there is only one.
  void Kill(int replica);
  // Starts a killed one, and waits until it is ready.
  void Start(int replica);

 private:
  struct Pair {
    std::map<std::string, std::string> environment;
    std::string url, log;
    std::unique_ptr<testing::Process> webhook, edge;  // the first one's edge is the mesh's own
  };

  testing::Mesh& mesh_;
  std::array<Pair, kCount> pairs_;
};

}  // namespace billmesh::exactlyonce
