#include "absl/strings/cord.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace billmesh::rpc {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto info = status.GetPayload(kErrorInfoUrl);
  if (!info.has_value()) {
    // Made elsewhere: its text may hold anything, so it stays inside (the call wrapper logs it).
    const FailureRule& rule = RuleOf(Reason::FAILURE_REASON_UNSPECIFIED);
    return ToGrpc(Fail(Reason::FAILURE_REASON_UNSPECIFIED, "internal error", {{"code", rule.code}}));
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  auto* any = details.add_details();
  any->set_type_url(kErrorInfoUrl);
  any->set_value(std::string(*info));
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details())) {
    for (const auto& any : details.details()) {
      google::rpc::ErrorInfo info;
      if (any.type_url() != kErrorInfoUrl || !info.ParseFromString(any.value()) || info.domain() != kErrorDomain) continue;
      const Reason reason = ReasonFromCode(info.reason());
      return Fail(reason, status.error_message(), Metadata(info.metadata().begin(), info.metadata().end()));
    }
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "cannot reach the daemon: " + status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Fail(Reason::FAILURE_REASON_DEADLINE_EXCEEDED, "the daemon did not answer in time");
    default:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()), AbslView(status.error_message()));
  }
}

}  // namespace billmesh::rpc
