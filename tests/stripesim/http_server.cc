#include <utility>  // Asio 1.74 as C++20 needs it first

#include "tests/stripesim/http_server.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace stripesim {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;

std::string Text(beast::string_view text) { return std::string(text.data(), text.size()); }

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Tcp::socket socket, const HttpServer::Handler& handler)
      : stream_(std::move(socket)), hold_(stream_.get_executor()), handler_(handler) {}

  void Read() {
    parser_.emplace();
    parser_->body_limit(kMaxBodyBytes);
    parser_->header_limit(kMaxHeaderBytes);
    stream_.expires_after(std::chrono::seconds(kIdleTimeoutS));
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, size_t) { self->OnRead(error); });
  }

 private:
  void OnRead(beast::error_code error) {
    if (error == http::error::body_limit) {
      keep_alive_ = false;
      HttpReply reply;
      reply.status = 413;
      reply.body = R"({"error":{"message":"Request body too large.","type":"invalid_request_error"}})";
      Write(std::move(reply));
      return;
    }
    if (error) return Close();
    stream_.expires_never();
    http::request<http::string_body> message = parser_->release();
    keep_alive_ = message.keep_alive();
    head_only_ = message.method() == http::verb::head;
    HttpRequest request;
    request.method = Text(message.method_string());
    request.target = Text(message.target());
    for (const auto& field : message) {
      request.headers.emplace_back(Text(field.name_string()), Text(field.value()));
    }
    request.body = std::move(message.body());
    handler_(request, [self = shared_from_this()](HttpReply reply) {
      asio::post(self->stream_.get_executor(),
                 [self, reply = std::move(reply)]() mutable { self->OnReply(std::move(reply)); });
    });
  }

  void OnReply(HttpReply reply) {
    if (reply.fate == HttpReply::Fate::kReset) return Reset();
    if (reply.fate == HttpReply::Fate::kHold) {
      hold_.expires_after(std::chrono::milliseconds(reply.hold_ms));
      hold_.async_wait([self = shared_from_this()](beast::error_code error) {
        if (!error) self->Reset();
      });
      // A client that gives up frees the connection before that.
      stream_.socket().async_wait(Tcp::socket::wait_read, [self = shared_from_this()](beast::error_code error) {
        if (!error) self->hold_.cancel();
      });
      return;
    }
    Write(std::move(reply));
  }

  void Write(HttpReply reply) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(reply.status));
    response_.set(http::field::server, "stripesim");
    response_.set(http::field::content_type, reply.content_type);
    for (const auto& [name, value] : reply.headers) response_.insert(name, value);
    response_.body() = head_only_ ? std::string() : std::move(reply.body);
    response_.keep_alive(keep_alive_);
    response_.prepare_payload();
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, size_t) {
      if (error || !self->keep_alive_) return self->Close();
      self->Read();
    });
  }

  void Close() {
    beast::error_code ignored;
    stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
    stream_.socket().close(ignored);
  }

  // RST, not FIN: what a crashed peer or a dropping middlebox looks like.
  void Reset() {
    beast::error_code ignored;
    stream_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
    stream_.socket().close(ignored);
  }

  beast::tcp_stream stream_;
  asio::steady_timer hold_;
  const HttpServer::Handler& handler_;
  beast::flat_buffer buffer_;
  boost::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = true;
  bool head_only_ = false;
};

std::pair<std::string, uint16_t> SplitAddress(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  uint16_t port = 0;
  const char* end = listen.data() + listen.size();
  const auto [stop, error] = std::from_chars(listen.data() + std::min(colon + 1, listen.size()), end, port);
  if (colon == std::string::npos || error != std::errc() || stop != end) {
    throw std::runtime_error("not host:port: " + listen);
  }
  return {listen.substr(0, colon), port};
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const std::string& listen, int64_t threads, Handler handler)
      : io_(static_cast<int>(threads)), acceptor_(io_), handler_(std::move(handler)), thread_count_(threads) {
    const auto [host, port] = SplitAddress(listen);
    try {
      const Tcp::endpoint endpoint(asio::ip::make_address(host), port);
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen(1024);
    } catch (const std::exception& error) {
      throw std::runtime_error("cannot listen on " + listen + ": " + error.what());
    }
    host_ = host;
  }

  ~Impl() { Stop(); }

  void Start() {
    Accept();
    for (int64_t i = 0; i < thread_count_; ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
  }

  void Stop() {
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void Accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](beast::error_code error, Tcp::socket socket) {
      if (!error) {
        beast::error_code ignored;
        socket.set_option(Tcp::no_delay(true), ignored);
        std::make_shared<Connection>(std::move(socket), handler_)->Read();
      }
      if (acceptor_.is_open()) Accept();
    });
  }

  void After(int64_t ms, std::function<void()> run) {
    auto timer = std::make_shared<asio::steady_timer>(io_, std::chrono::milliseconds(ms));
    timer->async_wait([timer, run = std::move(run)](beast::error_code error) {
      if (!error) run();
    });
  }

  void Every(int64_t period_ms, std::function<void()> tick) {
    After(period_ms, [this, period_ms, tick = std::move(tick)] {
      tick();
      Every(period_ms, tick);
    });
  }

  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  const std::string& host() const { return host_; }

 private:
  asio::io_context io_;
  Tcp::acceptor acceptor_;
  const Handler handler_;
  const int64_t thread_count_;
  std::string host_;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(const std::string& listen, int64_t threads, Handler handler)
    : impl_(std::make_unique<Impl>(listen, threads, std::move(handler))) {}

HttpServer::~HttpServer() = default;

uint16_t HttpServer::port() const { return impl_->port(); }

std::string HttpServer::address() const { return impl_->host() + ":" + std::to_string(impl_->port()); }

Scheduler HttpServer::scheduler() {
  return [this](int64_t ms, std::function<void()> run) { impl_->After(ms, std::move(run)); };
}

void HttpServer::Every(int64_t period_ms, std::function<void()> tick) { impl_->Every(period_ms, std::move(tick)); }

void HttpServer::Start() { impl_->Start(); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace stripesim
