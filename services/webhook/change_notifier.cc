#include "services/webhook/change_notifier.h"

#include <condition_variable>
#include <mutex>

#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "common/rpc/server.h"
#include "common/telemetry/metrics.h"

namespace billmesh::webhook {
namespace {

namespace pb = billing::entitlements::v1;

// The bound of NotifyChangesRequest.changes.
constexpr int kMaxChanges = 1000;

struct Hint {
  grpc::ClientContext context;
  pb::NotifyChangesRequest request;
  pb::NotifyChangesResponse response;
};

void CountHint(const char* outcome) {
  telemetry::GetCounter("billmesh_webhook_hints_total", "Hints to entitlements", {{"outcome", outcome}}).Add();
}

}  // namespace

struct GrpcChangeNotifier::Impl {
  std::unique_ptr<pb::EntitlementsService::Stub> stub;
  absl::Duration timeout;
  std::mutex mutex;
  std::condition_variable done;
  int in_flight = 0;  // guarded by mutex

  void Finish(bool ok) {
    CountHint(ok ? "ok" : "failed");
    std::lock_guard lock(mutex);
    --in_flight;
    done.notify_all();
  }
};

GrpcChangeNotifier::GrpcChangeNotifier(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout)
    : impl_(std::make_unique<Impl>()) {
  impl_->stub = pb::EntitlementsService::NewStub(std::move(channel));
  impl_->timeout = timeout;
}

GrpcChangeNotifier::~GrpcChangeNotifier() {
  std::unique_lock lock(impl_->mutex);
  impl_->done.wait(lock, [this] { return impl_->in_flight == 0; });
}

void GrpcChangeNotifier::Notify(const std::vector<EntityChange>& changes) {
  if (changes.empty()) return;
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->in_flight >= kMaxInFlight) {
      CountHint("dropped");
      return;
    }
    ++impl_->in_flight;
  }
  auto hint = std::make_shared<Hint>();
  rpc::PrepareContext(hint->context, impl_->timeout);
  for (const EntityChange& change : changes) {
    if (hint->request.changes_size() == kMaxChanges) break;
    pb::EntityRevision* entry = hint->request.add_changes();
    entry->set_entity_id(change.entity_id);
    entry->set_revision(change.revision);
  }
  Hint* const sent = hint.get();
  impl_->stub->async()->NotifyChanges(&sent->context, &sent->request, &sent->response,
                                      [impl = impl_.get(), hint = std::move(hint)](const grpc::Status& status) mutable {
                                        // The context holds the channel. It must be gone before the end may go on, or
                                        // else the channel's last reference is dropped here, on gRPC's own thread,
                                        // which would then wait for itself.
                                        hint.reset();
                                        impl->Finish(status.ok());
                                      });
}

void GrpcChangeNotifier::WakeWorkers() {
  if (wake_) wake_();
}

}  // namespace billmesh::webhook
