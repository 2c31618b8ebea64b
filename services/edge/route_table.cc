#include "services/edge/route_table.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/auth/method_policy.h"
#include "common/http/server.h"
#include "common/status/status.h"
#include "google/api/annotations.pb.h"
#include "google/protobuf/descriptor_database.h"

namespace billmesh::edge {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

constexpr char kBillingFiles[] = "billing/";
constexpr char kIngest[] = "billing.webhook.v1.WebhookService.IngestBatch";
// The field that the Idempotency-Key header fills (IDM-1).
constexpr char kIdempotencyKey[] = "idempotency_key";

absl::Status BadOption(const MethodDescriptor& method, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("http option of ", method.full_name(), ": ", AbslView(why)));
}

// Verb and template of a rule; empty for a pattern that isn't one of the five verbs.
std::pair<std::string, std::string> VerbAndPattern(const google::api::HttpRule& rule) {
  switch (rule.pattern_case()) {
    case google::api::HttpRule::kGet:
      return {"GET", rule.get()};
    case google::api::HttpRule::kPut:
      return {"PUT", rule.put()};
    case google::api::HttpRule::kPost:
      return {"POST", rule.post()};
    case google::api::HttpRule::kDelete:
      return {"DELETE", rule.delete_()};
    case google::api::HttpRule::kPatch:
      return {"PATCH", rule.patch()};
    default:
      return {};
  }
}

// "/a/{b}" → a, {b}. False for what we don't serve: wildcards, verbs after a colon, empty segments.
bool ParsePattern(const std::string& pattern, std::vector<Segment>& segments) {
  if (!absl::StartsWith(pattern, "/")) return false;
  for (const absl::string_view piece : absl::StrSplit(absl::string_view(pattern).substr(1), '/')) {
    Segment segment;
    std::string text(piece.data(), piece.size());
    if (text.size() > 2 && text.front() == '{' && text.back() == '}') {
      segment.variable = true;
      text = text.substr(1, text.size() - 2);
    }
    if (text.empty() || text.find_first_of("{}*:=%?#") != std::string::npos) return false;
    segment.text = std::move(text);
    segments.push_back(std::move(segment));
  }
  return true;
}

// Whether the dotted name leads to a singular field that text can fill.
bool IsTextField(const Descriptor& request, const std::string& dotted) {
  const Descriptor* message = &request;
  const std::vector<std::string> names = absl::StrSplit(dotted, '.');
  for (size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field = FindField(*message, names[i]);
    if (field == nullptr || field->is_repeated()) return false;
    const bool last = i + 1 == names.size();
    if ((field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) == last) return false;
    message = field->message_type();
  }
  return true;
}

// billing.<daemon>.v1 → <daemon>.
std::string DaemonOf(const MethodDescriptor& method) {
  const std::vector<std::string> parts = absl::StrSplit(method.file()->package(), '.');
  return parts.size() == 3 && parts[0] == "billing" ? parts[1] : "";
}

const auth::MethodRule* PolicyOf(const std::string& rpc_path) {
  for (const auth::MethodRule& rule : auth::MethodPolicy()) {
    if (rule.method == rpc_path) return &rule;
  }
  return nullptr;
}

bool OpenToTheEdge(const auth::MethodRule* rule) {
  return rule != nullptr &&
         std::find(rule->callers.begin(), rule->callers.end(), auth::CallerKind::kEdge) != rule->callers.end();
}

// Whether a path could match both.
bool SameShape(const Route& a, const Route& b) {
  return a.verb == b.verb && std::equal(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                        [](const Segment& x, const Segment& y) {
                                          return x.variable == y.variable && (x.variable || x.text == y.text);
                                        });
}

// Literals before variables, so that /checkout/latest would win over /checkout/{operation}.
bool MoreSpecific(const Route& a, const Route& b) {
  return std::lexicographical_compare(a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
                                      [](const Segment& x, const Segment& y) { return !x.variable && y.variable; });
}

// The variables of a path of this shape; false if it has another.
bool Matches(const Route& route, const std::vector<std::string>& pieces,
             std::vector<std::pair<std::string, std::string>>& variables) {
  variables.clear();
  if (pieces.size() != route.segments.size()) return false;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Segment& segment = route.segments[i];
    if (!segment.variable) {
      if (pieces[i] != segment.text) return false;
    } else if (pieces[i].empty()) {
      return false;
    } else {
      variables.emplace_back(segment.text, pieces[i]);
    }
  }
  return true;
}

std::vector<const ServiceDescriptor*> LinkedServices() {
  // The linker put whole proto libraries in (CMakeLists.txt), so what the generated database names is all there is.
  std::vector<std::string> names;
  DescriptorPool::internal_generated_database()->FindAllFileNames(&names);
  std::sort(names.begin(), names.end());
  std::vector<const ServiceDescriptor*> services;
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, kBillingFiles)) continue;
    const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileByName(name);
    for (int i = 0; file != nullptr && i < file->service_count(); ++i) services.push_back(file->service(i));
  }
  return services;
}

}  // namespace

const FieldDescriptor* FindField(const Descriptor& message, std::string_view name) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    if (name == field->json_name() || name == field->name()) return field;
  }
  return nullptr;
}

