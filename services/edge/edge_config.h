// Settings of the edge beside those that every daemon has.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/auth/jwt.h"
#include "common/config/config.h"
#include "common/http/server.h"
#include "services/edge/edge_server.h"
#include "services/edge/rate_limiter.h"

namespace billmesh::edge {

std::vector<config::Setting> EdgeSettings();
std::vector<config::CrossCheck> EdgeChecks();

struct EdgeConfig {
  http::ServerOptions http;
  std::map<std::string, std::string> peers;  // daemon name → host:port
  std::string user_assertion_key;            // PEM file
  auth::JwtOptions jwt;
  std::string jwks;  // URL or path
  std::string jwks_ca;
  RateLimits limits;
  EdgeTimeouts timeouts;
  absl::Duration drain_timeout;
};
EdgeConfig ReadEdgeConfig(const config::Config& config);

}  // namespace billmesh::edge
