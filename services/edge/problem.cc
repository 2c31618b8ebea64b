#include "services/edge/problem.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::edge {
namespace {

constexpr char kTypePrefix[] = "urn:billmesh:problem:";
constexpr char kRetryAfterKey[] = "retry_after_seconds";
constexpr int kDefaultRetryAfterSeconds = 1;
constexpr int kMaxRetryAfterSeconds = 86400 * 31;

// "checkout_in_progress" → "Checkout in progress".
std::string TitleOf(std::string code) {
  code = absl::AsciiStrToLower(code);
  std::replace(code.begin(), code.end(), '_', ' ');
  if (!code.empty()) code[0] = absl::ascii_toupper(static_cast<unsigned char>(code[0]));
  return code;
}

// Whether the text and metadata of this failure may hold what only we should see: addresses, SQL, another daemon's
// words. A refused provider call (502) is a business outcome with a text made for the client.
bool IsInternalFault(int http_status) { return http_status >= 500 && http_status != 502; }

}  // namespace

int RetryAfterSeconds(const absl::Status& status) {
  const Metadata metadata = MetadataOf(status);
  const auto it = metadata.find(kRetryAfterKey);
  int seconds = 0;
  if (it == metadata.end() || !absl::SimpleAtoi(it->second, &seconds)) return kDefaultRetryAfterSeconds;
  return std::clamp(seconds, kDefaultRetryAfterSeconds, kMaxRetryAfterSeconds);
}

http::Response RenderProblem(const absl::Status& status, std::string_view request_id) {
  const Reason reason = ReasonOf(status);
  const FailureRule& rule = RuleOf(reason);
  const bool internal = IsInternalFault(rule.http_status);
  nlohmann::json problem = {
      {"type", absl::StrCat(kTypePrefix, rule.code)},
      {"title", TitleOf(rule.code)},
      {"status", rule.http_status},
      {"code", rule.code},
      {"requestId", std::string(request_id)},
  };
  const Metadata metadata = MetadataOf(status);
  if (!internal) {
    problem["detail"] = std::string(status.message());
    if (!metadata.empty()) problem["params"] = metadata;
  } else {
    problem["detail"] = rule.retryable ? "This can't be done right now. The same request may succeed later."
                                       : "Something went wrong here. The request id tells us which request it was.";
  }
  http::Response response;
  response.status = rule.http_status;
  response.content_type = "application/problem+json";
  response.body = problem.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (rule.http_status == 429 || rule.http_status == 503) {
    response.headers.emplace_back("Retry-After", absl::StrCat(RetryAfterSeconds(status)));
  }
  if (const auto allow = metadata.find("allow");
      reason == Reason::FAILURE_REASON_METHOD_NOT_ALLOWED && allow != metadata.end()) {
    response.headers.emplace_back("Allow", allow->second);
  }
  return response;
}

}  // namespace billmesh::edge
