// What the server does with requests: good, malformed, large, slow.
#include "common/http/server.h"

#include <chrono>
#include <future>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/http/test_server.h"
#include "common/http/test_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ServerTest, AnswersAndSaysNothingAboutItself) {
  auto server = StartWith(Echo);
  const std::string answer =
      Converse(*server, "POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("POST /a%20b?c=d from 127.0.0.1 [body]"));
  EXPECT_THAT(answer, Not(HasSubstr("Server:")));
}

TEST(ServerTest, HeadersKeepTheirNamesAndCounts) {
  std::promise<Request> seen;
  auto server = StartWith([&seen](Request request, Respond respond) {
    seen.set_value(std::move(request));
    respond(Text(""));
  });
  Converse(*server, "GET / HTTP/1.1\r\nhOst: h\r\nX-One: 1\r\nX-Two:  a b \r\nx-one: 2\r\nConnection: close\r\n\r\n");
  const Request request = seen.get_future().get();
  EXPECT_EQ(request.headers[0], std::make_pair(std::string("hOst"), std::string("h")));
  EXPECT_EQ(request.Header("x-ONE"), "1");
  EXPECT_EQ(request.Header("x-two"), "a b");
  EXPECT_EQ(request.HeaderCount("X-ONE"), 2);
  EXPECT_EQ(request.HeaderCount("absent"), 0);
  EXPECT_EQ(request.Header("absent"), "");
}

TEST(ServerTest, ManyRequestsShareAConnection) {
  auto server = StartWith(Echo);
  RawConnection connection = RawConnection::To(server->port());
  for (int i = 0; i < 5; ++i) {
    connection.Send(absl::StrCat("POST /", i, " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", i));
    const std::string answer = connection.ReadMessage();
    EXPECT_THAT(answer, HasSubstr("Content-Length: 27\r\n"));
    EXPECT_THAT(answer, EndsWith(absl::StrCat("POST /", i, "? from 127.0.0.1 [", i, "]")));
  }
}