absl::StatusOr<RouteTable> RouteTable::FromLinkedProtos() {
  ASSIGN_OR_RETURN(RouteTable table, Build(LinkedServices()));
  RETURN_IF_ERROR(table.AddWebhookRoute());
  return table;
}

absl::StatusOr<RouteTable> RouteTable::Build(const std::vector<const ServiceDescriptor*>& services) {
  RouteTable table;
  for (const ServiceDescriptor* service : services) {
    for (int i = 0; i < service->method_count(); ++i) RETURN_IF_ERROR(table.AddMethod(*service->method(i)));
  }
  std::stable_sort(table.routes_.begin(), table.routes_.end(), MoreSpecific);
  return table;
}

absl::Status RouteTable::AddMethod(const MethodDescriptor& method) {
  if (!method.options().HasExtension(google::api::http)) return absl::OkStatus();
  const google::api::HttpRule& first = method.options().GetExtension(google::api::http);
  std::vector<const google::api::HttpRule*> rules = {&first};
  for (const google::api::HttpRule& more : first.additional_bindings()) rules.push_back(&more);
  for (const google::api::HttpRule* rule : rules) {
    Route route;
    std::tie(route.verb, route.pattern) = VerbAndPattern(*rule);
    if (route.verb.empty() || !ParsePattern(route.pattern, route.segments)) return BadOption(method, "unknown pattern");
    if (!(rule->body().empty() || rule->body() == "*") || !rule->response_body().empty()) {
      return BadOption(method, "body must be \"*\" or absent, response_body absent");
    }
    if (route.verb == "GET" && !rule->body().empty()) return BadOption(method, "GET has no body");
    if (method.client_streaming() || method.server_streaming()) return BadOption(method, "streams aren't served");
    route.has_body = !rule->body().empty();
    route.method = &method;
    route.daemon = DaemonOf(method);
    if (route.daemon.empty()) return BadOption(method, "its package isn't billing.<daemon>.v1");
    route.rpc_path = absl::StrCat("/", method.service()->full_name(), "/", method.name());
    for (const Segment& segment : route.segments) {
      if (segment.variable && !IsTextField(*method.input_type(), segment.text)) {
        return BadOption(method, absl::StrCat("no text field ", segment.text));
      }
    }
    route.idempotency_key = method.input_type()->FindFieldByName(kIdempotencyKey);
    const auth::MethodRule* rule_of_method = PolicyOf(route.rpc_path);
    if (!OpenToTheEdge(rule_of_method) || rule_of_method->user == auth::UserRule::kNoUser) {
      return BadOption(method, "the method policy doesn't let the edge call it for a user");
    }
    RETURN_IF_ERROR(AddRoute(std::move(route)));
  }
  return absl::OkStatus();
}

absl::Status RouteTable::AddRoute(Route route) {
  for (const Route& other : routes_) {
    if (SameShape(route, other)) {
      return absl::InvalidArgumentError(
          absl::StrCat(route.verb, " ", route.pattern, " and ", other.pattern, " are one route"));
    }
  }
  routes_.push_back(std::move(route));
  return absl::OkStatus();
}

absl::Status RouteTable::AddWebhookRoute() {
  Route route;
  route.kind = RouteKind::kWebhook;
  route.verb = "POST";
  route.pattern = kWebhookPattern;
  route.has_body = true;
  route.method = DescriptorPool::generated_pool()->FindMethodByName(kIngest);
  if (route.method == nullptr || !ParsePattern(route.pattern, route.segments)) {
    return absl::InternalError("the webhook service isn't linked");
  }
  route.daemon = DaemonOf(*route.method);
  route.rpc_path = absl::StrCat("/", route.method->service()->full_name(), "/", route.method->name());
  if (!OpenToTheEdge(PolicyOf(route.rpc_path))) return absl::InternalError("the edge may not deliver webhooks");
  return AddRoute(std::move(route));
}

absl::StatusOr<RouteMatch> RouteTable::Find(std::string_view verb, std::string_view path) const {
  const auto not_found = [] { return Fail(Reason::FAILURE_REASON_ROUTE_NOT_FOUND, "there is nothing at this path"); };
  // OPTIONS asks for cross-origin permission, which nobody has here.
  if (verb == "OPTIONS" || !absl::StartsWith(AbslView(path), "/")) return not_found();
  std::vector<std::string> pieces;
  for (const absl::string_view piece : absl::StrSplit(AbslView(path.substr(1)), '/')) {
    auto decoded = http::PercentDecode(StdView(piece), /*plus_is_space=*/false);
    if (!decoded.has_value()) return not_found();
    pieces.push_back(*std::move(decoded));
  }
  RouteMatch match;
  std::set<std::string> allowed;
  for (const Route& route : routes_) {
    if (!Matches(route, pieces, match.variables)) continue;
    match.route = &route;
    if (route.verb == verb) return match;
    allowed.insert(route.verb);
  }
  if (allowed.empty()) return not_found();
  return Fail(Reason::FAILURE_REASON_METHOD_NOT_ALLOWED, "this path has other verbs",
              {{"allow", absl::StrJoin(allowed, ", ")}});
}

}  // namespace billmesh::edge
