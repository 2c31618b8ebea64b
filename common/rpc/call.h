// One explicit wrapper around every call of our gRPC services (callback API): it reads the certificate name and the user assertion,
// authorizes by the method policy and fails closed, continues the trace, enforces the deadline, measures, logs, and turns
// absl::Status into grpc::Status with its details. Handlers are thin: validate, call the service, convert.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/identity.h"
#include "common/telemetry/log.h"
#include "grpcpp/grpcpp.h"

namespace billmesh::rpc {

class CallHost;

// What a handler knows of its call.
struct CallContext {
  std::string method;
  auth::Caller caller;
  telemetry::TraceContext trace;
  // When the caller stops waiting, by the monotonic clock (Clock::Monotonic); InfiniteDuration when it set none.
  absl::Duration deadline_monotonic = absl::InfiniteDuration();
};

// What runs inside the wrapper: fills the response, returns the outcome.
using Work = std::function<absl::Status(const CallContext&)>;
// The same for work that finishes later: `done` must be called exactly once, from any thread.
using Done = std::function<void(absl::Status)>;
using AsyncWork = std::function<void(const CallContext&, Done)>;

// Inline: on gRPC's thread, for what answers from memory and never blocks.
grpc::ServerUnaryReactor* Inline(CallHost& host, grpc::CallbackServerContext* context, const char* method, Work work);
// Blocking: on the host's bounded executor; a full queue answers OVERLOADED at once.
grpc::ServerUnaryReactor* Blocking(CallHost& host, grpc::CallbackServerContext* context, const char* method, Work work);
// Async: started on gRPC's thread (it must not block), finished by `done`.
grpc::ServerUnaryReactor* Async(CallHost& host, grpc::CallbackServerContext* context, const char* method, AsyncWork work);

// Both ways between absl::Status with ErrorInfo and grpc::Status with google.rpc.Status details. An error without a reason becomes a
// generic INTERNAL on the way out ("internal error", logged inside with its text) and PEER_UNAVAILABLE on the way in when the
// channel failed (UNAVAILABLE without details).
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace billmesh::rpc
