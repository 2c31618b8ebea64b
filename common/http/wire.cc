#include "common/http/wire.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/strings.h"
#include "common/time/second_text.h"

namespace billmesh::http {
namespace {

constexpr size_t kUsualHeadBytes = 768;

struct StatusText {
  int status;
  absl::string_view reason;
  absl::string_view code;  // of a problem that the server itself reports
};
constexpr StatusText kStatusTexts[] = {
    {200, "OK", ""},
    {201, "Created", ""},
    {202, "Accepted", ""},
    {204, "No Content", ""},
    {301, "Moved Permanently", ""},
    {302, "Found", ""},
    {303, "See Other", ""},
    {304, "Not Modified", ""},
    {307, "Temporary Redirect", ""},
    {308, "Permanent Redirect", ""},
    {400, "Bad Request", "invalid_argument"},
    {401, "Unauthorized", ""},
    {402, "Payment Required", ""},
    {403, "Forbidden", ""},
    {404, "Not Found", ""},
    {405, "Method Not Allowed", ""},
    {408, "Request Timeout", "request_timeout"},
    {409, "Conflict", ""},
    {412, "Precondition Failed", ""},
    {413, "Content Too Large", ""},
    {415, "Unsupported Media Type", ""},
    {422, "Unprocessable Content", ""},
    {429, "Too Many Requests", ""},
    {431, "Request Header Fields Too Large", "request_header_too_large"},
    {500, "Internal Server Error", "internal"},
    {501, "Not Implemented", ""},
    {502, "Bad Gateway", ""},
    {503, "Service Unavailable", ""},
    {504, "Gateway Timeout", ""},
};

const StatusText& TextOf(int status) {
  static constexpr StatusText kUnknown = {0, "", ""};
  const auto it = std::find_if(std::begin(kStatusTexts), std::end(kStatusTexts),
                               [status](const StatusText& text) { return text.status == status; });
  return it == std::end(kStatusTexts) ? kUnknown : *it;
}

bool IsNamed(const std::string& name, absl::string_view other) { return absl::EqualsIgnoreCase(name, other); }

bool IsOurs(const std::string& name) {
  return IsNamed(name, "content-length") || IsNamed(name, "connection") || IsNamed(name, "transfer-encoding") ||
         IsNamed(name, "date");
}

bool BreaksLine(const std::string& text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
}

}  // namespace

bool StatusHasBody(int status) { return status >= 200 && status != 204 && status != 304; }

std::string RenderHead(const Response& response, bool keep_alive, absl::Time now) {
  thread_local SecondText date("%a, %d %b %Y %H:%M:%S GMT");
  std::string head;
  head.reserve(kUsualHeadBytes);
  absl::StrAppend(&head, "HTTP/1.1 ", response.status, " ", TextOf(response.status).reason, "\r\nDate: ", date.At(now),
                  "\r\n");
  bool has_type = false;
  for (const auto& [name, value] : response.headers) {
    if (IsOurs(name) || name.empty() || BreaksLine(name) || BreaksLine(value)) continue;
    has_type = has_type || IsNamed(name, "content-type");
    absl::StrAppend(&head, name, ": ", value, "\r\n");
  }
  if (StatusHasBody(response.status)) {
    if (!has_type && !response.body.empty() && !response.content_type.empty() && !BreaksLine(response.content_type)) {
      absl::StrAppend(&head, "Content-Type: ", response.content_type, "\r\n");
    }
    absl::StrAppend(&head, "Content-Length: ", response.body.size(), "\r\n");
  }
  if (!keep_alive) head += "Connection: close\r\n";
  head += "\r\n";
  return head;
}

Response Problem(int status) {
  const StatusText& text = TextOf(status);
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = absl::StrCat(R"({"type":"about:blank","title":")", text.reason, R"(","status":)", status,
                               R"(,"code":")", text.code, R"("})");
  return response;
}

}  // namespace billmesh::http
