// Webhook deliveries on their way to the webhook daemon: what has gathered goes as one call, so that many cost little
// more than one. One goes at once where no call is under way; where one has just begun few wait a moment, and so do
// fewer than that one took, because each call ends in a transaction of its own.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "billing/webhook/v1/webhook.pb.h"
#include "common/time/clock.h"
#include "services/edge/forwarder.h"

namespace billmesh::edge {

class DeliveryGatherer {
 public:
  struct Options {
    int max_calls = 2;  // under way at a time; more deliveries gather meanwhile
    // Deliveries are held back until every call has ended or been under way for `hold_back`, where they are fewer than
    // `few`, or than nine tenths of the newest call that is under way: where many deliver at once calls shouldn't
    // shrink.
    size_t few = 16;
    absl::Duration hold_back = absl::Milliseconds(10);
    // A call that waits for an entity's lock holds up its own deliveries only: from here on it isn't counted any more.
    absl::Duration slow_after = absl::Milliseconds(100);
    int max_slow_calls = 14;
    size_t max_deliveries = 64;  // of a call
    size_t max_bytes = 3 << 20;  // of a call's bodies; a single delivery always fits
    size_t max_waiting = 1024;   // deliveries, then OVERLOADED
    size_t max_waiting_bytes = 64 << 20;
    absl::Duration timeout = absl::Seconds(10);  // of a call
  };
  // Called exactly once, from any thread: the result of a delivery that is durable, its refusal, or why nobody knows.
  using Done = std::function<void(const absl::StatusOr<billing::webhook::v1::DeliveryResult>&)>;

  // The forwarder must call back before this object ends.
  DeliveryGatherer(Forwarder& forwarder, Clock& clock, const Options& options)
      : forwarder_(forwarder), clock_(clock), options_(options) {}

  // Never blocks; thread safe.
  void Submit(billing::webhook::v1::Delivery delivery, Done done);
  // Sends what waits and has room by now. To be called every now and then, more often than hold_back and slow_after:
  // those pass without anybody being told. Whether anything was sent. Never blocks; thread safe.
  bool SendGathered();
  // Holds nothing back from now on, when nobody will call SendGathered any more. Thread safe.
  void StopHoldingBack();

 private:
  // Those under way: when each began, by Clock::Monotonic, and its deliveries.
  using Calls = std::multimap<absl::Duration, size_t>;
  struct Waiting {
    billing::webhook::v1::Delivery delivery;
    Done done;
  };
  // What goes as one call.
  struct Batch {
    billing::webhook::v1::IngestBatchRequest request;
    std::vector<Done> dones;
  };

  bool HasRoom(absl::Duration now) const;  // mutex_ is held
  Batch TakeBatch();                       // mutex_ is held
  void Send(Batch batch, Calls::iterator call);
  static void Answer(const std::vector<Done>& dones, const absl::StatusOr<std::string>& response);

  Forwarder& forwarder_;
  Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::deque<Waiting> waiting_;  // guarded by mutex_
  size_t waiting_bytes_ = 0;     // guarded by mutex_
  bool holds_back_ = true;       // guarded by mutex_
  Calls calls_;                  // guarded by mutex_
};

}  // namespace billmesh::edge
