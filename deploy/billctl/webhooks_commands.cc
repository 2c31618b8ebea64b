#include "deploy/billctl/webhooks_commands.h"

#include "absl/strings/str_split.h"
#include "billing/webhook/v1/webhook_operations.grpc.pb.h"
#include "common/status/status.h"
#include "deploy/billctl/peers.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::webhook::v1;
using google::protobuf::util::TimeUtil;
using Stub = pb::WebhookOperationsService::Stub;

constexpr char kPeer[] = "webhook";

absl::Status ReadTime(const config::Config& config, const char* flag, google::protobuf::Timestamp* out) {
  if (TimeUtil::FromString(config.Get(flag), out)) return absl::OkStatus();
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, std::string("--") + flag + ": expected 2026-11-20T10:00:00Z",
              {{"field", flag}});
}

absl::Status ReadFilter(const config::Config& config, pb::EventFilter& filter) {
  for (const auto status : absl::StrSplit(config.Get("status"), ',', absl::SkipEmpty())) {
    filter.add_statuses(std::string(status));
  }
  filter.set_type_prefix(config.Get("type"));
  filter.set_entity_id(config.Get("entity"));
  filter.set_provider_event_id(config.Get("event"));
  filter.set_provider_customer_id(config.Get("customer"));
  filter.set_object_id(config.Get("object"));
  if (!config.Get("from").empty()) RETURN_IF_ERROR(ReadTime(config, "from", filter.mutable_received_from()));
  if (!config.Get("until").empty()) RETURN_IF_ERROR(ReadTime(config, "until", filter.mutable_received_until()));
  return absl::OkStatus();
}

std::vector<config::Setting> FilterSettings() {
  return {TextFlag("status", "only these, comma separated: parked,quarantined,failed,dead,…"),
          TextFlag("type", "only types that begin so, for example invoice."),
          TextFlag("entity", "only of this entity"),
          TextFlag("event", "only this one, by the provider's id"),
          TextFlag("customer", "only of this customer of the provider's"),
          TextFlag("object", "only about this object of the provider's"),
          TextFlag("from", "received at this time or later, 2026-11-20T10:00:00Z"),
          TextFlag("until", "received before this time"),
          {"page-size", "", config::Type::kInt, "50", "events a page", 1, 100},
          TextFlag("page-token", "from the page before")};
}

void Print(std::ostream& out, const pb::StoredEvent& event) {
  out << event.provider_event_id() << "  " << TimeUtil::ToString(event.received_at()) << "  " << event.type() << "  "
      << event.status();
  if (!event.status_reason().empty()) out << " (" << event.status_reason() << ")";
  if (!event.entity_id().empty()) out << "  entity " << event.entity_id();
  out << "\n";
}

