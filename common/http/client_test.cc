#include "common/http/client.h"

#include <future>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/http/server.h"
#include "common/http/test_certificate.h"
#include "common/http/test_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

std::string Url(int port, std::string_view path = "/") {
  return "http://127.0.0.1:" + std::to_string(port) + std::string(path);
}

ClientRequest Get(std::string url, absl::Duration timeout = absl::Seconds(10)) {
  ClientRequest request;
  request.url = std::move(url);
  request.timeout = timeout;
  return request;
}

// A server that answers with the request that it saw.
std::unique_ptr<Server> StartEcho() {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  auto server = Server::Start(options, [](Request request, Respond respond) {
    Response response;
    if (request.path == "/redirect") {
      response.status = 302;
      response.headers = {{"Location", "/elsewhere"}};
    }
    response.headers.emplace_back("X-Echo", "yes");
    response.body = absl::StrCat(request.method, " ", request.target, "\n");
    for (const auto& [name, value] : request.headers) absl::StrAppend(&response.body, name, "=[", value, "]\n");
    absl::StrAppend(&response.body, "\n", request.body);
    respond(std::move(response));
  });
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

TEST(ClientTest, SendsMethodHeadersAndBody) {
  auto server = StartEcho();
  Client client({});
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE"}) {
    ClientRequest request = Get(Url(server->port(), "/p?q=1"));
    request.method = method;
    request.headers = {{"Idempotency-Key", "k1"}, {"X-Empty", ""}};
    request.body = "a=1&b=2";
    const ClientResult result = client.Send(request);
    ASSERT_EQ(result.failure, TransportFailure::kNone) << result.error;
    EXPECT_EQ(result.response.status, 200);
    EXPECT_THAT(result.response.body, HasSubstr(method + " /p?q=1\n"));
    EXPECT_THAT(result.response.body, HasSubstr("Idempotency-Key=[k1]\nX-Empty=[]\n"));
    EXPECT_THAT(result.response.body, HasSubstr("\n\na=1&b=2"));
    EXPECT_THAT(result.response.body, Not(HasSubstr("Content-Type")));
    EXPECT_EQ(result.response.Header("x-ECHO"), "yes");
    EXPECT_EQ(result.response.Header("absent"), "");
  }
}

TEST(ClientTest, SendsRequestsWithoutABody) {
  auto server = StartEcho();
  Client client({});
  for (const std::string method : {"GET", "DELETE", "OPTIONS"}) {
    ClientRequest request = Get(Url(server->port()));
    request.method = method;
    EXPECT_THAT(client.Send(request).response.body, HasSubstr(method + " /\n"));
  }
  ClientRequest head = Get(Url(server->port()));
  head.method = "HEAD";
  const ClientResult result = client.Send(head);
  EXPECT_EQ(result.response.status, 200) << result.error;
  EXPECT_EQ(result.response.body, "");
  ClientRequest empty_post = Get(Url(server->port()));
  empty_post.method = "POST";
  EXPECT_THAT(client.Send(empty_post).response.body, HasSubstr("Content-Length=[0]"));
}

TEST(ClientTest, BodiesMayHoldAnyBytesAndBeLarge) {
  auto server = StartEcho();
  Client client({});
  ClientRequest request = Get(Url(server->port()));
  request.method = "POST";
  request.body = std::string("\0\r\n\xFF", 4) + std::string(900'000, 'x');
  const ClientResult result = client.Send(request);
  EXPECT_TRUE(result.response.body.ends_with("\n\n" + request.body)) << result.error;
}

TEST(ClientTest, DoesNotFollowRedirects) {
  auto server = StartEcho();
  Client client({});
  const ClientResult result = client.Send(Get(Url(server->port(), "/redirect")));
  EXPECT_EQ(result.response.status, 302);
  EXPECT_EQ(result.response.Header("location"), "/elsewhere");
}

TEST(ClientTest, KeepsConnectionsAlive) {
  RawServer server([](RawServer& self) {
    RawConnection connection = self.Accept();
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(connection.ReadMessage(), HasSubstr("GET /"));
      connection.Send(kOk);
    }
  });
  Client client({});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Send(Get(Url(server.port()))).response.body, "ok");
}

TEST(ClientTest, InterimAnswersAreSkipped) {
  RawServer server([](RawServer& self) {
    RawConnection connection = self.Accept();
    connection.ReadMessage();
    connection.Send(std::string("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n") + kOk);
  });
  Client client({});
  const ClientResult result = client.Send(Get(Url(server.port())));
  EXPECT_EQ(result.response.status, 200) << result.error;
  EXPECT_EQ(result.response.Header("X-Early"), "");
}

