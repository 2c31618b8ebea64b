#include "services/edge/transcoder.h"

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/http/server.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"
#include "services/edge/field_json.h"

namespace billmesh::edge {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using nlohmann::json;

constexpr size_t kMaxFieldDepth = 8;
constexpr size_t kMaxParserMessage = 200;

std::unique_ptr<Message> NewMessage(const Descriptor& type) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

bool IsJson(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(AbslView(type)), "application/json");
}

// Puts a text value where a dotted name leads, making the objects on the way. Repeated fields collect.
absl::Status SetByName(const Descriptor& request, std::string_view name, std::string_view text, json& root) {
  const Descriptor* message = &request;
  json* place = &root;
  const std::vector<std::string> steps = absl::StrSplit(AbslView(name), absl::MaxSplits('.', kMaxFieldDepth));
  for (size_t i = 0; i < steps.size(); ++i) {
    const FieldDescriptor* const field = FindField(*message, steps[i]);
    if (field == nullptr) return BadField(name, "is not known");
    if (i + 1 < steps.size()) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated())
        return BadField(name, "is not known");
      place = &(*place)[field->json_name()];
      message = field->message_type();
      continue;
    }
    ASSIGN_OR_RETURN(json value, FieldFromText(*field, name, text));
    json& slot = (*place)[field->json_name()];
    if (field->is_map() || (!field->is_repeated() && !slot.is_null())) return BadField(name, "is given twice");
    if (field->is_repeated()) {
      slot.push_back(std::move(value));
    } else {
      slot = std::move(value);
    }
  }
  return absl::OkStatus();
}

absl::Status AddQuery(const Route& route, std::string_view query, json& root) {
  const auto parameters = http::ParseQuery(query);
  if (!parameters.has_value()) return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "the query is malformed");
  if (parameters->size() > kMaxQueryParameters) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "the query has too many parameters");
  }
  for (const auto& [name, value] : *parameters) {
    if (!IsText(name)) return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "a parameter's name is not UTF-8 text");
    // Where the body is the message, a query could only say it twice.
    if (route.has_body) return BadField(name, "belongs into the body");
    RETURN_IF_ERROR(SetByName(*route.method->input_type(), name, value, root));
  }
  return absl::OkStatus();
}

// What the path and the header fill may not be said again, possibly otherwise.
absl::Status RefuseTaken(const Route& route, const json& object) {
  const auto has = [&](const FieldDescriptor& field) {
    return object.contains(field.json_name()) || object.contains(field.name());
  };
  if (route.idempotency_key != nullptr && has(*route.idempotency_key)) {
    return BadField(route.idempotency_key->json_name(), "is given by the Idempotency-Key header only");
  }
  for (const Segment& segment : route.segments) {
    if (!segment.variable) continue;
    const std::string first = segment.text.substr(0, segment.text.find('.'));
    const FieldDescriptor* const field = FindField(*route.method->input_type(), first);
    if (field != nullptr && has(*field)) return BadField(field->json_name(), "is given by the path");
  }
  return absl::OkStatus();
}

absl::StatusOr<json> ReadBody(const Route& route, const RequestParts& parts) {
  json root = json::object();
  if (!route.has_body) {
    if (!parts.body.empty()) return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "this route takes no body");
    return root;
  }
  if (parts.body.empty()) return root;
  if (!IsJson(parts.content_type)) {
    return Fail(Reason::FAILURE_REASON_UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
  }
  auto parsed = billmesh::json::Parse(parts.body);
  if (!parsed.ok() || !parsed->is_object()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "the body is not a JSON object without duplicate members");
  }
  RETURN_IF_ERROR(CheckMembers(*route.method->input_type(), *parsed, ""));
  return parsed;
}

absl::Status AddIdempotencyKey(const Route& route, const RequestParts& parts, json& root) {
  if (route.idempotency_key == nullptr) return absl::OkStatus();
  if (parts.idempotency_keys == 0 || parts.idempotency_key.empty()) {
    return Fail(Reason::FAILURE_REASON_IDEMPOTENCY_KEY_REQUIRED, "this request needs an Idempotency-Key header");
  }
  if (parts.idempotency_keys > 1) return BadField("Idempotency-Key", "is given twice");
  return SetByName(*route.method->input_type(), route.idempotency_key->json_name(), parts.idempotency_key, root);
}

// protobuf says "(fields[0].number): invalid value …": the place is what the client needs, the rest is kept short.
absl::Status ParserError(absl::string_view message) {
  std::string text(message.substr(0, kMaxParserMessage));
  const size_t end = text.find("):");
  const std::string field =
      text.size() > 1 && text[0] == '(' && end != std::string::npos ? text.substr(1, end - 1) : "";
  if (!field.empty()) return BadField(field, "has a value that it can't hold");
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "the request can't be read");
}

}  // namespace

absl::StatusOr<std::string> BuildRequest(const Route& route, const RequestParts& parts) {
  ASSIGN_OR_RETURN(json root, ReadBody(route, parts));
  RETURN_IF_ERROR(AddQuery(route, parts.query, root));
  RETURN_IF_ERROR(RefuseTaken(route, root));
  for (const auto& [field, value] : parts.variables) {
    RETURN_IF_ERROR(SetByName(*route.method->input_type(), field, value, root));
  }
  RETURN_IF_ERROR(AddIdempotencyKey(route, parts, root));
  const std::unique_ptr<Message> message = NewMessage(*route.method->input_type());
  const auto parsed = google::protobuf::util::JsonStringToMessage(root.dump(), message.get());
  if (!parsed.ok()) return ParserError(absl::string_view(parsed.message().data(), parsed.message().size()));
  return message->SerializeAsString();
}

absl::StatusOr<std::string> RenderResponse(const Route& route, std::string_view response) {
  const std::unique_ptr<Message> message = NewMessage(*route.method->output_type());
  if (!message->ParseFromArray(response.data(), static_cast<int>(response.size()))) {
    return absl::InternalError("a daemon's answer can't be read");
  }
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string out;
  if (!google::protobuf::util::MessageToJsonString(*message, &out, options).ok()) {
    return absl::InternalError("a daemon's answer can't be written as JSON");
  }
  return out;
}

}  // namespace billmesh::edge
