// Errors as RFC 9457 application/problem+json: the one place where a status becomes an HTTP answer.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "common/http/server.h"

namespace billmesh::edge {

// {"type","title","status","detail","code","requestId","params"}; HTTP status and code by the reason's rule
// (common/status). A fault of ours tells nothing of the inside. Adds Retry-After to 429 and 503, and Allow to 405.
http::Response RenderProblem(const absl::Status& status, std::string_view request_id);

// The seconds for Retry-After: the status' metadata `retry_after_seconds` where it has some, else 1.
int RetryAfterSeconds(const absl::Status& status);

}  // namespace billmesh::edge
