#include "services/edge/delivery_gatherer.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "common/rpc/call.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"

namespace billmesh::edge {
namespace {

namespace pb = billing::webhook::v1;

constexpr char kDaemon[] = "webhook";
constexpr char kIngestBatch[] = "/billing.webhook.v1.WebhookService/IngestBatch";

absl::StatusOr<pb::DeliveryResult> ResultOf(pb::DeliveryResult result) {
  if (!result.has_refusal()) return result;
  const google::rpc::Status& refusal = result.refusal();
  return rpc::FromGrpc(
      grpc::Status(static_cast<grpc::StatusCode>(refusal.code()), refusal.message(), refusal.SerializeAsString()));
}

}  // namespace

void DeliveryGatherer::Submit(pb::Delivery delivery, Done done) {
  const size_t bytes = delivery.body().size();
  {
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= options_.max_waiting || waiting_bytes_ + bytes > options_.max_waiting_bytes) {
      lock.unlock();
      return done(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many deliveries are waiting"));
    }
    waiting_bytes_ += bytes;
    waiting_.push_back({std::move(delivery), std::move(done)});
  }
  SendGathered();
}

// Until all calls are under way or nothing waits any more.
bool DeliveryGatherer::SendGathered() {
  for (bool sent = false;; sent = true) {
    const absl::Duration now = clock_.Monotonic();
    Batch batch;
    Calls::iterator call;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty() || !HasRoom(now)) return sent;
      batch = TakeBatch();
      call = calls_.emplace(now, batch.dones.size());
    }
    Send(std::move(batch), call);
  }
}

void DeliveryGatherer::StopHoldingBack() {
  {
    std::lock_guard lock(mutex_);
    holds_back_ = false;
  }
  SendGathered();
}

bool DeliveryGatherer::HasRoom(absl::Duration now) const {
  const auto slow = std::distance(calls_.begin(), calls_.upper_bound(now - options_.slow_after));
  const auto all = static_cast<std::ptrdiff_t>(calls_.size());
  if (all >= options_.max_calls + std::min<std::ptrdiff_t>(slow, options_.max_slow_calls)) return false;
  if (!holds_back_ || calls_.empty()) return true;
  const auto& [newest_began, newest_size] = *calls_.rbegin();
  if (now - newest_began >= options_.hold_back || waiting_bytes_ >= options_.max_bytes) return true;
  return waiting_.size() >= std::max(options_.few, newest_size * 9 / 10);
}

DeliveryGatherer::Batch DeliveryGatherer::TakeBatch() {
  Batch batch;
  size_t bytes = 0;
  while (!waiting_.empty() && batch.dones.size() < options_.max_deliveries) {
    Waiting& next = waiting_.front();
    const size_t more = next.delivery.body().size();
    if (!batch.dones.empty() && bytes + more > options_.max_bytes) break;
    bytes += more;
    *batch.request.add_deliveries() = std::move(next.delivery);
    batch.dones.push_back(std::move(next.done));
    waiting_.pop_front();
  }
  waiting_bytes_ -= bytes;
  return batch;
}

void DeliveryGatherer::Send(Batch batch, Calls::iterator call) {
  const pb::Delivery& first = batch.request.deliveries(0);
  // The call travels under its first delivery's ids; each delivery has its own within.
  ForwardCall forward{kDaemon,
                      kIngestBatch,
                      batch.request.SerializeAsString(),
                      std::nullopt,
                      {first.request_id(), first.traceparent()},
                      options_.timeout};
  auto dones = std::make_shared<std::vector<Done>>(std::move(batch.dones));
  forwarder_.Forward(std::move(forward), [this, dones, call](const absl::StatusOr<std::string>& response) {
    {
      std::lock_guard lock(mutex_);
      calls_.erase(call);
    }
    // What gathered meanwhile is on its way before these are answered.
    SendGathered();
    Answer(*dones, response);
  });
}

void DeliveryGatherer::Answer(const std::vector<Done>& dones, const absl::StatusOr<std::string>& response) {
  pb::IngestBatchResponse results;
  absl::Status failed = response.status();
  if (failed.ok() &&
      (!results.ParseFromString(*response) || results.results_size() != static_cast<int>(dones.size()))) {
    failed = absl::InternalError("the webhook daemon's answer can't be read");
  }
  const telemetry::LogBatch lines;  // written when all are answered
  for (size_t i = 0; i < dones.size(); ++i) {
    if (failed.ok()) {
      dones[i](ResultOf(std::move(*results.mutable_results(static_cast<int>(i)))));
    } else {
      dones[i](failed);
    }
  }
}

}  // namespace billmesh::edge
