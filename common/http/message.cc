// What requests and responses of both directions share.
#include <algorithm>

#include "absl/strings/match.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "common/status/strings.h"

namespace billmesh::http {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

bool IsNamed(const std::pair<std::string, std::string>& header, std::string_view name) {
  return absl::EqualsIgnoreCase(header.first, AbslView(name));
}

std::string_view Find(const Headers& headers, std::string_view name) {
  for (const auto& header : headers) {
    if (IsNamed(header, name)) return header.second;
  }
  return {};
}

}  // namespace

std::string_view Request::Header(std::string_view name) const { return Find(headers, name); }

int Request::HeaderCount(std::string_view name) const {
  return static_cast<int>(
      std::count_if(headers.begin(), headers.end(), [name](const auto& header) { return IsNamed(header, name); }));
}

std::string_view ClientResponse::Header(std::string_view name) const { return Find(headers, name); }

}  // namespace billmesh::http
