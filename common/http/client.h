// An HTTP client over libcurl with a bounded pool of kept-alive connections. TLS is verified, redirects are not
// followed, and only http and https are spoken. curl stays in client.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::http {

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;                            // sent for POST, PUT, PATCH, and DELETE when not empty
  absl::Duration timeout = absl::Seconds(30);  // for everything, connecting included
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // The first header of this name, case-insensitive; empty if none.
  std::string_view Header(std::string_view name) const;
};

// Why no answer came. Whether the request may have had an effect is what the caller must know (IDM-8).
enum class TransportFailure {
  kNone,
  kNotSent,  // refused, unresolved, TLS handshake failed: the request never left
  kUnknown,  // time-out, reset or malformed answer after (part of) it was sent
};

struct ClientResult {
  TransportFailure failure = TransportFailure::kNone;
  std::string error;  // in words; set unless kNone
  // A kept-alive connection died before a byte of an answer came, and the request was sent again on a new one: the first
  // sending may have been read all the same, and what is told here is the answer to the second.
  bool sent_again = false;
  ClientResponse response;
};

struct ClientOptions {
  int max_connections = 16;  // concurrent requests; more wait for a place within their timeout
  absl::Duration connect_timeout = absl::Seconds(5);
  size_t max_body_bytes = 8 << 20;  // over: kUnknown
  std::string ca_file;              // empty: the system's
};

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // Blocks; thread safe. Never retries, but where a kept-alive connection turns out to be dead before any answer, curl
  // sends the request once more on a new one: a POST needs an idempotency key. Proxies of the environment are not used.
  ClientResult Send(const ClientRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace billmesh::http
