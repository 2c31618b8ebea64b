#include "services/edge/webhook_route.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"

namespace billmesh::edge {
namespace {

namespace pb = billing::webhook::v1;

struct Provider {
  std::string_view name;
  const char* signature_header;
};
// The path names the provider, so that others can follow.
constexpr Provider kProviders[] = {{"stripe", "Stripe-Signature"}};

const Provider* FindProvider(std::string_view name) {
  for (const Provider& provider : kProviders) {
    if (provider.name == name) return &provider;
  }
  return nullptr;
}

// EVENT_OUTCOME_PROCESSED → processed.
std::string OutcomeName(pb::EventOutcome outcome) {
  const std::string name = pb::EventOutcome_Name(outcome);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "EVENT_OUTCOME_"));
}

absl::Status RefuseSignature(const char* cause, const char* message) {
  telemetry::GetCounter("billmesh_webhook_signature_failures_total", "Deliveries refused for their signature",
                        {{"cause", cause}})
      .Add();
  telemetry::Guardrail(kSignatureFailure, {{"cause", cause}});
  return Fail(Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID, message, {{"cause", cause}});
}

}  // namespace

absl::StatusOr<pb::Delivery> BuildDelivery(std::string_view provider_name, http::Request& request,
                                           const telemetry::TraceContext& trace) {
  const Provider* const provider = FindProvider(provider_name);
  if (provider == nullptr) return Fail(Reason::FAILURE_REASON_ROUTE_NOT_FOUND, "there is nothing at this path");
  if (request.body_too_large || request.body.size() > kMaxWebhookBodyBytes) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_BODY_TOO_LARGE, "the body is over 256 KiB");
  }
  if (request.body.empty()) return Fail(Reason::FAILURE_REASON_WEBHOOK_BODY_MISSING, "the delivery has no body");
  const int headers = request.HeaderCount(provider->signature_header);
  if (headers != 1) {
    return RefuseSignature(headers == 0 ? "header_missing" : "header_repeated",
                           "exactly one signature header is needed");
  }
  const std::string_view signature = request.Header(provider->signature_header);
  // A proto string is UTF-8, and no genuine signature holds anything but printable ASCII.
  for (const char c : signature) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return RefuseSignature("header_malformed", "the signature header is malformed");
    }
  }
  pb::Delivery delivery;
  delivery.set_provider(std::string(provider->name));
  delivery.set_body(std::move(request.body));
  delivery.set_signature_header(std::string(signature));
  delivery.set_request_id(trace.request_id);
  delivery.set_traceparent(trace.traceparent);
  return delivery;
}

std::string RenderDelivery(const pb::DeliveryResult& result) {
  return absl::StrCat(R"({"received":true,"duplication":)", result.duplication() ? "true" : "false", R"(,"outcome":")",
                      OutcomeName(result.outcome()), "\"}");
}

absl::Status DeliveryFailure(const absl::Status& status) {
  const FailureRule& rule = RuleOf(ReasonOf(status));
  if (!rule.retryable || rule.http_status == 503) return status;
  return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, std::string(status.message()), MetadataOf(status));
}

}  // namespace billmesh::edge
