#include "tests/bench/http_load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"

namespace billmesh::bench {
namespace {

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

// Reads one response with a Content-Length; its status, or 0.
int ReadResponse(int fd, std::string& buffer) {
  buffer.clear();
  size_t end = std::string::npos, length = 0;
  char chunk[8192];
  while (end == std::string::npos || buffer.size() < end + 4 + length) {
    const ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
    if (n <= 0) return 0;
    buffer.append(chunk, static_cast<size_t>(n));
    if (end != std::string::npos) continue;
    end = buffer.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    for (size_t line = 0; line < end; line = buffer.find("\r\n", line) + 2) {
      if (absl::StartsWithIgnoreCase(absl::string_view(buffer).substr(line, 15), "content-length:")) {
        length = static_cast<size_t>(std::atoll(buffer.c_str() + line + 15));
      }
    }
  }
  return std::atoi(buffer.c_str() + 9);
}

}  // namespace

Load RunDeliveries(int port, const std::string& target, const std::string& secret, int total, int connections,
                   const std::function<std::string(int)>& body) {
  std::atomic<int> next = 0;
  std::mutex mutex;
  std::vector<double> latencies;
  int64_t failed = 0;
  const auto deliver = [&] {
    std::vector<double> mine;
    int64_t bad = 0;
    std::string buffer;
    int fd = Connect(port);
    for (int i; (i = next++) < total;) {
      const std::string payload = body(i);
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const std::string t = absl::StrCat(std::chrono::duration_cast<std::chrono::seconds>(now).count());
      const std::string request = absl::StrCat(
          "POST ", target, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ", payload.size(),
          "\r\nStripe-Signature: t=", t, ",v1=", crypto::HmacSha256Hex(secret, t + ".", payload), "\r\n\r\n", payload);
      const auto begun = SteadyClock::now();
      const int status = fd >= 0 && WriteAll(fd, request) ? ReadResponse(fd, buffer) : 0;
      mine.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - begun).count());
      if (status != 200) {
        ++bad;
        if (fd >= 0) close(fd);
        fd = Connect(port);
      }
    }
    if (fd >= 0) close(fd);
    std::lock_guard lock(mutex);
    latencies.insert(latencies.end(), mine.begin(), mine.end());
    failed += bad;
  };
  const auto begun = SteadyClock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < connections; ++i) threads.emplace_back(deliver);
  for (auto& t : threads) t.join();
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begun).count();
  Load load;
  load.done = total;
  load.failed = failed;
  load.per_second = total / seconds;
  load.p50_us = Quantile(latencies, 0.5);
  load.p99_us = Quantile(latencies, 0.99);
  return load;
}

}  // namespace billmesh::bench
