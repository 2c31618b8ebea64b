// How answers look on the wire; used by server.cc only.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/http/server.h"

namespace billmesh::http {

// Status line and headers, the empty line included, without a banner. Content-Length, Connection and Transfer-Encoding
// are ours: a handler's are dropped, as are headers that could break the line.
std::string RenderHead(const Response& response, bool keep_alive, absl::Time now);

// Whether an answer with this status has a body at all.
bool StatusHasBody(int status);

// What the server says by itself, as application/problem+json.
Response Problem(int status);

}  // namespace billmesh::http
