#include "services/edge/edge_server.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/auth/method_policy.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "services/edge/problem.h"
#include "services/edge/transcoder.h"
#include "services/edge/webhook_route.h"

namespace billmesh::edge {
namespace {

static_assert(kMaxBodyBytes >= kMaxWebhookBodyBytes);

constexpr char kUnmatched[] = "unmatched";
constexpr char kOk[] = "ok";
constexpr size_t kMaxLoggedPathBytes = 200;
// The name that the mesh's own rules know the edge by.
constexpr char kEdgeCertificate[] = "spiffe://billmesh/edge";

struct Header {
  const char* name;
  const char* value;
};
// Answers are data for programs: never to be sniffed, framed, cached or run.
constexpr Header kSecurityHeaders[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Cache-Control", "no-store"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};
constexpr Header kStrictTransport = {"Strict-Transport-Security", "max-age=31536000"};

// Verbs for metrics: whatever else a client sends is one value.
std::string KnownVerb(const std::string& verb) {
  static constexpr std::string_view kVerbs[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return std::find(std::begin(kVerbs), std::end(kVerbs), verb) != std::end(kVerbs) ? verb : "other";
}

}  // namespace

// One request from its arrival to its answer.
struct EdgeServer::Exchange {
  http::Request request;
  http::Respond respond;
  telemetry::TraceContext trace;
  absl::Duration started;
  RouteMatch match;     // route is null until one is found
  std::string subject;  // of the verified user
};

void EdgeServer::Handle(http::Request request, http::Respond respond) {
  auto exchange = std::make_shared<Exchange>();
  exchange->started = deps_.clock.Monotonic();
  exchange->trace = telemetry::ContinueTrace(request.Header("x-request-id"), request.Header("traceparent"));
  exchange->request = std::move(request);
  exchange->respond = std::move(respond);
  if (exchange->request.target.size() > kMaxTargetBytes) {
    return Refuse(exchange, Fail(Reason::FAILURE_REASON_REQUEST_TOO_LARGE, "the URL is too long"));
  }
  auto match = deps_.routes.Find(exchange->request.method, exchange->request.path);
  if (!match.ok()) return Refuse(exchange, match.status());
  exchange->match = *std::move(match);
  if (exchange->match.route->kind == RouteKind::kWebhook) return HandleWebhook(exchange);
  HandleMethod(exchange);
}

void EdgeServer::HandleMethod(const ExchangePtr& exchange) {
  if (exchange->request.body_too_large || exchange->request.body.size() > kMaxBodyBytes) {
    return Refuse(exchange, Fail(Reason::FAILURE_REASON_REQUEST_TOO_LARGE, "the body is too large"));
  }
  deps_.authenticator.Authenticate(exchange->request, [this, exchange](absl::StatusOr<auth::UserIdentity> user) {
    if (!user.ok()) return Refuse(exchange, user.status());
    ForwardMethod(exchange, *std::move(user));
  });
}

void EdgeServer::ForwardMethod(const ExchangePtr& exchange, auth::UserIdentity user) {
  const Route& route = *exchange->match.route;
  exchange->subject = user.subject;
  const absl::Duration wait = deps_.limiter.Take(user.subject, absl::StrCat(route.verb, ":", route.pattern));
  if (wait > absl::ZeroDuration()) {
    const auto seconds = static_cast<int64_t>(std::ceil(absl::ToDoubleSeconds(wait)));
    return Refuse(exchange, Fail(Reason::FAILURE_REASON_RATE_LIMITED, "too many requests",
                                 {{"retry_after_seconds", absl::StrCat(seconds)}}));
  }
  // The daemon decides by the same table; asking it here first saves it the calls that can't succeed.
  const absl::Status allowed = auth::AuthorizeMethod(route.rpc_path, {kEdgeCertificate, auth::CallerKind::kEdge, user});
  if (!allowed.ok()) return Refuse(exchange, allowed);
  const http::Request& request = exchange->request;
  RequestParts parts;
  parts.variables = exchange->match.variables;
  parts.query = request.query;
  parts.body = request.body;
  parts.content_type = request.Header("Content-Type");
  parts.idempotency_key = request.Header("Idempotency-Key");
  parts.idempotency_keys = request.HeaderCount("Idempotency-Key");
  auto message = BuildRequest(route, parts);
  if (!message.ok()) return Refuse(exchange, message.status());
  ForwardCall call{route.daemon,    route.rpc_path,  *std::move(message),
                   std::move(user), exchange->trace, route.verb == "GET" ? deps_.timeouts.read : deps_.timeouts.write};
  deps_.forwarder.Forward(std::move(call), [this, exchange](absl::StatusOr<std::string> response) {
    if (!response.ok()) return Refuse(exchange, response.status());
    auto body = RenderResponse(*exchange->match.route, *response);
    if (!body.ok()) return Refuse(exchange, body.status());
    Succeed(exchange, *std::move(body));
  });
}

// Not limited in rate: the caller is one provider with many deliveries, a refused one comes back an hour later, and
// what is too much is told by the daemon's bounded queue with a 503.
void EdgeServer::HandleWebhook(const ExchangePtr& exchange) {
  auto delivery = BuildDelivery(exchange->match.variables.front().second, exchange->request, exchange->trace);
  if (!delivery.ok()) return Refuse(exchange, delivery.status());
  gatherer_.Submit(*std::move(delivery),
                   [this, exchange](const absl::StatusOr<billing::webhook::v1::DeliveryResult>& result) {
                     if (!result.ok()) return Refuse(exchange, DeliveryFailure(result.status()));
                     Succeed(exchange, RenderDelivery(*result));
                   });
}

void EdgeServer::Succeed(const ExchangePtr& exchange, std::string body) {
  http::Response response;
  response.body = std::move(body);
  Answer(exchange, std::move(response), absl::OkStatus());
}

void EdgeServer::Refuse(const ExchangePtr& exchange, const absl::Status& status) {
  http::Response response = RenderProblem(status, exchange->trace.request_id);
  if (response.status == 401) {
    // RFC 6750, 3.1: a request without any credential is not told of an error.
    const bool presented = exchange->request.HeaderCount("Authorization") > 0;
    response.headers.emplace_back("WWW-Authenticate", presented ? "Bearer realm=\"billmesh\", error=\"invalid_token\""
                                                                : "Bearer realm=\"billmesh\"");
  }
  Answer(exchange, std::move(response), status);
}

void EdgeServer::Answer(const ExchangePtr& exchange, http::Response response, const absl::Status& outcome) {
  for (const Header& header : kSecurityHeaders) response.headers.emplace_back(header.name, header.value);
  if (deps_.tls) response.headers.emplace_back(kStrictTransport.name, kStrictTransport.value);
  response.headers.emplace_back("X-Request-Id", exchange->trace.request_id);
  const absl::Duration elapsed = deps_.clock.Monotonic() - exchange->started;
  const Route* const route = exchange->match.route;
  metrics_.Observe(route != nullptr ? route->verb : KnownVerb(exchange->request.method),
                   route != nullptr ? route->pattern : kUnmatched, response.status,
                   outcome.ok() ? kOk : CodeOf(ReasonOf(outcome)), elapsed);
  Log(*exchange, response.status, outcome, elapsed);
  exchange->respond(std::move(response));
}

// No query and no header: they may hold what a log must not.
void EdgeServer::Log(const Exchange& exchange, int http_status, const absl::Status& outcome,
                     absl::Duration elapsed) const {
  const telemetry::CallScope scope(exchange.trace);
  const Route* const route = exchange.match.route;
  telemetry::Log(http_status >= 500 ? telemetry::Level::kError : telemetry::Level::kInfo, "request",
                 {{"verb", exchange.request.method.substr(0, 16)},
                  {"path", exchange.request.path.substr(0, kMaxLoggedPathBytes)},
                  {"route", route != nullptr ? route->pattern : kUnmatched},
                  {"status", absl::StrCat(http_status)},
                  {"code", outcome.ok() ? kOk : CodeOf(ReasonOf(outcome))},
                  {"error", outcome.ok() ? "" : std::string(outcome.message())},
                  {"user", exchange.subject},
                  {"peer", exchange.request.peer},
                  {"us", absl::StrCat(absl::ToInt64Microseconds(elapsed))}});
}

}  // namespace billmesh::edge
