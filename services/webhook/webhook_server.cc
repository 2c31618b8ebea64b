#include "services/webhook/webhook_server.h"

#include "common/status/status.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {
namespace {

namespace pb = billing::webhook::v1;

constexpr char kIngest[] = "/billing.webhook.v1.WebhookService/Ingest";

pb::EventOutcome OutcomeOf(Disposition disposition) {
  switch (disposition) {
    case Disposition::kProcessed:
      return pb::EVENT_OUTCOME_PROCESSED;
    case Disposition::kIgnored:
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

void Fill(const std::string& event_id, const EventResult& result, pb::IngestResponse& response) {
  response.set_provider_event_id(event_id);
  response.set_duplication(result.duplicate);
  response.set_outcome(OutcomeOf(result.disposition));
}

}  // namespace

absl::StatusOr<provider::Event> WebhookServer::Check(const pb::IngestRequest& request) {
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
  ASSIGN_OR_RETURN(provider::Event event, deps_.source.Read(request.body()));
  // As the official client does: a secret is of one kind of endpoint.
  if (event.thin != verified->thin) {
    return Fail(Reason::FAILURE_REASON_WEBHOOK_PAYLOAD_MALFORMED,
                event.thin ? "a thin notification, signed with the secret of another kind of endpoint"
                           : "not a thin notification, signed with the secret of an endpoint of those",
                {{"cause", "other_kind_of_endpoint"}});
  }
  return event;
}

grpc::ServerUnaryReactor* WebhookServer::Ingest(grpc::CallbackServerContext* context, const pb::IngestRequest* request,
                                                pb::IngestResponse* response) {
  return rpc::Async(deps_.calls, context, kIngest,
                    [this, request, response](const rpc::CallContext& call, const rpc::Done& done) {
                      auto event = Check(*request);
                      if (!event.ok()) return done(event.status());
                      const std::string event_id = event->id;
                      const auto answer = [response, event_id, done](const absl::StatusOr<EventResult>& result) {
                        if (result.ok()) Fill(event_id, *result, *response);
                        done(result.status());
                      };
                      Incoming incoming{*std::move(event), request->body(), std::nullopt, call.trace};
                      if (!deps_.batcher.TrySubmit(std::move(incoming), call.deadline_monotonic, answer)) {
                        done(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many deliveries are waiting"));
                      }
                    });
}

}  // namespace billmesh::webhook
