// JSON, query and path to a request message, and a response message to JSON (EDG-1): protobuf's JSON mapping with
// lowerCamelCase names. Strict: what the message doesn't have is refused by name, never ignored. No I/O, no state.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/edge/route_table.h"

namespace billmesh::edge {

inline constexpr size_t kMaxQueryParameters = 64;

// What of an HTTP request makes the message.
struct RequestParts {
  std::vector<std::pair<std::string, std::string>> variables;  // of the path, decoded
  std::string_view query;                                      // undecoded
  std::string_view body;
  std::string_view content_type;
  std::string_view idempotency_key;
  int idempotency_keys = 0;  // how often the header came
};

// The serialized request message. INVALID_ARGUMENT with metadata `field` for an unknown or malformed parameter or
// member, IDEMPOTENCY_KEY_REQUIRED, UNSUPPORTED_MEDIA_TYPE.
absl::StatusOr<std::string> BuildRequest(const Route& route, const RequestParts& parts);

// The JSON of a serialized response message. Members with default values are there too, so that clients need no
// defaults.
absl::StatusOr<std::string> RenderResponse(const Route& route, std::string_view response);

}  // namespace billmesh::edge