TEST(ServerTest, PipelinedRequestsAreAnsweredInOrderAndGarbageEndsThem) {
  auto server = StartWith(Echo);
  const std::string answer =
      Converse(*server,
               "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
               "\x16\x03garbage\r\n\r\n");
  const size_t first = answer.find("GET /1?"), second = answer.find("POST /2?"),
               third = answer.find("HTTP/1.1 400 Bad Request");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

TEST(ServerTest, ByteByByteIsTheSameAsAtOnce) {
  auto server = StartWith(Echo);
  RawConnection connection = RawConnection::To(server->port());
  for (char c : std::string(
           "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    connection.Send(std::string_view(&c, 1));
  }
  EXPECT_THAT(connection.ReadMessage(), EndsWith("[abcde]"));
}

TEST(ServerTest, TrailersDoNotBecomeHeaders) {
  std::promise<Request> seen;
  auto server = StartWith([&seen](Request request, Respond respond) {
    seen.set_value(std::move(request));
    respond(Text(""));
  });
  Converse(*server,
           "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: "
           "chunked\r\n\r\n1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n");
  const Request request = seen.get_future().get();
  EXPECT_EQ(request.body, "x");
  EXPECT_EQ(request.HeaderCount("authorization"), 0);
}

TEST(ServerTest, HeadHasTheLengthButNoBody) {
  auto server = StartWith(Echo);
  RawConnection connection = RawConnection::To(server->port());
  connection.Send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(connection.ReadUntil("\r\n\r\n"), HasSubstr("Content-Length: 26\r\n"));
  connection.Send("GET /y HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(connection.ReadMessage(), StartsWith("HTTP/1.1 200 OK"));
}

TEST(ServerTest, AmbiguousOrMalformedRequestsAreRefused) {
  auto server = StartWith(Echo);
  for (std::string_view request : {
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
           "GET / HTTP/1.1\nHost: a\n\n",
           "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
           "GET /\r\n\r\n",
           "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello",
       }) {
    EXPECT_THAT(Converse(*server, request), StartsWith("HTTP/1.1 400 Bad Request\r\n")) << request;
  }
}

TEST(ServerTest, ARequestThatEndsEarlyIsRefused) {
  auto server = StartWith(Echo);
  for (std::string_view part : {"GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc",
                                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    RawConnection connection = RawConnection::To(server->port());
    connection.Send(part);
    connection.FinishWriting();
    EXPECT_THAT(connection.ReadToEnd(), StartsWith("HTTP/1.1 400 Bad Request\r\n")) << part;
  }
}

TEST(ServerTest, LargeHeadsAreRefused) {
  ServerOptions options = Options();
  options.max_header_bytes = 2000;
  auto server = StartWith(Echo, options);
  const std::string line = "X-Pad: " + std::string(93, 'x') + "\r\n";
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 25; ++i) many += line;
  for (const std::string& request :
       {"GET /" + std::string(3000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", many + "\r\n", many,
        "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(100'000, 'x'),
        "GET /" + std::string(1500, 'x') + " HTTP/1.1\r\nHost: h\r\nX: " + std::string(1500, 'x') + "\r\n\r\n"}) {
    EXPECT_THAT(Converse(*server, request), StartsWith("HTTP/1.1 431 ")) << request.size();
  }
  EXPECT_THAT(Converse(*server, "GET /" + std::string(1900, 'x') + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST(ServerTest, BodiesOverTheLimitReachTheHandlerWithoutBytes) {
  ServerOptions options = Options();
  options.max_body_bytes = 256 << 10;
  auto server = StartWith(Echo, options);
  const std::string head = "POST /hook HTTP/1.1\r\nHost: h\r\n";
  const std::string fits(256 << 10, 'x'), large(257 << 10, 'x');
  RawConnection good = RawConnection::To(server->port());
  good.Send(absl::StrCat(head, "Content-Length: ", fits.size(), "\r\n\r\n", fits));
  EXPECT_THAT(good.ReadMessage(), EndsWith(fits + "]"));

  // Declared: answered before the body comes.
  RawConnection early = RawConnection::To(server->port());
  early.Send(absl::StrCat(head, "Content-Length: ", large.size(), "\r\n\r\n"));
  const std::string refused = early.ReadMessage();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(refused, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(refused, EndsWith("POST /hook? from 127.0.0.1 []"));

  // The answer survives a client that sends on regardless, with or without a declared length.
  EXPECT_THAT(Converse(*server, absl::StrCat(head, "Content-Length: ", large.size(), "\r\n\r\n", large)),
              EndsWith("[]"));
  std::string chunks;
  for (int i = 0; i < 257; ++i) chunks += "400\r\n" + std::string(1024, 'x') + "\r\n";
  EXPECT_THAT(Converse(*server, head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Converse(*server, head + "Content-Length: 18446744073709551615\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Converse(*server, head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
              StartsWith("HTTP/1.1 4"));
}

TEST(ServerTest, SlowRequestsTimeOut) {
  ServerOptions options = Options();
  options.request_timeout = absl::Milliseconds(100);
  auto server = StartWith(Echo, options);
  for (std::string_view part : {"GET / HTTP/1.1\r\nHost: h\r\nX-Slow",
                                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc"}) {
    const std::string answer = Converse(*server, part);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n")) << part;
    EXPECT_THAT(answer, HasSubstr("application/problem+json"));
  }
}

TEST(ServerTest, IdleConnectionsAreClosedWithoutAnAnswer) {
  ServerOptions options = Options();
  options.idle_timeout = absl::Milliseconds(100);
  auto server = StartWith(Echo, options);
  EXPECT_EQ(Converse(*server, ""), "");
  RawConnection connection = RawConnection::To(server->port());
  connection.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(connection.ReadMessage(), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(connection.ReadToEnd(), "");
  EXPECT_TRUE(connection.closed());
}

TEST(ServerTest, EachRequestOfAConnectionHasItsOwnTime) {
  ServerOptions options = Options();
  options.request_timeout = absl::Milliseconds(200);
  auto server = StartWith(Echo, options);
  options.idle_timeout = absl::Milliseconds(120);
  auto other = StartWith(Echo, options);
  RawConnection connection = RawConnection::To(server->port());
  connection.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(connection.ReadMessage(), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(Converse(*other, ""), "") << "a part of the first one's time has passed";
  const auto begun = std::chrono::steady_clock::now();
  connection.Send("GET / HTTP/1.1\r\n");
  EXPECT_THAT(connection.ReadToEnd(), StartsWith("HTTP/1.1 408 "));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(190));
}

TEST(ServerTest, RunningHandlersAreNotTimedOut) {
  Held held;
  ServerOptions options = Options();
  options.request_timeout = options.idle_timeout = absl::Milliseconds(50);
  auto server = StartWith(held.handler(), options);
  RawConnection connection = RawConnection::To(server->port());
  connection.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Respond respond = held.Take();
  RawConnection idle = RawConnection::To(server->port());
  EXPECT_EQ(idle.ReadToEnd(), "");  // at least the time-out has passed
  respond(Text("late"));
  EXPECT_THAT(connection.ReadMessage(), EndsWith("late"));
}

TEST(ServerTest, SaysContinueWhereAsked) {
  auto server = StartWith(Echo);
  RawConnection connection = RawConnection::To(server->port());
  connection.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(connection.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  connection.Send("abc");
  EXPECT_THAT(connection.ReadMessage(), EndsWith("[abc]"));
}

TEST(ServerTest, Http10ConnectionsAreClosed) {
  auto server = StartWith(Echo);
  EXPECT_THAT(Converse(*server, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              HasSubstr("Connection: close\r\n"));
}

}  // namespace
}  // namespace billmesh::http
