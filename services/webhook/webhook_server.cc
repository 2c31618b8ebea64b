#include "services/webhook/webhook_server.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/telemetry/card_numbers.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {
namespace {

namespace pb = billing::webhook::v1;

constexpr char kIngestBatch[] = "/billing.webhook.v1.WebhookService/IngestBatch";

pb::EventOutcome OutcomeOf(Disposition disposition) {
  switch (disposition) {
    case Disposition::kProcessed:
      return pb::EVENT_OUTCOME_PROCESSED;
    case Disposition::kIgnored:
    case Disposition::kDismissed:
      return pb::EVENT_OUTCOME_IGNORED;
    case Disposition::kPending:
      return pb::EVENT_OUTCOME_PENDING;
    case Disposition::kParked:
      return pb::EVENT_OUTCOME_PARKED;
    case Disposition::kQuarantined:
      return pb::EVENT_OUTCOME_QUARANTINED;
    case Disposition::kFailed:
    case Disposition::kDead:
      return pb::EVENT_OUTCOME_FAILED;
  }
  return pb::EVENT_OUTCOME_UNSPECIFIED;
}

void Fill(const std::string& event_id, const absl::StatusOr<EventResult>& result, pb::DeliveryResult& out) {
  if (!result.ok()) {
    out.mutable_refusal()->ParseFromString(rpc::ToGrpc(result.status()).error_details());
    return;
  }
  out.set_provider_event_id(event_id);
  out.set_duplication(result->duplicate);
  out.set_outcome(OutcomeOf(result->disposition));
}

// Ends the call once each of its deliveries has its result, whoever comes last.
class Countdown {
 public:
  Countdown(int count, rpc::Done done) : left_(count), done_(std::move(done)) {}
  void Ended() {
    if (left_.fetch_sub(1) == 1) done_(absl::OkStatus());
  }

 private:
  std::atomic<int> left_;
  const rpc::Done done_;
};

}  // namespace

absl::StatusOr<WebhookServer::Checked> WebhookServer::Check(const pb::Delivery& request) {
  if (request.provider() != deps_.source.name()) {
    return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such provider", {{"what", "provider"}});
  }
  if (request.body().empty()) return Fail(Reason::FAILURE_REASON_WEBHOOK_BODY_MISSING, "the delivery has no body");
  if (request.body().size() > kMaxBodyBytes) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_BODY_TOO_LARGE, "the body is over 256 KiB");
  }
  const auto verified = deps_.source.Verify(request.body(), request.signature_header(), deps_.clock.Now());
  if (!verified.ok()) {
    CountSignatureFailure(MetadataOf(verified.status())["cause"]);
    return verified.status();
  }
  SetClockSkew(verified->skew);
  // Read from what is stored, so that a replay projects the same (PRT-6).
  std::string payload = request.body();
  telemetry::MaskCardNumbers(payload);
  ASSIGN_OR_RETURN(provider::Event event, deps_.source.Read(payload));
  // As the official client does: a secret is of one kind of endpoint.
  if (event.thin != verified->thin) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_PAYLOAD_MALFORMED,
                event.thin ? "a thin notification, signed with the secret of another kind of endpoint"
                           : "not a thin notification, signed with the secret of an endpoint of those",
                {{"cause", "other_kind_of_endpoint"}});
  }
  return Checked{std::move(event), std::move(payload)};
}

grpc::ServerUnaryReactor* WebhookServer::IngestBatch(grpc::CallbackServerContext* context,
                                                     const pb::IngestBatchRequest* request,
                                                     pb::IngestBatchResponse* response) {
  return rpc::Async(
      deps_.calls, context, kIngestBatch,
      [this, request, response](const rpc::CallContext& call, const rpc::Done& done) {
        if (request->deliveries().empty() || request->deliveries_size() > kMaxDeliveries) {
          return done(Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
                           absl::StrCat("deliveries: expected 1 to ", kMaxDeliveries), {{"field", "deliveries"}}));
        }
        SubmitAll(*request, *response, call, done);
      });
}

// What passes the checks joins the queue together, so that it is committed together; the rest has its result already.
void WebhookServer::SubmitAll(const pb::IngestBatchRequest& request, pb::IngestBatchResponse& response,
                              const rpc::CallContext& call, const rpc::Done& done) {
  const auto countdown = std::make_shared<Countdown>(request.deliveries_size(), done);
  for (int i = 0; i < request.deliveries_size(); ++i) response.add_results();
  std::vector<IngestBatcher::Delivery> deliveries;
  for (int i = 0; i < request.deliveries_size(); ++i) {
    const pb::Delivery& delivery = request.deliveries(i);
    pb::DeliveryResult* const out = response.mutable_results(i);
    const telemetry::TraceContext trace = telemetry::ContinueTrace(delivery.request_id(), delivery.traceparent());
    auto checked = Check(delivery);
    if (!checked.ok()) {
      Fill("", checked.status(), *out);
      countdown->Ended();
      continue;
    }
    const std::string event_id = checked->event.id;
    deliveries.push_back({{std::move(checked->event), std::move(checked->payload), std::nullopt, trace},
                          call.deadline_monotonic,
                          [out, event_id, countdown](const absl::StatusOr<EventResult>& result) {
                            Fill(event_id, result, *out);
                            countdown->Ended();
                          }});
  }
  deps_.batcher.Submit(std::move(deliveries));
}

}  // namespace billmesh::webhook
