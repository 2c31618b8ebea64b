#include "services/edge/webhook_route.h"

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "billing/webhook/v1/webhook.pb.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

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

}  // namespace

absl::StatusOr<std::string> BuildIngest(std::string_view provider_name, const http::Request& request) {
  const Provider* const provider = FindProvider(provider_name);
  if (provider == nullptr) return Fail(Reason::FAILURE_REASON_ROUTE_NOT_FOUND, "there is nothing at this path");
  if (request.body_too_large || request.body.size() > kMaxWebhookBodyBytes) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_BODY_TOO_LARGE, "the body is over 256 KiB");
  }
  if (request.body.empty()) return Fail(Reason::FAILURE_REASON_WEBHOOK_BODY_MISSING, "the delivery has no body");
  if (request.HeaderCount(provider->signature_header) != 1) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID, "exactly one signature header is needed");
  }
  pb::IngestRequest ingest;
  ingest.set_provider(std::string(provider->name));
  ingest.set_body(request.body);
  const std::string_view signature = request.Header(provider->signature_header);
  // A proto string is UTF-8, and no genuine signature holds anything but printable ASCII.
  for (const char c : signature) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return Fail(Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID, "the signature header is malformed");
    }
  }
  ingest.set_signature_header(std::string(signature));
  return ingest.SerializeAsString();
}

absl::StatusOr<std::string> RenderIngest(std::string_view response) {
  pb::IngestResponse ingest;
  if (!ingest.ParseFromArray(response.data(), static_cast<int>(response.size()))) {
    return absl::InternalError("the webhook daemon's answer can't be read");
  }
  const nlohmann::json answer = {
      {"received", true}, {"duplication", ingest.duplication()}, {"outcome", OutcomeName(ingest.outcome())}};
  return answer.dump();
}

absl::Status DeliveryFailure(const absl::Status& status) {
  const FailureRule& rule = RuleOf(ReasonOf(status));
  if (!rule.retryable || rule.http_status == 503) return status;
  return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, std::string(status.message()), MetadataOf(status));
}

}  // namespace billmesh::edge
