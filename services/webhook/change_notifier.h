// What is told after a commit: to entitlements, which entities changed, so that it needn't wait for its next poll of
// the change feed; to this daemon's own workers, that stored events are due. Losing a hint loses nothing.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "services/webhook/projection_write_store.h"

namespace billmesh::webhook {

class ChangeNotifier {
 public:
  virtual ~ChangeNotifier() = default;
  // Never blocks, never fails. Thread safe.
  virtual void Notify(const std::vector<EntityChange>& changes) = 0;
  // Never blocks, never fails. Thread safe.
  virtual void WakeWorkers() = 0;
};

// Sends hints without waiting for their answers. At most kMaxInFlight at a time; more are dropped.
class GrpcChangeNotifier final : public ChangeNotifier {
 public:
  static constexpr int kMaxInFlight = 64;
  GrpcChangeNotifier(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout);
  // Waits for the hints that are under way, which is bounded by their timeout.
  ~GrpcChangeNotifier() override;
  void Notify(const std::vector<EntityChange>& changes) override;
  void WakeWorkers() override;
  // Called by WakeWorkers; to be set before anything is told.
  void OnWake(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::function<void()> wake_;
};

}  // namespace billmesh::webhook
