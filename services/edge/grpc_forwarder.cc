#include "services/edge/grpc_forwarder.h"

#include <vector>

#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/status/status.h"

namespace billmesh::edge {
namespace {

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

// What must live until gRPC has called back.
struct GrpcForwarder::Call {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  telemetry::TraceContext trace;
  ForwardDone done;
};

GrpcForwarder::GrpcForwarder(const std::map<std::string, std::shared_ptr<grpc::Channel>>& channels,
                             auth::AssertionSigner& signer)
    : signer_(signer) {
  for (const auto& [daemon, channel] : channels) stubs_[daemon] = std::make_unique<grpc::GenericStub>(channel);
}

GrpcForwarder::~GrpcForwarder() {
  std::unique_lock lock(mutex_);
  for (Call* call : cancellable_) call->context.TryCancel();
  idle_.wait(lock, [this] { return running_ == 0; });
}

void GrpcForwarder::Forward(ForwardCall forwarded, ForwardDone done) {
  const auto stub = stubs_.find(forwarded.daemon);
  if (stub == stubs_.end()) return done(absl::InternalError("no such daemon: " + forwarded.daemon));
  std::string assertion;
  if (forwarded.user.has_value()) {
    auto signed_user = signer_.Sign(*forwarded.user);
    if (!signed_user.ok()) return done(signed_user.status());
    assertion = *std::move(signed_user);
  }
  auto call = std::make_unique<Call>();
  call->request = ToBuffer(forwarded.request);
  call->trace = forwarded.trace;
  call->done = std::move(done);
  {
    const telemetry::CallScope scope(call->trace);
    rpc::PrepareContext(call->context, forwarded.timeout, assertion);
  }
  Call* const raw = call.release();
  {
    std::lock_guard lock(mutex_);
    cancellable_.insert(raw);
    ++running_;
  }
  stub->second->UnaryCall(&raw->context, forwarded.rpc_path, grpc::StubOptions(), &raw->request, &raw->response,
                          [this, raw](const grpc::Status& status) { Finish(std::unique_ptr<Call>(raw), status); });
}

void GrpcForwarder::Finish(std::unique_ptr<Call> call, const grpc::Status& status) {
  {
    const telemetry::CallScope scope(call->trace);
    if (status.ok()) {
      call->done(ToBytes(call->response));
    } else {
      call->done(rpc::FromGrpc(status));
    }
  }
  {
    std::lock_guard lock(mutex_);
    cancellable_.erase(call.get());
  }
  // Before it counts as ended: a context holds its channel, and a channel that dies last on gRPC's own thread takes
  // that thread's queue with it.
  call.reset();
  std::lock_guard lock(mutex_);
  if (--running_ == 0) idle_.notify_all();
}

}  // namespace billmesh::edge
