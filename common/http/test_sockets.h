// Bare sockets on 127.0.0.1 for this room's tests: what well-behaved clients and servers would never send. Every wait
// is bounded.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "gtest/gtest.h"

namespace billmesh::http {

inline constexpr int kSocketWaitMs = 10'000;

// A TCP connection; closed with the object.
class RawConnection {
 public:
  explicit RawConnection(int fd) : fd_(fd) {}
  RawConnection(const RawConnection&) = delete;
  RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)), input_(std::move(other.input_)) {}
  ~RawConnection() { Close(); }

  static RawConnection To(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return RawConnection(fd);
  }

  // False when the peer has closed.
  bool Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void FinishWriting() { ::shutdown(fd_, SHUT_WR); }

  // Up to and with `end`; what came if the connection ends or nothing comes for too long.
  std::string ReadUntil(std::string_view end) {
    while (input_.find(end) == std::string::npos && Fill()) {
    }
    const size_t at = input_.find(end);
    return Take(at == std::string::npos ? input_.size() : at + end.size());
  }
  // One message with a Content-Length, or without a body.
  std::string ReadMessage() {
    std::string message = ReadUntil("\r\n\r\n");
    const size_t at = message.find("Content-Length: ");
    const size_t length = at == std::string::npos ? 0 : std::stoul(message.substr(at + 16));
    while (input_.size() < length && Fill()) {
    }
    return message + Take(std::min(length, input_.size()));
  }
  // Everything until the peer closes; sets closed().
  std::string ReadToEnd() {
    while (Fill()) {
    }
    return Take(input_.size());
  }
  // Whether the peer has ended the connection without a reset.
  bool closed() const { return closed_; }

  // With a reset rather than an orderly end.
  void Reset() {
    const linger hard = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    Close();
  }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  bool Fill() {
    pollfd ready = {fd_, POLLIN, 0};
    if (::poll(&ready, 1, kSocketWaitMs) != 1) return false;
    char chunk[4096];
    const ssize_t n = ::recv(fd_, chunk, sizeof(chunk), 0);
    closed_ = n == 0;
    if (n > 0) input_.append(chunk, static_cast<size_t>(n));
    return n > 0;
  }
  std::string Take(size_t n) {
    std::string taken = input_.substr(0, n);
    input_.erase(0, n);
    return taken;
  }

  int fd_;
  std::string input_;
  bool closed_ = false;
};

// A listener whose behaviour is a script, run on a thread of its own and joined by the destructor.
class RawServer {
 public:
  explicit RawServer(std::function<void(RawServer&)> script) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    socklen_t length = sizeof(address);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] { script(*this); });
  }
  ~RawServer() {
    thread_.join();
    StopListening();
  }
  int port() const { return port_; }

  // For the script.
  RawConnection Accept() {
    pollfd ready = {fd_, POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, kSocketWaitMs), 1);
    return RawConnection(::accept(fd_, nullptr, nullptr));
  }
  void StopListening() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace billmesh::http