absl::StatusOr<int> List(Context& context, pb::ListEventsRequest request) {
  request.set_page_size(static_cast<int32_t>(context.config.GetInt("page-size")));
  request.set_page_token(context.config.Get("page-token"));
  pb::ListEventsResponse response;
  RETURN_IF_ERROR(Call<pb::WebhookOperationsService>(context, kPeer, &Stub::ListEvents, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  if (response.events().empty()) context.out << "no events\n";
  for (const pb::StoredEvent& event : response.events()) Print(context.out, event);
  if (!response.next_page_token().empty()) context.out << "more: --page-token=" << response.next_page_token() << "\n";
  return kExitOk;
}

absl::StatusOr<int> ListFiltered(Context& context) {
  pb::ListEventsRequest request;
  RETURN_IF_ERROR(ReadFilter(context.config, *request.mutable_filter()));
  return List(context, std::move(request));
}

absl::StatusOr<int> Quarantine(Context& context) {
  pb::ListEventsRequest request;
  request.mutable_filter()->add_statuses("quarantined");
  return List(context, std::move(request));
}

absl::StatusOr<int> Show(Context& context) {
  pb::ListEventsRequest request;
  request.mutable_filter()->set_provider_event_id(context.arguments[0]);
  pb::ListEventsResponse response;
  RETURN_IF_ERROR(Call<pb::WebhookOperationsService>(context, kPeer, &Stub::ListEvents, request, response));
  if (response.events().empty()) {
    return Fail(Reason::FAILURE_REASON_NOT_FOUND, "no such event", {{"what", "event"}});
  }
  RETURN_IF_ERROR(PrintJson(context.out, response.events(0)));
  return kExitOk;
}

void Print(std::ostream& out, const pb::ReplayedEvent& event) {
  out << event.provider_event_id() << "  " << event.status_before() << " -> " << event.status();
  if (!event.result().empty()) out << ", " << event.result();
  if (!event.status_reason().empty()) out << " (" << event.status_reason() << ")";
  out << "\n";
}

absl::StatusOr<int> Replay(Context& context) {
  pb::ReplayEventsRequest request;
  RETURN_IF_ERROR(ReadFilter(context.config, *request.mutable_filter()));
  request.set_dry_run(context.config.GetBool("dry-run"));
  request.set_page_size(static_cast<int32_t>(context.config.GetInt("page-size")));
  request.set_page_token(context.config.Get("page-token"));
  pb::ReplayEventsResponse response;
  RETURN_IF_ERROR(Call<pb::WebhookOperationsService>(context, kPeer, &Stub::ReplayEvents, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  if (request.dry_run()) context.out << "dry run, nothing is kept:\n";
  if (response.events().empty()) context.out << "no events\n";
  for (const pb::ReplayedEvent& event : response.events()) Print(context.out, event);
  if (!response.next_page_token().empty()) context.out << "more: --page-token=" << response.next_page_token() << "\n";
  return kExitOk;
}

absl::StatusOr<int> Bind(Context& context) {
  pb::BindEventRequest request;
  request.set_provider_event_id(context.arguments[0]);
  request.set_entity_id(context.arguments[1]);
  pb::BindEventResponse response;
  RETURN_IF_ERROR(Call<pb::WebhookOperationsService>(context, kPeer, &Stub::BindEvent, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    Print(context.out, response.event());
  }
  return response.event().status() == "processed" ? kExitOk : kExitFailed;
}

absl::StatusOr<int> Dismiss(Context& context) {
  pb::DismissEventRequest request;
  request.set_provider_event_id(context.arguments[0]);
  request.set_reason(context.arguments[1]);
  pb::DismissEventResponse response;
  RETURN_IF_ERROR(Call<pb::WebhookOperationsService>(context, kPeer, &Stub::DismissEvent, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << request.provider_event_id() << "  " << response.status_before() << " -> dismissed\n";
  }
  return kExitOk;
}

}  // namespace

std::vector<Command> WebhooksCommands() {
  const config::Setting dry_run = {"dry-run", "", config::Type::kBool, "false",
                                   "tell what would come of it, and change nothing"};
  return {
      {"webhooks list",
       {},
       "stored events, newest first",
       Joined({PeerSettings(kPeer), FilterSettings()}),
       {},
       ListFiltered},
      {"webhooks show", {"EVENT"}, "one stored event, without its payload", PeerSettings(kPeer), {}, Show},
      {"webhooks quarantine",
       {},
       "events whose metadata contradict what is stored, and why",
       Joined({PeerSettings(kPeer),
               {{"page-size", "", config::Type::kInt, "50", "events a page", 1, 100},
                TextFlag("page-token", "from the page before")}}),
       {},
       Quarantine},
      {"webhooks replay",
       {},
       "apply stored events again: one (--event), or all that a filter names, a page at a time",
       Joined({PeerSettings(kPeer, "120s"), FilterSettings(), {dry_run}}),
       {},
       Replay},
      {"webhooks bind",
       {"EVENT", "ENTITY"},
       "say whose a parked or quarantined event is",
       PeerSettings(kPeer),
       {},
       Bind},
      {"webhooks dismiss",
       {"EVENT", "REASON"},
       "put an event away that nobody will apply",
       PeerSettings(kPeer),
       {},
       Dismiss},
  };
}

}  // namespace billmesh::billctl
