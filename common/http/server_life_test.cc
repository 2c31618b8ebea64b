// How the server lives: connections over the limit, answers that come late or never, draining, starting, many clients,
// TLS.
#include "common/http/server.h"

#include <cstdio>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/http/client.h"
#include "common/http/test_certificate.h"
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
