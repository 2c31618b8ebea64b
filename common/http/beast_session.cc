// One connection: its state is touched only on its strand. Beast parses, fed by hand, so that limits and time-outs are
// decided here.
#include <utility>  // Boost 1.74's Asio needs it first as C++20

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "absl/strings/match.h"
#include "common/http/session.h"
#include "common/http/wire.h"
#include "common/status/strings.h"
#include "common/telemetry/log.h"

namespace billmesh::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = net::ip::tcp;

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kLingerBytes = 16 << 20;
constexpr absl::Duration kLinger = absl::Seconds(2);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// The one answer to one request, which may come from any thread and after the server is gone. A handler that drops it
// without answering is answered for, so that no connection hangs.
class Answer {
 public:
  Answer(std::weak_ptr<Core> core, std::weak_ptr<Session> session)
      : core_(std::move(core)), session_(std::move(session)) {}
  ~Answer() {
    if (!given_.exchange(true)) Deliver(Problem(500));
  }
  void Give(Response response) {
    if (!given_.exchange(true)) Deliver(std::move(response));
  }

 private:
  void Deliver(Response response);

  const std::weak_ptr<Core> core_;
  const std::weak_ptr<Session> session_;
  std::atomic<bool> given_{false};
};

class BeastSession : public Session, public std::enable_shared_from_this<BeastSession> {
 public:
  BeastSession(std::shared_ptr<Core> core, std::unique_ptr<Transport> transport)
      : weak_core_(core),
        core_(*core),
        transport_(std::move(transport)),
        timer_(transport_->socket().get_executor()),
        buffer_(core_.options.max_header_bytes + kReadBytes) {
    error_code ec;
    const auto remote = transport_->socket().remote_endpoint(ec);
    if (!ec) peer_ = remote.address().to_string();
    transport_->socket().set_option(tcp::no_delay(true), ec);
  }

  net::any_io_executor executor() override { return transport_->socket().get_executor(); }

  void Start() override {
    Arm(core_.options.request_timeout);
    transport_->Handshake([self = shared_from_this()](const error_code& ec, size_t) {
      if (self->phase_ != Phase::kHandshake) return;
      ec ? self->Close() : self->AwaitRequest();
    });
  }

  void Answered(Response response) override {
    if (phase_ != Phase::kHandling) return;
    if (response.status < 200 || response.status > 599) response = Problem(500);
    keep_alive_ = keep_alive_ && !core_.draining;
    Write(std::move(response));
  }

  void Drain() override {
    if (phase_ == Phase::kIdle) Close();
  }

  void Close() override {
    if (phase_ == Phase::kClosed) return;
    phase_ = Phase::kClosed;
    Disarm();
    ++timer_round_;
    timer_.cancel();
    error_code ignored;
    transport_->socket().close(ignored);
    core_.Remove(shared_from_this());
  }

 private:
  enum class Phase { kHandshake, kIdle, kReading, kHandling, kWriting, kClosing, kClosed };
  using Parser = beast::http::request_parser<beast::http::string_body>;
  using ParseError = beast::http::error;

  using Time = net::steady_timer::time_point;

  // The timer may run for an earlier time than the deadline, and then looks again: setting it anew for every step of
  // every request would cost more than all of these looks.
  void Arm(absl::Duration timeout) {
    deadline_ = Time::clock::now() + absl::ToChronoMilliseconds(timeout);
    if (!timer_runs_ || *deadline_ < timer_.expiry()) RunTimer();
  }

  void Disarm() { deadline_.reset(); }

  // A round that is over is not heard when its callback was queued already.
  void RunTimer() {
    timer_runs_ = true;
    timer_.expires_at(*deadline_);
    timer_.async_wait([self = shared_from_this(), round = ++timer_round_](const error_code& ec) {
      if (!ec && round == self->timer_round_) self->LookAtDeadline();
    });
  }

