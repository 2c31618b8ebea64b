#include "common/stripe/event_reader.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/stripe/object_fields.h"
#include "common/stripe/object_readers.h"

namespace billmesh::stripe {
namespace {

constexpr size_t kMaxKindBytes = 64;
constexpr std::string_view kCustomerDeleted = "customer.deleted";

absl::Status Malformed(std::string_view cause, std::string_view detail = "") {
  return Fail(Reason::FAILURE_REASON_WEBHOOK_PAYLOAD_MALFORMED,
              absl::StrCat("the body is not an event: ", AbslView(cause), detail.empty() ? "" : ", ", AbslView(detail)),
              {{"cause", std::string(cause)}});
}

// Ids and types become keys, labels and log fields: visible ASCII only.
std::string Name(const Fields& fields, std::string_view key) {
  std::string name = fields.Id(key);
  for (const char c : name) {
    if (c <= ' ' || c > '~') fields.Fail(key, "not visible ASCII");
  }
  return name;
}

// A value of the object that is only noted beside the event: of a strange type or size it counts as absent.
std::optional<std::string> Noted(const Fields& object, std::string_view key) {
  std::string ignored;
  const auto value = object.Find(key);
  if (!value || (!value->is_string() && !value->is_object())) return std::nullopt;
  simdjson::dom::object self;
  // A reader over the same value with an error slot of its own.
  if (value->is_object()) {
    if (value->get_object().get(self) != simdjson::SUCCESS) return std::nullopt;
    const std::string id = Fields(self, "", ignored).Id("id");
    return ignored.empty() ? std::optional(id) : std::nullopt;
  }
  std::string_view text;
  if (value->get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  if (text.empty() || text.size() > kMaxIdBytes || text.find('\0') != std::string_view::npos) return std::nullopt;
  return std::string(text);
}

void ReadEventObject(simdjson::dom::object object, provider::Event& event) {
  const Fields fields(object, "", event.object_error);
  event.object_kind = Noted(fields, "object").value_or("");
  event.object_id = Noted(fields, "id");
  event.customer_id = event.object_kind == "customer" ? event.object_id : Noted(fields, "customer");
  // Previews have no id; there is nothing to keep of them.
  const KindReader* reader = fields.Find("id") ? ReaderOfWord(event.object_kind) : nullptr;
  if (reader != nullptr) event.object = reader->read(fields);
  if (!event.object_error.empty()) event.object = std::monostate();
  // The end of a customer is told with the customer as it was: only the event's type says that it's gone
  // (https://docs.stripe.com/api/events/types).
  auto* customer = std::get_if<provider::Customer>(&event.object);
  if (customer != nullptr && event.type == kCustomerDeleted) *customer = {.id = customer->id, .deleted = true};
}

provider::Event ReadSnapshot(const Fields& fields) {
  provider::Event event;
  event.id = Name(fields, "id");
  event.type = Name(fields, "type");
  event.api_version = fields.OptText("api_version", kMaxKindBytes);
  event.created_at = fields.Time("created");
  event.livemode = fields.Bool("livemode");
  event.account = fields.OptText("account", kMaxIdBytes);
  if (const auto request = fields.Find("request"); request && request->is_object()) {
    event.idempotency_key = Noted(*fields.As(*request, "request"), "idempotency_key");
  }
  const auto data = fields.Object("data");
  const auto element = data ? data->Find("object") : std::nullopt;
  simdjson::dom::object object;
  if (!element || element->get_object().get(object) != simdjson::SUCCESS) {
    fields.Fail("data.object", "missing");
    return event;
  }
  ReadEventObject(object, event);
  // What has just lost its customer tells it as its past.
  if (const auto before = data->Find("previous_attributes"); !event.customer_id && before && before->is_object()) {
    event.customer_id = Noted(*data->As(*before, "previous_attributes"), "customer");
  }
  return event;
}

// https://docs.stripe.com/event-destinations: what happened and to what; times are RFC 3339.
provider::Event ReadThin(const Fields& fields) {
  provider::Event event;
  event.thin = true;
  event.id = Name(fields, "id");
  event.type = Name(fields, "type");
  event.livemode = fields.BoolOr("livemode", false);
  event.account = fields.OptText("context", kMaxIdBytes);
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, fields.Text("created", kMaxKindBytes), &event.created_at, &error)) {
    fields.Fail("created", "not a time");
  }
  if (event.created_at < absl::UnixEpoch()) fields.Fail("created", "not a time");
  if (const auto related = fields.Find("related_object"); related && related->is_object()) {
    const Fields object = *fields.As(*related, "related_object");
    event.object_kind = Noted(object, "type").value_or("");
    event.object_id = Noted(object, "id");
  }
  return event;
}

}  // namespace

absl::StatusOr<provider::Event> ReadEvent(std::string_view body) {
  const auto parsed = ParseBounded(body);
  if (!parsed.ok()) return Malformed(StdView(parsed.status().message()));
  simdjson::dom::object object;
  if (parsed->get_object().get(object) != simdjson::SUCCESS) return Malformed("not_an_event", "not an object");
  std::string error;
  const Fields fields(object, "", error);
  const std::string kind = fields.Text("object", kMaxKindBytes);
  provider::Event event;
  if (kind == "event") {
    event = ReadSnapshot(fields);
  } else if (kind == "v2.core.event") {
    event = ReadThin(fields);
  } else if (error.empty()) {
    error = "object: neither event nor v2.core.event";
  }
  if (!error.empty()) return Malformed("not_an_event", error);
  return event;
}

}  // namespace billmesh::stripe