TEST(ClientTest, RefusedConnectionsAreNotSent) {
  int port = 0;
  {
    RawServer server([](RawServer&) {});
    port = server.port();
  }
  const ClientResult result = Client({}).Send(Get(Url(port)));
  EXPECT_EQ(result.failure, TransportFailure::kNotSent);
  EXPECT_NE(result.error, "");
}

TEST(ClientTest, UnusableUrlsAndHeadersAreNotSent) {
  Client client({});
  for (const std::string& url :
       {std::string("file:///etc/passwd"), std::string("gopher://127.0.0.1/"), std::string("http://["),
        std::string("http://127.0.0.1:1/\r\nX: 1"), "http://" + std::string(300, 'a') + "/"}) {
    EXPECT_EQ(client.Send(Get(url)).failure, TransportFailure::kNotSent) << url;
  }
  auto server = StartEcho();
  for (const auto& header :
       {std::pair<std::string, std::string>("X-A", "1\r\nX-B: 2"), {"X-A\n", "1"}, {"X A", "1"}, {"", "1"}}) {
    ClientRequest request = Get(Url(server->port()));
    request.headers = {header};
    EXPECT_EQ(client.Send(request).failure, TransportFailure::kNotSent) << header.first;
  }
  ClientRequest request = Get(Url(server->port()));
  request.method = "GET / HTTP/1.1\r\nX: ";
  EXPECT_EQ(client.Send(request).failure, TransportFailure::kNotSent);
}

