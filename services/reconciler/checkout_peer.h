// The checkout daemon, as the reconciler calls it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"

namespace billmesh::reconciler {

// What became of an operation.
struct Recovered {
  bool ended = false;        // false: nobody could tell yet, or somebody holds it
  std::string status;        // "pending", "succeeded", "failed" or "expired"
  std::string failure_code;  // of failed and expired ones
};

class CheckoutPeer {
 public:
  virtual ~CheckoutPeer() = default;
  // Brings a stale operation to its end (IDM-9), or tries to. An error when the call didn't come through. Blocks, at
  // most for the timeout; thread safe.
  virtual absl::StatusOr<Recovered> RecoverOperation(const std::string& operation_id, absl::Duration timeout) = 0;
};

class GrpcCheckoutPeer final : public CheckoutPeer {
 public:
  explicit GrpcCheckoutPeer(std::shared_ptr<grpc::Channel> channel);
  ~GrpcCheckoutPeer() override;
  absl::StatusOr<Recovered> RecoverOperation(const std::string& operation_id, absl::Duration timeout) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace billmesh::reconciler
