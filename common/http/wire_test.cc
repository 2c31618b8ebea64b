#include "common/http/wire.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(784111777);

TEST(WireTest, RendersStatusDateTypeAndLength) {
  Response response;
  response.body = "{}";
  response.headers = {{"X-A", "1"}, {"X-A", "2"}};
  EXPECT_EQ(RenderHead(response, true, kNow),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-A: 1\r\nX-A: 2\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n");
  EXPECT_THAT(RenderHead(response, false, kNow), HasSubstr("\r\nConnection: close\r\n"));
}

TEST(WireTest, HandlersCannotBreakTheFraming) {
  Response response;
  response.body = "12345";
  response.content_type = "text/plain\r\nX-C: 1";
  response.headers = {{"Content-Length", "1"},
                      {"transfer-encoding", "chunked"},
                      {"Connection", "keep-alive"},
                      {"X-A", "1\r\nX-B: 2"},
                      {"X\n", "1"},
                      {"X-Nul", std::string("\0", 1)},
                      {"", "x"}};
  EXPECT_EQ(RenderHead(response, true, kNow),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\n");
}

TEST(WireTest, AContentTypeHeaderWinsOverTheMember) {
  Response response;
  response.body = "x";
  response.headers = {{"content-type", "text/html"}};
  const std::string head = RenderHead(response, true, kNow);
  EXPECT_THAT(head, HasSubstr("content-type: text/html"));
  EXPECT_THAT(head, Not(HasSubstr("application/json")));
}

TEST(WireTest, AnswersWithoutABodyHaveNoLength) {
  Response response;
  for (int status : {204, 304}) {
    response.status = status;
    EXPECT_THAT(RenderHead(response, true, kNow), Not(HasSubstr("Content-")));
  }
  response.status = 200;
  EXPECT_THAT(RenderHead(response, true, kNow), HasSubstr("Content-Length: 0\r\n"));
}

TEST(WireTest, ProblemsAreRfc9457) {
  const Response problem = Problem(408);
  EXPECT_EQ(problem.content_type, "application/problem+json");
  EXPECT_EQ(problem.body, R"({"type":"about:blank","title":"Request Timeout","status":408,"code":"request_timeout"})");
}

}  // namespace
}  // namespace billmesh::http