// What a server does after it has read the whole request: each may have had an effect.
TEST(ClientTest, WhatGoesWrongAfterSendingIsUnknown) {
  const std::vector<std::pair<std::string, std::function<void(RawConnection&)>>> kEnds = {
      {"reset", [](RawConnection& c) { c.Reset(); }},
      {"closed without an answer", [](RawConnection& c) { c.Close(); }},
      {"not HTTP", [](RawConnection& c) { c.Send("what?\r\n\r\n"); }},
      {"cut head", [](RawConnection& c) { c.Send("HTTP/1.1 200 OK\r\nContent-"); }},
      {"cut body", [](RawConnection& c) { c.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"); }},
      {"bad chunk", [](RawConnection& c) { c.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"); }},
      {"silence", [](RawConnection& c) { c.ReadToEnd(); }},
      {"headers without end",
       [](RawConnection& c) {
         const std::string line = "X-Long: " + std::string(8000, 'x') + "\r\n";
         c.Send("HTTP/1.1 200 OK\r\n");
         for (int i = 0; i < 100 && c.Send(line); ++i) {
         }
       }},
  };
  for (const auto& [name, end] : kEnds) {
    RawServer server([&end = end](RawServer& self) {
      RawConnection connection = self.Accept();
      connection.ReadMessage();
      end(connection);
    });
    ClientRequest request = Get(Url(server.port()), absl::Milliseconds(name == "silence" ? 200 : 10'000));
    request.method = "POST";
    const ClientResult result = Client({}).Send(request);
    EXPECT_EQ(result.failure, TransportFailure::kUnknown) << name << ": " << result.error;
    EXPECT_NE(result.error, "") << name;
  }
}

TEST(ClientTest, ADeadKeptConnectionAndThenARefusalIsUnknown) {
  // The second request is read, and the server is gone before curl's own second sending: connecting fails, but the
  // first sending may have had its effect.
  RawServer server([](RawServer& self) {
    RawConnection connection = self.Accept();
    connection.ReadMessage();
    connection.Send(kOk);
    self.StopListening();
    connection.ReadMessage();
  });
  Client client({});
  ClientRequest request = Get(Url(server.port()));
  request.method = "POST";
  EXPECT_EQ(client.Send(request).response.body, "ok");
  const ClientResult result = client.Send(request);
  EXPECT_EQ(result.failure, TransportFailure::kUnknown) << result.error;
}

TEST(ClientTest, TellsWhenADeadKeptConnectionMadeItSendAgain) {
  RawServer server([](RawServer& self) {
    {
      RawConnection kept = self.Accept();
      kept.ReadMessage();
      kept.Send(kOk);
      kept.ReadMessage();
      kept.Reset();
    }
    RawConnection fresh = self.Accept();
    fresh.ReadMessage();
    fresh.Send(kOk);
  });
  Client client({});
  ClientRequest request = Get(Url(server.port()));
  request.method = "POST";
  request.body = "a=1";
  const ClientResult first = client.Send(request);
  EXPECT_EQ(first.response.status, 200) << first.error;
  EXPECT_FALSE(first.sent_again);
  const ClientResult second = client.Send(request);
  EXPECT_EQ(second.response.status, 200) << second.error;
  EXPECT_TRUE(second.sent_again);
}

TEST(ClientTest, LargeAnswersAreCutOff) {
  for (const char* framing : {"Content-Length: 2000\r\n\r\n", "\r\n"}) {
    RawServer server([framing](RawServer& self) {
      RawConnection connection = self.Accept();
      connection.ReadMessage();
      connection.Send(absl::StrCat("HTTP/1.1 200 OK\r\n", framing, std::string(2000, 'x')));
    });
    ClientOptions options;
    options.max_body_bytes = 1999;
    const ClientResult result = Client(options).Send(Get(Url(server.port())));
    EXPECT_EQ(result.failure, TransportFailure::kUnknown);
    EXPECT_EQ(result.error, "the answer is larger than 1999 bytes");
  }
}

TEST(ClientTest, WaitsForAPlaceWithinTheTimeout) {
  std::promise<void> arrived, release;
  RawServer server([&](RawServer& self) {
    RawConnection connection = self.Accept();
    connection.ReadMessage();
    arrived.set_value();
    release.get_future().wait();
    connection.Send(kOk);
    connection.ReadMessage();
    connection.Send(kOk);
  });
  ClientOptions options;
  options.max_connections = 1;
  Client client(options);
  auto first = std::async(std::launch::async, [&] { return client.Send(Get(Url(server.port()))); });
  arrived.get_future().wait();
  const ClientResult late = client.Send(Get(Url(server.port()), absl::Milliseconds(50)));
  EXPECT_EQ(late.failure, TransportFailure::kNotSent);
  EXPECT_THAT(late.error, HasSubstr("waiting for a connection"));
  auto patient = std::async(std::launch::async, [&] { return client.Send(Get(Url(server.port()))); });
  release.set_value();
  EXPECT_EQ(first.get().response.body, "ok");
  EXPECT_EQ(patient.get().response.body, "ok");
  EXPECT_EQ(client.Send(Get(Url(server.port()), absl::ZeroDuration())).failure, TransportFailure::kNotSent);
}

TEST(ClientTest, ManyThreadsShareTheClient) {
  auto server = StartEcho();
  ClientOptions options;
  options.max_connections = 3;
  Client client(options);
  std::vector<std::future<int>> good;
  for (int t = 0; t < 8; ++t) {
    good.push_back(std::async(std::launch::async, [&, t] {
      int n = 0;
      for (int i = 0; i < 25; ++i) {
        ClientRequest request = Get(Url(server->port()));
        request.method = "POST";
        request.body = absl::StrCat("body ", t, " ", i);
        n += client.Send(request).response.body.ends_with("\n\n" + request.body);
      }
      return n;
    }));
  }
  for (auto& n : good) EXPECT_EQ(n.get(), 25);
}

TEST(ClientTlsTest, VerifiesTheServer) {
  const TestCertificate certificate, other;
  ServerOptions server_options;
  server_options.listen = "127.0.0.1:0";
  server_options.tls_cert_file = certificate.cert_file();
  server_options.tls_key_file = certificate.key_file();
  auto server = Server::Start(server_options, [](Request request, Respond respond) {
    Response response;
    response.body = request.body;
    respond(std::move(response));
  });
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string at = std::to_string((*server)->port());
  ClientOptions options;
  options.ca_file = certificate.cert_file();
  ClientRequest request = Get("https://127.0.0.1:" + at + "/");
  request.method = "POST";
  request.body = std::string(500'000, 'x');
  const ClientResult good = Client(options).Send(request);
  EXPECT_EQ(good.failure, TransportFailure::kNone) << good.error;
  EXPECT_EQ(good.response.body, request.body);

  options.ca_file = other.cert_file();
  EXPECT_EQ(Client(options).Send(request).failure, TransportFailure::kNotSent);
  EXPECT_EQ(Client({}).Send(request).failure, TransportFailure::kNotSent);
  options.ca_file = certificate.cert_file();
  request.url = "https://localhost:" + at + "/";  // not a name in the certificate
  EXPECT_EQ(Client(options).Send(request).failure, TransportFailure::kNotSent);
}

TEST(ClientTlsTest, FailedAndStuckHandshakesAreNotSent) {
  RawServer plain([](RawServer& self) { self.Accept().Send(kOk); });
  EXPECT_EQ(Client({}).Send(Get("https://127.0.0.1:" + std::to_string(plain.port()))).failure,
            TransportFailure::kNotSent);
  RawServer stuck([](RawServer& self) { self.Accept().ReadToEnd(); });
  const ClientResult result =
      Client({}).Send(Get("https://127.0.0.1:" + std::to_string(stuck.port()), absl::Milliseconds(200)));
  EXPECT_EQ(result.failure, TransportFailure::kNotSent) << result.error;
}

}  // namespace
}  // namespace billmesh::http
