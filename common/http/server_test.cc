#include "common/http/server.h"

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/http/client.h"
#include "common/http/test_certificate.h"
#include "common/http/test_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr auto kWait = std::chrono::seconds(10);

ServerOptions Options() {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  return options;
}

std::unique_ptr<Server> StartWith(Handler handler, ServerOptions options = Options()) {
  auto server = Server::Start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

// Answers with what the handler saw; 413 for a body that is too large.
void Echo(Request request, Respond respond) {
  Response response;
  response.status = request.body_too_large ? 413 : 200;
  response.content_type = "text/plain";
  response.body = absl::StrCat(request.method, " ", request.path, "?", request.query, " from ", request.peer, " [",
                               request.body, "]");
  respond(std::move(response));
}

// Takes requests and lets the test answer.
class Held {
 public:
  Handler handler() {
    return [this](Request request, Respond respond) {
      std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
      responds_.push_back(std::move(respond));
      arrived_.notify_all();
    };
  }
  Respond Take() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(arrived_.wait_for(lock, kWait, [this] { return !responds_.empty(); }));
    Respond respond = std::move(responds_.back());
    responds_.pop_back();
    return respond;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Request> requests_;
  std::vector<Respond> responds_;
};

Response Text(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

// The whole conversation of one connection: what comes back until the server closes.
std::string Converse(const Server& server, std::string_view text) {
  RawConnection connection = RawConnection::To(server.port());
  connection.Send(text);
  std::string answer = connection.ReadToEnd();
  EXPECT_TRUE(connection.closed()) << "no orderly end after: " << text.substr(0, 200);
  return answer;
}

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

TEST(ServerTest, ConnectionsOverTheLimitAreClosedAtOnce) {
  Held held;
  ServerOptions options = Options();
  options.max_connections = 1;
  auto server = StartWith(held.handler(), options);
  RawConnection first = RawConnection::To(server->port());
  first.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  Respond respond = held.Take();
  RawConnection second = RawConnection::To(server->port());
  EXPECT_EQ(second.ReadToEnd(), "");
  respond(Text("one"));
  EXPECT_THAT(first.ReadToEnd(), EndsWith("one"));
}

TEST(ServerTest, OnlyTheFirstAnswerCounts) {
  auto server = StartWith([](Request, Respond respond) {
    respond(Text("first"));
    respond(Text("second"));
  });
  EXPECT_THAT(Converse(*server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), EndsWith("\r\n\r\nfirst"));
}

TEST(ServerTest, AHandlerThatDropsItsAnswerOrThrowsGives500) {
  auto dropping = StartWith([](Request, Respond) {});
  EXPECT_THAT(Converse(*dropping, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500 "));
  auto throwing = StartWith([](Request, Respond) { throw 1; });
  EXPECT_THAT(Converse(*throwing, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500 "));
  auto wrong = StartWith([](Request, Respond respond) { respond(Response{.status = 101}); });
  EXPECT_THAT(Converse(*wrong, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 500 "));
}

TEST(ServerTest, AnswersMayComeLateOrAfterEverythingIsGone) {
  Held held;
  Respond gone, after_server;
  {
    auto server = StartWith(held.handler());
    RawConnection slow = RawConnection::To(server->port());
    slow.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    std::thread([respond = held.Take()] { respond(Text("from another thread")); }).join();
    EXPECT_THAT(slow.ReadMessage(), EndsWith("from another thread"));
    {
      RawConnection hasty = RawConnection::To(server->port());
      hasty.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      gone = held.Take();
      hasty.Reset();
    }
    gone(Text(std::string(1 << 20, 'x')));
    slow.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    after_server = held.Take();
  }
  after_server(Text("nobody hears this"));
}

TEST(ServerTest, DrainFinishesRunningRequestsAndClosesIdleConnections) {
  Held held;
  auto server = StartWith(held.handler());
  RawConnection running = RawConnection::To(server->port());
  running.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Respond respond = held.Take();
  RawConnection idle = RawConnection::To(server->port());
  auto drained = std::async(std::launch::async, [&] { server->Drain(absl::Seconds(30)); });
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  respond(Text("finished"));
  const std::string answer = running.ReadToEnd();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("finished"));
  running.Close();
  ASSERT_EQ(drained.wait_for(kWait), std::future_status::ready);
  server->Drain(absl::Seconds(30));
  Client client({});
  ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(server->port());
  EXPECT_EQ(client.Send(request).failure, TransportFailure::kNotSent);
}

TEST(ServerTest, DrainEndsWithTheGrace) {
  Held held;
  auto server = StartWith(held.handler());
  RawConnection running = RawConnection::To(server->port());
  running.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Respond respond = held.Take();
  server->Drain(absl::Milliseconds(50));
  EXPECT_EQ(running.ReadToEnd(), "");
  respond(Text("too late"));
}

TEST(ServerTest, FaultsAtTheStartAreNamed) {
  auto server = StartWith(Echo);
  ServerOptions options = Options();
  options.listen = "127.0.0.1:" + std::to_string(server->port());
  const absl::Status taken = Server::Start(options, Echo).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr(options.listen));
  EXPECT_THAT(std::string(taken.message()), HasSubstr("in use"));
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:-1"}) {
    options.listen = bad;
    EXPECT_FALSE(Server::Start(options, Echo).ok()) << bad;
  }
  options = Options();
  options.tls_cert_file = "/nonexistent.crt";
  options.tls_key_file = "/nonexistent.key";
  EXPECT_THAT(std::string(Server::Start(options, Echo).status().message()), HasSubstr("/nonexistent.crt"));
}

TEST(ServerTest, ManyClientsAtOnce) {
  ServerOptions options = Options();
  options.threads = 3;
  std::mutex mutex;
  std::vector<std::jthread> threads;  // one a request; joined at the end
  auto server = StartWith(
      [&](Request request, Respond respond) {
        std::lock_guard lock(mutex);
        threads.emplace_back(
            [request = std::move(request), respond = std::move(respond)] { respond(Text(request.body)); });
      },
      options);
  Client client({});
  std::vector<std::future<int>> good;
  for (int t = 0; t < 8; ++t) {
    good.push_back(std::async(std::launch::async, [&, t] {
      int n = 0;
      for (int i = 0; i < 50; ++i) {
        ClientRequest request;
        request.method = "POST";
        request.url = "http://127.0.0.1:" + std::to_string(server->port());
        request.body = absl::StrCat(t, "-", i, std::string(static_cast<size_t>(i) * 997, 'b'));
        n += client.Send(request).response.body == request.body;
      }
      return n;
    }));
  }
  for (auto& n : good) EXPECT_EQ(n.get(), 50);
}

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerOptions TlsOptions() const {
    ServerOptions options = Options();
    options.tls_cert_file = certificate_.cert_file();
    options.tls_key_file = certificate_.key_file();
    return options;
  }
  // A client that trusts the certificate of this moment.
  ClientResult SendOnce(const Server& server, std::string body) const {
    ClientOptions options;
    options.ca_file = certificate_.cert_file();
    ClientRequest request;
    request.method = "POST";
    request.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/x";
    request.body = std::move(body);
    return Client(options).Send(request);
  }
  TestCertificate certificate_;
};

TEST_F(ServerTlsTest, ServesOverTlsWithTheSameLimits) {
  ServerOptions options = TlsOptions();
  options.max_body_bytes = 1000;
  auto server = StartWith(Echo, options);
  EXPECT_THAT(SendOnce(*server, "secret").response.body, EndsWith("[secret]"));
  const ClientResult large = SendOnce(*server, std::string(100'000, 'x'));
  EXPECT_EQ(large.response.status, 413) << large.error;
}

TEST_F(ServerTlsTest, PlainTextAndStuckHandshakesAreClosed) {
  ServerOptions options = TlsOptions();
  options.request_timeout = absl::Milliseconds(100);
  auto server = StartWith(Echo, options);
  RawConnection plain = RawConnection::To(server->port());
  plain.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(plain.ReadToEnd(), Not(HasSubstr("HTTP")));
  RawConnection stuck = RawConnection::To(server->port());
  EXPECT_EQ(stuck.ReadToEnd(), "");
  EXPECT_TRUE(stuck.closed());
}

TEST_F(ServerTlsTest, AReplacedCertificateIsUsedAndABrokenOneIsNot) {
  auto server = StartWith(Echo, TlsOptions());
  EXPECT_EQ(SendOnce(*server, "1").response.status, 200);
  certificate_.Write();
  EXPECT_EQ(SendOnce(*server, "2").response.status, 200);

  // Only the key changes: the last good pair stays.
  const TestCertificate other;
  ASSERT_EQ(std::rename(other.key_file().c_str(), certificate_.key_file().c_str()), 0);
  const ClientResult kept = SendOnce(*server, "3");
  EXPECT_EQ(kept.response.status, 200) << kept.error;
}

}  // namespace
}  // namespace billmesh::http
