// The HTTP routes, made from the google.api.http options of every proto that is linked into this binary: a method that
// gains an option is served without a change here. The raw webhook is the only route of another kind.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace billmesh::edge {

enum class RouteKind {
  kMethod,   // transcoded JSON
  kWebhook,  // raw bytes to WebhookService.Ingest; public
};

// A piece of a path template between slashes.
struct Segment {
  bool variable = false;
  std::string text;  // the literal, or the request field's name (dotted for nested ones)
};

struct Route {
  RouteKind kind = RouteKind::kMethod;
  std::string verb;     // "GET"
  std::string pattern;  // "/api/billing/checkout/{operation}"
  std::vector<Segment> segments;
  const google::protobuf::MethodDescriptor* method = nullptr;
  std::string rpc_path;   // "/billing.checkout.v1.CheckoutService/GetCheckout"
  std::string daemon;     // "checkout", from the method's package
  bool has_body = false;  // the body is the whole request message; else the query is
  const google::protobuf::FieldDescriptor* idempotency_key =
      nullptr;  // filled from the header; null if the request has none
};

struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::pair<std::string, std::string>> variables;  // field name → decoded value
};

// Where deliveries of providers come in.
inline constexpr char kWebhookPattern[] = "/api/billing/webhooks/{provider}";

class RouteTable {
 public:
  // All services of package billing.* that are linked, and the webhook route. An option that can't be served (an
  // unknown field, a streaming method, a body that isn't the whole message, two routes of one shape, a method that the
  // policy doesn't open to the edge) is an error: the edge doesn't start with half a table.
  static absl::StatusOr<RouteTable> FromLinkedProtos();
  static absl::StatusOr<RouteTable> Build(const std::vector<const google::protobuf::ServiceDescriptor*>& services);

  // ROUTE_NOT_FOUND, or METHOD_NOT_ALLOWED with metadata `allow`. The path is as received, undecoded. Thread safe; the
  // match points into this table.
  absl::StatusOr<RouteMatch> Find(std::string_view verb, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  absl::Status AddMethod(const google::protobuf::MethodDescriptor& method);
  absl::Status AddRoute(Route route);
  absl::Status AddWebhookRoute();

  std::vector<Route> routes_;
};

// A field by its name in JSON or in the proto; null if the message has none.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor& message, std::string_view name);

}  // namespace billmesh::edge
