// Whether the edge can reach a daemon, for its own readiness.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/time/clock.h"
#include "grpcpp/grpcpp.h"

namespace billmesh::edge {

// The channel's state and not a health call decides: an edge must not leave its load balancer because a daemon's
// database is away. It is the one who tells clients so, with a 503 they understand. That a daemon can't be reached at
// all is another thing. Called from one thread.
class PeerReadiness {
 public:
  // state: the present connectivity, and an attempt to connect where it is idle. The clock must outlive this object.
  PeerReadiness(std::string name, std::function<grpc_connectivity_state()> state, Clock& clock)
      : name_(std::move(name)), state_(std::move(state)), clock_(clock) {}
  static PeerReadiness Of(std::string name, std::shared_ptr<grpc::Channel> channel, Clock& clock);

  // OK while connected, and for 5 s after: connections are renewed by age, which is no outage.
  absl::Status Check();

 private:
  std::string name_;
  std::function<grpc_connectivity_state()> state_;
  Clock& clock_;
  std::optional<absl::Duration> connected_at_;
};

}  // namespace billmesh::edge
