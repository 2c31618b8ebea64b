#include "services/webhook/change_notifier.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "common/rpc/server.h"
#include "common/telemetry/metrics.h"

namespace billmesh::webhook {
namespace {

namespace pb = billing::entitlements::v1;

void CountHint(const char* outcome) {
  telemetry::GetCounter("billmesh_webhook_hints_total", "Hints to entitlements", {{"outcome", outcome}}).Add();
}

void Send(pb::EntitlementsService::Stub& stub, absl::Duration timeout,
          const std::unordered_map<std::string, int64_t>& revisions) {
  grpc::ClientContext context;
  rpc::PrepareContext(context, timeout);
  pb::NotifyChangesRequest request;
  for (const auto& [entity_id, revision] : revisions) {
    pb::EntityRevision* entry = request.add_changes();
    entry->set_entity_id(entity_id);
    entry->set_revision(revision);
  }
  pb::NotifyChangesResponse response;
  CountHint(stub.NotifyChanges(&context, request, &response).ok() ? "ok" : "failed");
}

}  // namespace

GrpcChangeNotifier::GrpcChangeNotifier(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout)
    : channel_(std::move(channel)), timeout_(timeout), sender_([this] { SendGathered(); }) {}

GrpcChangeNotifier::~GrpcChangeNotifier() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_sender_.notify_one();
  sender_.join();
}

void GrpcChangeNotifier::Notify(const std::vector<EntityChange>& changes) {
  if (changes.empty()) return;
  bool dropped = false;
  {
    std::lock_guard lock(mutex_);
    for (const EntityChange& change : changes) {
      const auto known = waiting_.find(change.entity_id);
      if (known != waiting_.end()) {
        known->second = std::max(known->second, change.revision);
      } else if (waiting_.size() < kMaxWaiting) {
        waiting_.emplace(change.entity_id, change.revision);
      } else {
        dropped = true;
      }
    }
  }
  wake_sender_.notify_one();
  if (dropped) CountHint("dropped");
}

void GrpcChangeNotifier::SendGathered() {
  const auto stub = pb::EntitlementsService::NewStub(channel_);
  std::unique_lock lock(mutex_);
  for (bool ending = false; !ending;) {
    wake_sender_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    ending = stopping_;
    if (waiting_.empty()) return;
    const auto gathered = std::exchange(waiting_, {});
    lock.unlock();
    Send(*stub, timeout_, gathered);
    lock.lock();
    const auto pause = std::chrono::microseconds(absl::ToInt64Microseconds(kPause));
    wake_sender_.wait_for(lock, pause, [this] { return stopping_; });
  }
}

void GrpcChangeNotifier::WakeWorker(Lane lane) {
  const auto wake = wake_.find(lane);
  if (wake != wake_.end()) wake->second();
}

}  // namespace billmesh::webhook
