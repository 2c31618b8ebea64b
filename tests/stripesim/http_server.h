#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tests/stripesim/http.h"

namespace stripesim {

inline constexpr uint64_t kMaxBodyBytes = 1024 * 1024;
inline constexpr uint32_t kMaxHeaderBytes = 32 * 1024;
inline constexpr int64_t kIdleTimeoutS = 300;

// HTTP/1.1 with keep-alive on a few threads.
class HttpServer {
 public:
  // Handles one request; answers through the responder exactly once, on any thread.
  using Handler = std::function<void(const HttpRequest&, const Responder&)>;

  // Listens on "host:port" (port 0: any). Throws std::runtime_error where that fails.
  HttpServer(const std::string& listen, int64_t threads, Handler handler);
  ~HttpServer();  // stops

  uint16_t port() const;
  std::string address() const;  // "127.0.0.1:12111"
  Scheduler scheduler();
  // Calls `tick` every `period_ms` on a server thread.
  void Every(int64_t period_ms, std::function<void()> tick);
  // Serves on threads of its own until Stop.
  void Start();
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stripesim
