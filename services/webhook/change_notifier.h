// What is told after a commit: to entitlements, which entities changed, so that it needn't wait for its next poll of
// the change feed; to this daemon's own workers, that stored events are due. Losing a hint loses nothing.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "services/webhook/event_store.h"
#include "services/webhook/projection_write_store.h"

namespace billmesh::webhook {

class ChangeNotifier {
 public:
  virtual ~ChangeNotifier() = default;
  // Never blocks, never fails. Thread safe.
  virtual void Notify(const std::vector<EntityChange>& changes) = 0;
  // Never blocks, never fails. Thread safe.
  virtual void WakeWorker(Lane lane) = 0;
};

// Sends hints one after the other, by a thread of its own: the first at once; what changes until kPause after its
// answer goes as one, each entity with its latest revision. So a busy daemon's hints cost little, and a listener that
// is slow or away costs its callers nothing. At most kMaxWaiting entities wait, as many as a hint may name; more are
// dropped. A hint is of many requests and carries the ids of none.
class GrpcChangeNotifier final : public ChangeNotifier {
 public:
  static constexpr size_t kMaxWaiting = 1'000;
  // ENT-6 gives a change 100 ms to its watchers; the feed's poll finds it in half of that by itself.
  static constexpr absl::Duration kPause = absl::Milliseconds(25);
  // `timeout`: of one hint.
  GrpcChangeNotifier(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout);
  // Sends what waits, after the hint that is under way: bounded by two timeouts.
  ~GrpcChangeNotifier() override;
  void Notify(const std::vector<EntityChange>& changes) override;
  void WakeWorker(Lane lane) override;
  // Called by WakeWorker; to be set before anything is told.
  void OnWake(Lane lane, std::function<void()> wake) { wake_[lane] = std::move(wake); }

 private:
  void SendGathered();

  const std::shared_ptr<grpc::Channel> channel_;
  const absl::Duration timeout_;
  std::map<Lane, std::function<void()>> wake_;
  std::mutex mutex_;
  std::condition_variable wake_sender_;
  std::unordered_map<std::string, int64_t> waiting_;  // the latest revision by entity id; guarded by mutex_
  bool stopping_ = false;                             // guarded by mutex_
  std::thread sender_;                                // begun last: it uses the others
};

}  // namespace billmesh::webhook
