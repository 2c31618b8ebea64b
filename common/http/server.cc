// How it is built: a Core owns the I/O context and the set of live connections; a Session is one connection; the
// Listener makes them.
#include "common/http/server.h"

#include <utility>  // Boost 1.74's Asio needs it first as C++20

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/http/session.h"
#include "common/http/transport.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"

namespace billmesh::http {

namespace net = boost::asio;
using boost::system::error_code;
using tcp = net::ip::tcp;

namespace {

constexpr absl::Duration kAcceptBackoff = absl::Milliseconds(100);
constexpr absl::Duration kAbortWait = absl::Seconds(5);
constexpr absl::Duration kMaxGrace = absl::Hours(1);
constexpr int kMaxPort = 65535;

}  // namespace

void CountRefused(const char* reason) {
  telemetry::GetCounter("billmesh_http_refused_total", "Connections and requests that the HTTP server itself refused.",
                        {{"reason", reason}})
      .Add();
}

Core::Core(ServerOptions given, Handler given_handler)
    : options(std::move(given)), handler(std::move(given_handler)), io(options.threads) {}

bool Core::Add(const std::shared_ptr<Session>& session) {
  std::lock_guard lock(mutex);
  if (draining || sessions.size() >= static_cast<size_t>(options.max_connections)) return false;
  return sessions.insert(session).second;
}

void Core::Remove(const std::shared_ptr<Session>& session) {
  {
    std::lock_guard lock(mutex);
    sessions.erase(session);
  }
  removed.notify_all();
}

std::set<std::shared_ptr<Session>> Core::Sessions() {
  std::lock_guard lock(mutex);
  return sessions;
}

void Core::StopAdding() {
  std::lock_guard lock(mutex);
  draining = true;
}

void Core::WaitEmpty(absl::Duration timeout) {
  std::unique_lock lock(mutex);
  removed.wait_for(lock, absl::ToChronoMilliseconds(std::min(timeout, kMaxGrace)), [this] { return sessions.empty(); });
}

namespace {

class Listener {
 public:
  Listener(std::shared_ptr<Core> core, std::unique_ptr<TlsCertificate> certificate)
      : core_(std::move(core)),
        certificate_(std::move(certificate)),
        acceptor_(net::make_strand(core_->io)),
        backoff_(acceptor_.get_executor()) {}

  absl::Status Listen() {
    const std::string& address = core_->options.listen;
    const size_t colon = std::min(address.rfind(':'), address.size());
    int port = 0;
    if (colon + 1 >= address.size() || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 ||
        port > kMaxPort) {
      return absl::InvalidArgumentError(absl::StrCat("cannot listen on \"", address, "\": not host:port"));
    }
    std::string host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    error_code ec;
    tcp::resolver resolver(core_->io);
    const auto endpoints =
        resolver.resolve(host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, ec);
    if (ec || endpoints.empty()) return Failed(ec);
    const tcp::endpoint endpoint = endpoints.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(net::socket_base::reuse_address(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(net::socket_base::max_listen_connections, ec);
    if (!ec) port_ = acceptor_.local_endpoint(ec).port();
    return ec ? Failed(ec) : absl::OkStatus();
  }

  void Accept() {
    acceptor_.async_accept(net::make_strand(core_->io), [this](const error_code& ec, tcp::socket socket) {
      if (core_->draining || ec == net::error::operation_aborted) return;
      if (ec) return AcceptFailed(ec);
      failing_ = false;
      Serve(std::move(socket));
      Accept();
    });
  }

  void Close() {
    net::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      backoff_.cancel();
    });
  }

  int port() const { return port_; }

 private:
  absl::Status Failed(const error_code& ec) const {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", core_->options.listen, ": ", ec.message()));
  }

  void Serve(tcp::socket socket) {
    auto transport = certificate_ ? MakeTlsTransport(std::move(socket), certificate_->Current())
                                  : MakePlainTransport(std::move(socket));
    auto session = MakeSession(core_, std::move(transport));
    if (!core_->Add(session)) return CountRefused("too_many_connections");
    net::dispatch(session->executor(), [session] { session->Start(); });
  }

  // Out of file descriptors, mostly: trying again at once would only burn the processor.
  void AcceptFailed(const error_code& ec) {
    if (!std::exchange(failing_, true)) telemetry::Warn("cannot accept connections", {{"error", ec.message()}});
    backoff_.expires_after(absl::ToChronoMilliseconds(kAcceptBackoff));
    backoff_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) Accept();
    });
  }

  const std::shared_ptr<Core> core_;
  const std::unique_ptr<TlsCertificate> certificate_;  // null: plain
  tcp::acceptor acceptor_;
  net::steady_timer backoff_;
  int port_ = 0;
  bool failing_ = false;
};

class ServerImpl : public Server {
 public:
  ServerImpl(std::shared_ptr<Core> core, std::unique_ptr<TlsCertificate> certificate)
      : core_(std::move(core)), listener_(core_, std::move(certificate)) {}
  ~ServerImpl() override { Drain(absl::ZeroDuration()); }

  absl::Status Run() {
    if (absl::Status status = listener_.Listen(); !status.ok()) return status;
    listener_.Accept();
    for (int i = 0; i < core_->options.threads; ++i) {
      threads_.emplace_back([core = core_.get()] { core->io.run(); });
    }
    return absl::OkStatus();
  }

  int port() const override { return listener_.port(); }

  void Drain(absl::Duration grace) override {
    std::lock_guard lock(drain_mutex_);
    if (threads_.empty()) return;
    core_->StopAdding();
    listener_.Close();
    ForEachSession(&Session::Drain);
    core_->WaitEmpty(grace);
    ForEachSession(&Session::Close);
    core_->WaitEmpty(kAbortWait);
    core_->io.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void ForEachSession(void (Session::*method)()) {
    for (const auto& session : core_->Sessions()) {
      net::post(session->executor(), [session, method] { (session.get()->*method)(); });
    }
  }

  const std::shared_ptr<Core> core_;
  net::executor_work_guard<net::io_context::executor_type> work_{core_->io.get_executor()};
  Listener listener_;
  std::mutex drain_mutex_;
  std::vector<std::thread> threads_;  // guarded by drain_mutex_
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler handler) {
  if (options.threads < 1 || options.max_connections < 1)
    return absl::InvalidArgumentError("a server needs a thread and a connection");
  std::unique_ptr<TlsCertificate> certificate;
  if (!options.tls_cert_file.empty() || !options.tls_key_file.empty()) {
    auto loaded = TlsCertificate::Load(options.tls_cert_file, options.tls_key_file);
    if (!loaded.ok()) return loaded.status();
    certificate = *std::move(loaded);
  }
  auto server = std::make_unique<ServerImpl>(std::make_shared<Core>(std::move(options), std::move(handler)),
                                             std::move(certificate));
  if (absl::Status status = server->Run(); !status.ok()) return status;
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace billmesh::http