  void LookAtDeadline() {
    timer_runs_ = false;
    if (!deadline_.has_value()) return;
    *deadline_ > Time::clock::now() ? RunTimer() : TimedOut();
  }

  void TimedOut() {
    // The read that is under way stays so; its result is not heard any more.
    phase_ == Phase::kReading && !sending_continue_ ? Reject(408) : Close();
  }

  void AwaitRequest() {
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(core_.options.max_header_bytes));
    parser_->body_limit(core_.options.max_body_bytes);
    request_ = Request();
    header_bytes_ = 0;
    head_taken_ = false;
    if (buffer_.size() > 0) {  // the client did not wait for the last answer
      BeginRequest();
    } else if (core_.draining) {
      Close();
    } else {
      phase_ = Phase::kIdle;
      Arm(core_.options.idle_timeout);
      ReadMore();
    }
  }

  void BeginRequest() {
    phase_ = Phase::kReading;
    Arm(core_.options.request_timeout);
    Parse();
  }

  void ReadMore() {
    const size_t space = std::min(kReadBytes, buffer_.max_size() - buffer_.size());
    if (space == 0) return Reject(head_taken_ ? 400 : 431);
    transport_->ReadSome(buffer_.prepare(space),
                         [self = shared_from_this()](const error_code& ec, size_t n) { self->Read(ec, n); });
  }

  void Read(const error_code& ec, size_t n) {
    if (phase_ != Phase::kIdle && phase_ != Phase::kReading) return;
    if (ec) return ec == net::error::eof && phase_ == Phase::kReading ? Reject(400) : Close();
    buffer_.commit(n);
    phase_ == Phase::kIdle ? BeginRequest() : Parse();
  }

  void Parse() {
    while (buffer_.size() > 0) {
      error_code ec;
      const size_t used = parser_->put(buffer_.data(), ec);
      buffer_.consume(used);
      if (!head_taken_) {
        header_bytes_ += used;
        if (ec == ParseError::header_limit || header_bytes_ > core_.options.max_header_bytes) return Reject(431);
      }
      if (ec == ParseError::need_more) break;
      if (ec && ec != ParseError::body_limit) return Reject(400);
      if (!head_taken_ && !TakeHead()) return Reject(400);
      if (ec == ParseError::body_limit) {
        request_.body_too_large = true;
        return Dispatch();
      }
      if (parser_->is_done()) return Dispatch();
      if (buffer_.size() == 0 && std::exchange(continue_wanted_, false)) return SendContinue();
    }
    ReadMore();
  }

  // Copies what the head says, before trailers can add to it. False if the request must be refused: what two parties
  // could read differently is how requests are smuggled.
  bool TakeHead() {
    head_taken_ = true;
    const auto& message = parser_->get();
    for (const auto& field : message) {
      request_.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    request_.method = std::string(message.method_string());
    request_.target = std::string(message.target());
    const size_t question = request_.target.find('?');
    request_.path = request_.target.substr(0, question);
    if (question != std::string::npos) request_.query = request_.target.substr(question + 1);
    request_.peer = peer_;
    const bool is_1_1 = message.version() == 11;
    keep_alive_ = is_1_1 && parser_->is_header_done() && parser_->keep_alive();  // not done: the body is too large
    continue_wanted_ = is_1_1 && absl::EqualsIgnoreCase(AbslView(request_.Header("expect")), "100-continue");

    const int lengths = request_.HeaderCount("content-length"), encodings = request_.HeaderCount("transfer-encoding");
    if (lengths + encodings > 1) return false;
    if (encodings == 1 &&
        (!is_1_1 || !absl::EqualsIgnoreCase(AbslView(request_.Header("transfer-encoding")), "chunked")))
      return false;
    if (lengths == 1 && request_.Header("content-length").find_first_not_of("0123456789") != std::string_view::npos)
      return false;
    const int hosts = request_.HeaderCount("host");
    return is_1_1 ? hosts == 1 : hosts <= 1;
  }

  void SendContinue() {
    sending_continue_ = true;
    transport_->Write({net::buffer(kContinue.data(), kContinue.size()), net::const_buffer()},
                      [self = shared_from_this()](const error_code& ec, size_t) {
                        self->sending_continue_ = false;
                        if (self->phase_ != Phase::kReading) return;
                        ec ? self->Close() : self->ReadMore();
                      });
  }

  void Dispatch() {
    phase_ = Phase::kHandling;
    Disarm();
    continue_wanted_ = false;
    if (request_.body_too_large) {
      keep_alive_ = false;  // the rest of the body stays unread
    } else {
      request_.body = std::move(parser_->get().body());
    }
    is_head_ = request_.method == "HEAD";
    auto answer = std::make_shared<Answer>(weak_core_, weak_from_this());
    try {
      core_.handler(std::move(request_), [answer](Response response) { answer->Give(std::move(response)); });
    } catch (...) {
      telemetry::Error("an HTTP handler threw");
    }
  }

  void Reject(int status) {
    CountRefused(status == 408 ? "timeout" : status == 431 ? "header_too_large" : "malformed");
    keep_alive_ = false;
    is_head_ = false;
    Write(Problem(status));
  }

  void Write(Response response) {
    phase_ = Phase::kWriting;
    Arm(core_.options.request_timeout);
    head_ = RenderHead(response, keep_alive_, core_.clock.Now());
    const bool has_body = !is_head_ && StatusHasBody(response.status);
    body_ = has_body ? std::move(response.body) : std::string();
    transport_->Write({net::buffer(head_), net::buffer(body_)},
                      [self = shared_from_this()](const error_code& ec, size_t) {
                        if (self->phase_ != Phase::kWriting) return;
                        if (ec) return self->Close();
                        self->keep_alive_ ? self->AwaitRequest() : self->Linger();
                      });
  }

  // Closing with unread input resets the connection, and the client may lose the answer: read on for a while first.
  void Linger() {
    phase_ = Phase::kClosing;
    Arm(kLinger);
    transport_->FinishWriting([self = shared_from_this()](const error_code&, size_t) { self->Discard(); });
  }

  void Discard() {
    if (phase_ != Phase::kClosing) return;
    if (discarded_bytes_ > kLingerBytes) return Close();
    discard_.resize(kReadBytes);
    transport_->socket().async_read_some(net::buffer(discard_),
                                         [self = shared_from_this()](const error_code& ec, size_t n) {
                                           if (ec) return self->Close();
                                           self->discarded_bytes_ += n;
                                           self->Discard();
                                         });
  }

  const std::weak_ptr<Core> weak_core_;
  Core& core_;
  std::unique_ptr<Transport> transport_;
  net::steady_timer timer_;
  uint64_t timer_round_ = 0;
  bool timer_runs_ = false;
  std::optional<Time> deadline_;  // none while a request is handled
  Phase phase_ = Phase::kHandshake;
  std::string peer_;
  beast::flat_buffer buffer_;  // read and not yet parsed
  std::optional<Parser> parser_;
  Request request_;
  size_t header_bytes_ = 0;
  bool head_taken_ = false;
  bool continue_wanted_ = false;
  bool sending_continue_ = false;
  bool keep_alive_ = false;
  bool is_head_ = false;
  std::string head_, body_;  // being written
  std::string discard_;
  size_t discarded_bytes_ = 0;
};

void Answer::Deliver(Response response) {
  const std::shared_ptr<Core> core = core_.lock();  // keeps the I/O context until the post is done
  const std::shared_ptr<Session> session = session_.lock();
  if (core == nullptr || session == nullptr) return;
  net::dispatch(session->executor(),
                [session, response = std::move(response)]() mutable { session->Answered(std::move(response)); });
}

}  // namespace

std::shared_ptr<Session> MakeSession(std::shared_ptr<Core> core, std::unique_ptr<Transport> transport) {
  return std::make_shared<BeastSession>(std::move(core), std::move(transport));
}

}  // namespace billmesh::http
