// Requests, errors and latency of each route (OBS-1).
#pragma once

#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/time/time.h"
#include "common/telemetry/metrics.h"

namespace billmesh::edge {

class HttpMetrics {
 public:
  // route and verb from the route table (or "unmatched"), code a failure code or "ok": bounded sets. Thread safe.
  void Observe(const std::string& verb, const std::string& route, int status, const std::string& code,
               absl::Duration elapsed);

 private:
  struct Instruments {
    telemetry::Counter* requests;
    telemetry::Histogram* seconds;
  };
  Instruments Find(const std::string& verb, const std::string& route, int status, const std::string& code);

  std::shared_mutex mutex_;
  std::map<std::tuple<std::string, std::string, int, std::string>, Instruments> instruments_;  // guarded by mutex_
};

}  // namespace billmesh::edge
