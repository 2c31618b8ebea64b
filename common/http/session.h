// One connection of the server, and what all connections share; used by server.cc only.
#pragma once

#include <utility>  // Boost 1.74's Asio needs it first as C++20

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "absl/time/time.h"
#include "common/http/server.h"
#include "common/http/transport.h"
#include "common/time/clock.h"

namespace billmesh::http {

class Session {
 public:
  virtual ~Session() = default;
  virtual boost::asio::any_io_executor executor() = 0;
  // These only on the executor, which is a strand of the connection's own.
  virtual void Start() = 0;
  virtual void Answered(Response response) = 0;
  virtual void Drain() = 0;  // closes if idle
  virtual void Close() = 0;
};

// Outlives every handler that runs: the server joins its threads before it lets go of it.
struct Core {
  Core(ServerOptions given, Handler given_handler);

  const ServerOptions options;
  const Handler handler;
  SystemClock clock;
  boost::asio::io_context io;
  std::atomic<bool> draining{false};  // set under mutex
  std::mutex mutex;
  std::condition_variable removed;
  std::set<std::shared_ptr<Session>> sessions;  // guarded by mutex

  // False when there are too many or none are taken any more.
  bool Add(const std::shared_ptr<Session>& session);
  void Remove(const std::shared_ptr<Session>& session);
  // A copy, to be used without the lock.
  std::set<std::shared_ptr<Session>> Sessions();
  // No session is added after this.
  void StopAdding();
  void WaitEmpty(absl::Duration timeout);
};

std::shared_ptr<Session> MakeSession(std::shared_ptr<Core> core, std::unique_ptr<Transport> transport);

// billmesh_http_refused_total{reason}
void CountRefused(const char* reason);

}  // namespace billmesh::http
