#include "services/edge/problem.h"

#include "common/status/status.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::edge {
namespace {

using nlohmann::json;

std::string HeaderOf(const http::Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(ProblemTest, RendersReasonMetadataAndRequestId) {
  const auto response = RenderProblem(Fail(Reason::FAILURE_REASON_CHECKOUT_SESSION_OPEN, "a session is open",
                                           {{"operation", "op-1"}, {"url", "https://x"}}),
                                      "req-1");
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(json::parse(response.body), (json{{"type", "urn:billmesh:problem:checkout_session_open"},
                                              {"title", "Checkout session open"},
                                              {"status", 409},
                                              {"detail", "a session is open"},
                                              {"code", "checkout_session_open"},
                                              {"requestId", "req-1"},
                                              {"params", {{"operation", "op-1"}, {"url", "https://x"}}}}));
}

TEST(ProblemTest, EveryReasonHasItsStatusAndCode) {
  const auto* reasons = billing::types::v1::FailureReason_descriptor();
  for (int i = 0; i < reasons->value_count(); ++i) {
    const auto reason = static_cast<Reason>(reasons->value(i)->number());
    const auto response = RenderProblem(Fail(reason, "text"), "req-1");
    EXPECT_EQ(response.status, RuleOf(reason).http_status);
    const json problem = json::parse(response.body);
    EXPECT_EQ(problem["code"], RuleOf(reason).code);
    EXPECT_FALSE(problem["title"].get<std::string>().empty());
    const bool waits = response.status == 429 || response.status == 503;
    EXPECT_EQ(HeaderOf(response, "Retry-After").empty(), !waits) << RuleOf(reason).code;
  }
}

TEST(ProblemTest, FaultsTellNothingOfTheInside) {
  for (const absl::Status& status :
       {absl::InternalError("password is hunter2"), absl::Status(absl::StatusCode::kUnknown, "hunter2"),
        Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "hunter2", {{"host", "hunter2"}}),
        Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "hunter2")}) {
    const auto response = RenderProblem(status, "req-1");
    EXPECT_GE(response.status, 500);
    EXPECT_EQ(response.body.find("hunter2"), std::string::npos) << response.body;
    EXPECT_NE(response.body.find("req-1"), std::string::npos);
  }
  EXPECT_EQ(RenderProblem(absl::InternalError("x"), "").status, 500);
}

TEST(ProblemTest, RetryAfterComesFromTheStatusWithinBounds) {
  const auto with = [](const char* seconds) {
    return RetryAfterSeconds(Fail(Reason::FAILURE_REASON_RATE_LIMITED, "", {{"retry_after_seconds", seconds}}));
  };
  EXPECT_EQ(with("17"), 17);
  EXPECT_EQ(with("0"), 1);
  EXPECT_EQ(with("-5"), 1);
  EXPECT_EQ(with("soon"), 1);
  EXPECT_EQ(HeaderOf(RenderProblem(Fail(Reason::FAILURE_REASON_RATE_LIMITED, "", {{"retry_after_seconds", "17"}}), ""),
                     "Retry-After"),
            "17");
}

TEST(ProblemTest, OtherVerbsAreNamedInAllow) {
  const auto response =
      RenderProblem(Fail(Reason::FAILURE_REASON_METHOD_NOT_ALLOWED, "", {{"allow", "GET, POST"}}), "");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(HeaderOf(response, "Allow"), "GET, POST");
}

TEST(ProblemTest, TextThatIsNotUtf8DoesNotBreakTheAnswer) {
  const auto response = RenderProblem(Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "\xff"), "req-1");
  EXPECT_EQ(json::parse(response.body)["status"], 400);
}

}  // namespace
}  // namespace billmesh::edge
