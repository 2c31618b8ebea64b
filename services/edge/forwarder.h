// The way from the edge to the daemons, as the HTTP side sees it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/identity.h"
#include "common/telemetry/log.h"

namespace billmesh::edge {

struct ForwardCall {
  std::string daemon;    // "checkout"
  std::string rpc_path;  // "/billing.checkout.v1.CheckoutService/GetCheckout"
  std::string request;   // serialized
  std::optional<auth::UserIdentity> user;
  telemetry::TraceContext trace;
  absl::Duration timeout;
};

// Called exactly once, from any thread, with the serialized response or a status with a reason.
using ForwardDone = std::function<void(absl::StatusOr<std::string>)>;

class Forwarder {
 public:
  virtual ~Forwarder() = default;
  // Starts the call and returns: it never blocks. Thread safe.
  virtual void Forward(ForwardCall call, ForwardDone done) = 0;
};

}  // namespace billmesh::edge
