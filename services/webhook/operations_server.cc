#include "services/webhook/operations_server.h"

#include "absl/strings/str_cat.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::webhook {
namespace {

namespace pb = ::billing::webhook::v1;
using google::protobuf::util::TimeUtil;

constexpr char kService[] = "/billing.webhook.v1.WebhookOperationsService/";

absl::Status Invalid(const std::string& field, std::string_view why) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(field, ": ", AbslView(why)), {{"field", field}});
}

void Set(google::protobuf::Timestamp* out, absl::Time time) {
  *out = TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

absl::StatusOr<EventFilter> ReadFilter(const pb::EventFilter& filter) {
  EventFilter read{{filter.statuses().begin(), filter.statuses().end()},
                   filter.type_prefix(),
                   filter.entity_id(),
                   filter.provider_event_id(),
                   filter.provider_customer_id(),
                   filter.object_id(),
                   std::nullopt,
                   std::nullopt};
  for (const std::string& status : read.statuses) {
    if (!ParseDisposition(status).has_value()) return Invalid("filter.statuses", "not a status");
  }
  if (!read.entity_id.empty() && !IsUuid(read.entity_id)) return Invalid("filter.entity_id", "expected a UUID");
  if (filter.has_received_from()) {
    read.received_from = absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(filter.received_from()));
  }
  if (filter.has_received_until()) {
    read.received_until = absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(filter.received_until()));
  }
  return read;
}

absl::StatusOr<int> ReadPageSize(int32_t page_size) {
  if (page_size == 0) return kDefaultEventPage;
  if (page_size < 1 || page_size > kMaxEventPage) return Invalid("page_size", "expected 1 to 100");
  return page_size;
}

void Fill(const EventRow& event, pb::StoredEvent& out) {
  out.set_provider_event_id(event.provider_event_id);
  out.set_type(event.type);
  out.set_status(event.status);
  out.set_status_reason(event.status_reason);
  out.set_attempts(static_cast<int32_t>(event.attempts));
  out.set_entity_id(event.entity_id);
  out.set_bound_entity_id(event.bound_entity_id);
  out.set_object_id(event.object_id);
  out.set_provider_customer_id(event.provider_customer_id);
  out.set_api_version(event.api_version);
  Set(out.mutable_provider_created_at(), event.provider_created_at);
  Set(out.mutable_received_at(), event.received_at);
  if (event.processed_at.has_value()) Set(out.mutable_processed_at(), *event.processed_at);
  if (event.run_after.has_value()) Set(out.mutable_run_after(), *event.run_after);
}

void Fill(const Replayed& replayed, pb::ReplayedEvent& out) {
  out.set_provider_event_id(replayed.provider_event_id);
  out.set_status_before(replayed.status_before);
  out.set_status(std::string(NameOf(replayed.result.disposition)));
  out.set_status_reason(replayed.result.reason);
  out.set_result(replayed.result.applied.result);
  out.set_entity_id(replayed.result.entity_id);
}

}  // namespace

grpc::ServerUnaryReactor* OperationsServer::ListEvents(grpc::CallbackServerContext* context,
                                                       const pb::ListEventsRequest* request,
                                                       pb::ListEventsResponse* response) {
  static const auto* const kMethod = new std::string(absl::StrCat(kService, "ListEvents"));
  return rpc::Blocking(calls_, context, kMethod->c_str(), [=, this](const rpc::CallContext&) -> absl::Status {
    ASSIGN_OR_RETURN(const EventFilter filter, ReadFilter(request->filter()));
    ASSIGN_OR_RETURN(const int page_size, ReadPageSize(request->page_size()));
    ASSIGN_OR_RETURN(const EventPage page, admin_.List(filter, page_size, request->page_token()));
    for (const EventRow& event : page.events) Fill(event, *response->add_events());
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OperationsServer::ReplayEvents(grpc::CallbackServerContext* context,
                                                         const pb::ReplayEventsRequest* request,
                                                         pb::ReplayEventsResponse* response) {
  static const auto* const kMethod = new std::string(absl::StrCat(kService, "ReplayEvents"));
  return rpc::Blocking(calls_, context, kMethod->c_str(), [=, this](const rpc::CallContext& call) -> absl::Status {
    ASSIGN_OR_RETURN(const EventFilter filter, ReadFilter(request->filter()));
    if (filter.Empty()) return Invalid("filter", "say which events; all of them are never meant");
    ASSIGN_OR_RETURN(const int page_size, ReadPageSize(request->page_size()));
    ASSIGN_OR_RETURN(const ReplayPage page, admin_.Replay(call.caller.AuditActor(), filter, request->dry_run(),
                                                          page_size, request->page_token()));
    for (const Replayed& event : page.events) Fill(event, *response->add_events());
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OperationsServer::BindEvent(grpc::CallbackServerContext* context,
                                                      const pb::BindEventRequest* request,
                                                      pb::BindEventResponse* response) {
  static const auto* const kMethod = new std::string(absl::StrCat(kService, "BindEvent"));
  return rpc::Blocking(calls_, context, kMethod->c_str(), [=, this](const rpc::CallContext& call) -> absl::Status {
    if (!IsUuid(request->entity_id())) return Invalid("entity_id", "expected a UUID");
    ASSIGN_OR_RETURN(const Replayed bound,
                     admin_.Bind(call.caller.AuditActor(), request->provider_event_id(), request->entity_id()));
    Fill(bound, *response->mutable_event());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OperationsServer::DismissEvent(grpc::CallbackServerContext* context,
                                                         const pb::DismissEventRequest* request,
                                                         pb::DismissEventResponse* response) {
  static const auto* const kMethod = new std::string(absl::StrCat(kService, "DismissEvent"));
  return rpc::Blocking(calls_, context, kMethod->c_str(), [=, this](const rpc::CallContext& call) -> absl::Status {
    if (request->reason().empty() || request->reason().size() > kMaxDismissReason) {
      return Invalid("reason", "expected 1 to 200 characters");
    }
    ASSIGN_OR_RETURN(const std::string before,
                     admin_.Dismiss(call.caller.AuditActor(), request->provider_event_id(), request->reason()));
    response->set_status_before(before);
    return absl::OkStatus();
  });
}

}  // namespace billmesh::webhook
