#include "services/edge/authenticator.h"

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "common/status/status.h"

namespace billmesh::edge {
namespace {

constexpr std::string_view kScheme = "Bearer ";

absl::Status NoToken(std::string_view why) { return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, why); }

absl::StatusOr<std::string> BearerToken(const http::Request& request) {
  const int count = request.HeaderCount("Authorization");
  if (count == 0) return NoToken("an Authorization header with a bearer token is needed");
  if (count > 1) return NoToken("there are several Authorization headers");
  const std::string_view value = request.Header("Authorization");
  if (!absl::StartsWithIgnoreCase(AbslView(value), AbslView(kScheme)))
    return NoToken("the Authorization header has no bearer token");
  return std::string(value.substr(kScheme.size()));
}

}  // namespace

void BearerAuthenticator::Authenticate(const http::Request& request, AuthenticateDone done) {
  auto token = BearerToken(request);
  if (!token.ok()) return done(token.status());
  if (auto user = verifier_.TryVerify(*token)) return done(*std::move(user));
  // Shared, so that it is still here when the executor doesn't take the task.
  const auto shared_done = std::make_shared<AuthenticateDone>(std::move(done));
  const bool taken =
      executor_.TrySubmit([this, shared_done, token = *std::move(token)] { (*shared_done)(verifier_.Verify(token)); });
  if (!taken) (*shared_done)(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many tokens wait for their keys"));
}

}  // namespace billmesh::edge
