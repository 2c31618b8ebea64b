#include "tests/bench/http_load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"

namespace billmesh::bench {
namespace {

constexpr SteadyClock::duration kLongest = std::chrono::seconds(60);

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

bool WriteAll(int fd, const std::string& data) {
  size_t sent = 0;
  while (sent < data.size()) {
    const ssize_t n = send(fd, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

// What came of a response so far: its status once it is whole, 0 before, -1 for one that can't be.
int StatusOfWhole(const std::string& buffer) {
  const size_t end = buffer.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  size_t length = 0;
  for (size_t line = 0; line < end; line = buffer.find("\r\n", line) + 2) {
    if (absl::StartsWithIgnoreCase(absl::string_view(buffer).substr(line, 15), "content-length:")) {
      length = static_cast<size_t>(std::atoll(buffer.c_str() + line + 15));
    }
  }
  if (buffer.size() < end + 4 + length) return 0;
  return buffer.size() > 12 ? std::atoi(buffer.c_str() + 9) : -1;
}

struct Connection {
  int fd = -1;
  bool busy = false;
  size_t request = 0;
  SteadyClock::time_point since;
  std::string buffer;
};

// One run.
class Sender {
 public:
  Sender(const DeliveryLoad& load, const std::vector<std::string>& requests) : load_(load), requests_(requests) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    connections_.resize(static_cast<size_t>(load.connections));
    latencies_.resize(requests.size());
    for (size_t i = 0; i < connections_.size(); ++i) {
      Open(i);
      idle_.push_back(i);
    }
  }
  ~Sender() {
    for (Connection& connection : connections_) {
      if (connection.fd >= 0) close(connection.fd);
    }
    close(epoll_);
  }

  Load Run() {
    begun_ = SteadyClock::now();
    while (done_ < requests_.size()) {
      SendDue();
      WaitForAnswers();
    }
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - begun_).count();
    Load result;
    result.done = static_cast<int64_t>(done_);
    result.failed = failed_;
    result.per_second = static_cast<double>(done_) / seconds;
    result.p50_us = Quantile(latencies_, 0.5);
    result.p99_us = Quantile(latencies_, 0.99);
    result.latencies_us = std::move(latencies_);
    return result;
  }

 private:
  void Open(size_t i) {
    Connection& connection = connections_[i];
    connection.fd = Connect(load_.port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (connection.fd >= 0) epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  SteadyClock::time_point DueAt(size_t request) const {
    if (load_.per_second <= 0) return begun_;
    return begun_ + std::chrono::duration_cast<SteadyClock::duration>(
                        std::chrono::duration<double>(static_cast<double>(request) / load_.per_second));
  }

  void SendDue() {
    while (next_ < requests_.size() && !idle_.empty()) {
      const auto now = SteadyClock::now();
      const auto due = DueAt(next_);
      if (due > now) return;
      const size_t i = idle_.back();
      idle_.pop_back();
      Connection& connection = connections_[i];
      connection.busy = true;
      connection.request = next_++;
      connection.since = load_.per_second > 0 ? due : now;
      connection.buffer.clear();
      if (connection.fd < 0 || !WriteAll(connection.fd, requests_[connection.request])) Finish(i, -1);
    }
  }

  void WaitForAnswers() {
    // To the nanosecond: the next request is often due within a millisecond, and asking again and again until then
    // would take a processor from what is measured.
    const bool due = next_ < requests_.size() && !idle_.empty();
    const auto left = std::max(SteadyClock::duration::zero(), due ? DueAt(next_) - SteadyClock::now() : kLongest);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec wait{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
    epoll_event events[64];
    const int ready = epoll_pwait2(epoll_, events, 64, &wait, nullptr);
    for (int e = 0; e < ready; ++e) Receive(events[e].data.u64);
  }

  void Receive(size_t i) {
    Connection& connection = connections_[i];
    char chunk[8192];
    const ssize_t n = recv(connection.fd, chunk, sizeof(chunk), 0);
    if (n <= 0) return Finish(i, -1);
    connection.buffer.append(chunk, static_cast<size_t>(n));
    if (const int status = StatusOfWhole(connection.buffer); status != 0) Finish(i, status);
  }

  void Finish(size_t i, int status) {
    Connection& connection = connections_[i];
    if (connection.busy) {
      ++done_;
      latencies_[connection.request] =
          std::chrono::duration<double, std::micro>(SteadyClock::now() - connection.since).count();
      if (status != 200) ++failed_;
      connection.busy = false;
      idle_.push_back(i);
    }
    if (status != -1) return;
    if (connection.fd >= 0) close(connection.fd);
    Open(i);
  }

  const DeliveryLoad load_;
  const std::vector<std::string>& requests_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<size_t> idle_;
  SteadyClock::time_point begun_;
  size_t next_ = 0, done_ = 0;
  int64_t failed_ = 0;
  std::vector<double> latencies_;  // by request
};

}  // namespace

std::string SignedRequest(const std::string& target, const std::string& secret, const std::string& body) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string t = absl::StrCat(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  return absl::StrCat("POST ", target,
                      " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
                      "\r\nStripe-Signature: t=", t, ",v1=", crypto::HmacSha256Hex(secret, t + ".", body), "\r\n\r\n",
                      body);
}

Load RunDeliveries(const DeliveryLoad& load, const std::vector<std::string>& requests) {
  return Sender(load, requests).Run();
}

}  // namespace billmesh::bench
