#include "services/edge/http_metrics.h"

#include <mutex>

namespace billmesh::edge {

HttpMetrics::Instruments HttpMetrics::Find(const std::string& verb, const std::string& route, int status,
                                           const std::string& code) {
  const auto key = std::make_tuple(verb, route, status, code);
  {
    std::shared_lock lock(mutex_);
    if (const auto it = instruments_.find(key); it != instruments_.end()) return it->second;
  }
  const Instruments made = {
      &telemetry::GetCounter("billmesh_http_requests_total", "HTTP requests by route and outcome",
                             {{"verb", verb}, {"route", route}, {"status", std::to_string(status)}, {"code", code}}),
      &telemetry::GetHistogram("billmesh_http_seconds", "Time to answer an HTTP request",
                               {{"verb", verb}, {"route", route}})};
  std::unique_lock lock(mutex_);
  return instruments_.emplace(key, made).first->second;
}

void HttpMetrics::Observe(const std::string& verb, const std::string& route, int status, const std::string& code,
                          absl::Duration elapsed) {
  const Instruments instruments = Find(verb, route, status, code);
  instruments.requests->Add();
  instruments.seconds->Observe(absl::ToDoubleSeconds(elapsed));
}

}  // namespace billmesh::edge
