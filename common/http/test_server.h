// What the tests of the server share: one on a free port of 127.0.0.1, handlers, and a whole conversation with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/http/server.h"
#include "common/http/test_sockets.h"
#include "gtest/gtest.h"

namespace billmesh::http {

inline constexpr auto kWait = std::chrono::seconds(10);

inline ServerOptions Options() {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  return options;
}

inline std::unique_ptr<Server> StartWith(Handler handler, ServerOptions options = Options()) {
  auto server = Server::Start(std::move(options), std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

// Answers with what the handler saw; 413 for a body that is too large.
inline void Echo(Request request, Respond respond) {
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

inline Response Text(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

// The whole conversation of one connection: what comes back until the server closes.
inline std::string Converse(const Server& server, std::string_view text) {
  RawConnection connection = RawConnection::To(server.port());
  connection.Send(text);
  std::string answer = connection.ReadToEnd();
  EXPECT_TRUE(connection.closed()) << "no orderly end after: " << text.substr(0, 200);
  return answer;
}

}  // namespace billmesh::http
