#include "common/rpc/call.h"

#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "common/auth/method_policy.h"
#include "common/rpc/server.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"

namespace billmesh::rpc {
namespace {

// The instruments of one method, found once.
class MethodMetrics {
 public:
  explicit MethodMetrics(std::string method)
      : method_(std::move(method)),
        seconds_(telemetry::GetHistogram("billmesh_rpc_seconds", "Time to answer a gRPC call", {{"method", method_}})) {}

  void Observe(const absl::Status& status, absl::Duration elapsed) {
    seconds_.Observe(absl::ToDoubleSeconds(elapsed));
    CounterFor(status.ok() ? "ok" : CodeOf(ReasonOf(status))).Add();
  }

 private:
  telemetry::Counter& CounterFor(const std::string& code) {
    {
      std::shared_lock lock(mutex_);
      const auto it = counters_.find(code);
      if (it != counters_.end()) return *it->second;
    }
    std::unique_lock lock(mutex_);
    telemetry::Counter*& counter = counters_[code];
    if (counter == nullptr) {
      counter = &telemetry::GetCounter("billmesh_rpc_requests_total", "gRPC calls by method and outcome code",
                                       {{"method", method_}, {"code", code}});
    }
    return *counter;
  }

  const std::string method_;
  telemetry::Histogram& seconds_;
  std::shared_mutex mutex_;
  std::map<std::string, telemetry::Counter*> counters_;  // guarded by mutex_
};

// Methods are literals of our servers: a bounded set.
MethodMetrics& MetricsOf(const char* method) {
  static std::shared_mutex mutex;
  static auto* const all = new std::unordered_map<std::string, std::unique_ptr<MethodMetrics>>;
  {
    std::shared_lock lock(mutex);
    const auto it = all->find(method);
    if (it != all->end()) return *it->second;
  }
  std::unique_lock lock(mutex);
  auto& metrics = (*all)[method];
  if (metrics == nullptr) metrics = std::make_unique<MethodMetrics>(method);
  return *metrics;
}

std::string MetadataValue(const grpc::CallbackServerContext& context, const char* key) {
  const auto it = context.client_metadata().find(key);
  return it == context.client_metadata().end() ? "" : std::string(it->second.data(), it->second.size());
}

absl::StatusOr<auth::Caller> IdentifyCaller(CallHost& host, const grpc::CallbackServerContext& context) {
  auth::Caller caller;
  for (const grpc::string_ref& uri : context.auth_context()->FindPropertyValues("peer_uri")) {
    const std::string_view name(uri.data(), uri.size());
    const auth::CallerKind kind = auth::KindOfCertificate(name);
    // The first name of ours counts; a certificate is made for one name.
    if (kind == auth::CallerKind::kUnknown) continue;
    caller.certificate_name = std::string(name);
    caller.kind = kind;
    break;
  }
  const std::string assertion = MetadataValue(context, auth::kUserAssertionHeader);
  if (assertion.empty()) return caller;
  if (caller.kind != auth::CallerKind::kEdge || host.verifier() == nullptr) {
    return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "only the edge may speak for a user");
  }
  ASSIGN_OR_RETURN(caller.user, host.verifier()->Verify(assertion));
  return caller;
}

// One call from its start to its Finish.
struct Call {
  Call(CallHost& h, grpc::CallbackServerContext* c, const char* m)
      : host(h), metrics(MetricsOf(m)), reactor(c->DefaultReactor()), started(h.clock().Monotonic()) {
    context.method = m;
    context.trace = telemetry::ContinueTrace(MetadataValue(*c, "x-request-id"), MetadataValue(*c, "traceparent"));
    const absl::Time deadline = absl::FromChrono(c->deadline());
    // gRPC says "no deadline" with the end of time.
    if (deadline - h.clock().Now() < absl::Hours(24)) context.deadline_monotonic = started + (deadline - h.clock().Now());
  }

  absl::Status Admit(const grpc::CallbackServerContext& server_context) {
    ASSIGN_OR_RETURN(context.caller, IdentifyCaller(host, server_context));
    return auth::AuthorizeMethod(context.method, context.caller);
  }

  bool Late() const { return host.clock().Monotonic() >= context.deadline_monotonic; }

  void Finish(const absl::Status& status) {
    const absl::Duration elapsed = host.clock().Monotonic() - started;
    metrics.Observe(status, elapsed);
    if (!status.ok()) LogFailure(status, elapsed);
    reactor->Finish(ToGrpc(status));
  }

  void LogFailure(const absl::Status& status, absl::Duration elapsed) const {
    const telemetry::CallScope scope(context.trace);
    const bool ours = RuleOf(ReasonOf(status)).http_status >= 500;
    telemetry::Log(ours ? telemetry::Level::kError : telemetry::Level::kInfo, "call failed",
                   {{"method", context.method},
                    {"caller", context.caller.certificate_name},
                    {"code", CodeOf(ReasonOf(status))},
                    {"error", std::string(status.message())},
                    {"ms", absl::StrCat(absl::ToInt64Milliseconds(elapsed))}});
  }

  CallHost& host;
  MethodMetrics& metrics;
  grpc::ServerUnaryReactor* reactor;
  CallContext context;
  absl::Duration started;
};

// Runs the work in the call's trace and finishes it.
void RunAndFinish(Call& call, const Work& work) {
  absl::Status status;
  if (call.Late()) {
    status = Fail(Reason::FAILURE_REASON_DEADLINE_EXCEEDED, "the deadline passed before the call was begun");
  } else {
    const telemetry::CallScope scope(call.context.trace);
    status = work(call.context);
  }
  call.Finish(status);
}

}  // namespace

grpc::ServerUnaryReactor* Inline(CallHost& host, grpc::CallbackServerContext* context, const char* method, Work work) {
  Call call(host, context, method);
  const absl::Status admitted = call.Admit(*context);
  if (admitted.ok()) {
    RunAndFinish(call, work);
  } else {
    call.Finish(admitted);
  }
  return call.reactor;
}

grpc::ServerUnaryReactor* Blocking(CallHost& host, grpc::CallbackServerContext* context, const char* method, Work work) {
  auto call = std::make_shared<Call>(host, context, method);
  grpc::ServerUnaryReactor* const reactor = call->reactor;
  const absl::Status admitted = call->Admit(*context);
  if (!admitted.ok()) {
    call->Finish(admitted);
  } else if (!host.executor().TrySubmit([call, work = std::move(work)] { RunAndFinish(*call, work); })) {
    call->Finish(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many calls are waiting"));
  }
  return reactor;
}

grpc::ServerUnaryReactor* Async(CallHost& host, grpc::CallbackServerContext* context, const char* method, AsyncWork work) {
  auto call = std::make_shared<Call>(host, context, method);
  grpc::ServerUnaryReactor* const reactor = call->reactor;
  const absl::Status admitted = call->Admit(*context);
  if (!admitted.ok()) {
    call->Finish(admitted);
    return reactor;
  }
  const telemetry::CallScope scope(call->context.trace);
  work(call->context, [call](const absl::Status& status) { call->Finish(status); });
  return reactor;
}

}  // namespace billmesh::rpc
