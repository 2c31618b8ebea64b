// The HTTP side of the edge (EDG-1, EDG-2): find the route, authenticate, limit, transcode, forward, render. No billing
// logic.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/http/server.h"
#include "common/time/clock.h"
#include "services/edge/authenticator.h"
#include "services/edge/delivery_gatherer.h"
#include "services/edge/forwarder.h"
#include "services/edge/http_metrics.h"
#include "services/edge/rate_limiter.h"
#include "services/edge/route_table.h"

namespace billmesh::edge {

inline constexpr size_t kMaxTargetBytes = 8 << 10;  // path and query as sent
// Of every route; the largest that any takes.
inline constexpr size_t kMaxBodyBytes = 256 << 10;

struct EdgeTimeouts {
  absl::Duration read = absl::Seconds(10);     // GET
  absl::Duration write = absl::Seconds(40);    // the rest: a checkout waits for the provider
  absl::Duration webhook = absl::Seconds(10);  // then 503, and the provider delivers again
};

class EdgeServer {
 public:
  struct Dependencies {
    const RouteTable& routes;
    Authenticator& authenticator;
    RateLimiter& limiter;
    Forwarder& forwarder;
    Clock& clock;
    EdgeTimeouts timeouts;
    bool tls = false;  // the public port speaks TLS itself
  };
  explicit EdgeServer(const Dependencies& dependencies)
      : deps_(dependencies),
        gatherer_(dependencies.forwarder, dependencies.clock, {.timeout = dependencies.timeouts.webhook}) {}

  // For http::Server. Never blocks. This object must outlive every call of `respond`.
  void Handle(http::Request request, http::Respond respond);
  // DeliveryGatherer::SendGathered; to be called this often.
  static constexpr absl::Duration kSendPeriod = absl::Milliseconds(5);
  bool SendGathered() { return gatherer_.SendGathered(); }
  // Of deliveries, before it isn't called any more.
  void StopHoldingBack() { gatherer_.StopHoldingBack(); }

 private:
  struct Exchange;
  using ExchangePtr = std::shared_ptr<Exchange>;

  void HandleMethod(const ExchangePtr& exchange);
  void ForwardMethod(const ExchangePtr& exchange, auth::UserIdentity user);
  void HandleWebhook(const ExchangePtr& exchange);
  void Succeed(const ExchangePtr& exchange, std::string body);
  void Refuse(const ExchangePtr& exchange, const absl::Status& status);
  void Answer(const ExchangePtr& exchange, http::Response response, const absl::Status& outcome);
  void Log(const Exchange& exchange, int http_status, const absl::Status& outcome, absl::Duration elapsed) const;

  const Dependencies deps_;
  DeliveryGatherer gatherer_;
  HttpMetrics metrics_;
};

}  // namespace billmesh::edge
