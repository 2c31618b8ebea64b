// A small HTTP/1.1 server over Boost.Beast: bounded in connections, header, body, URL and time. Beast stays in
// beast_session.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::http {

struct Request {
  std::string method;                                        // "GET"
  std::string target;                                        // as sent: path and query, undecoded
  std::string path;                                          // before '?', undecoded
  std::string query;                                         // after '?', undecoded
  std::vector<std::pair<std::string, std::string>> headers;  // in order, names as sent
  std::string body;                                          // exact bytes
  std::string peer;                                          // remote address
  bool body_too_large = false;                               // body is empty then: answer 413
  // The first header of this name, case-insensitive; empty if none.
  std::string_view Header(std::string_view name) const;
  // How often the header came.
  int HeaderCount(std::string_view name) const;
};

struct Response {
  int status = 200;
  // Content-Length, Connection and Date are the server's; what could break the framing is dropped.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type = "application/json";
};

// Must be called exactly once, from any thread, now or later; calling it after the connection or the server is gone
// does nothing. Only the first call counts; if all copies go away without one, the answer is 500.
using Respond = std::function<void(Response)>;
// Runs on an I/O thread: it must not block, and hands over what may. What is no request at all (400), late (408) or has
// too large a header (431) is answered by the server with application/problem+json.
using Handler = std::function<void(Request, Respond)>;

struct ServerOptions {
  std::string listen;                       // host:port; port 0 takes any
  std::string tls_cert_file, tls_key_file;  // both empty: plain HTTP; read again for new connections when they change
  int threads = 2;
  int max_connections = 1024;          // more are accepted and closed at once
  size_t max_header_bytes = 32 << 10;  // over: 431
  size_t max_body_bytes = 1 << 20;     // over: Request.body_too_large, the rest unread, connection closed
  absl::Duration request_timeout = absl::Seconds(30);  // from first byte to whole request; then 408 and close
  absl::Duration idle_timeout = absl::Seconds(60);     // between requests
};

class Server {
 public:
  // Binds and listens: an address in use is an error that names it. The handler must outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Handler handler);
  virtual ~Server() = default;
  virtual int port() const = 0;
  // Stops accepting, closes idle connections, waits for running requests up to the grace, then closes all. Idempotent.
  // Never from a handler. The destructor does it without grace.
  virtual void Drain(absl::Duration grace) = 0;
};

// Decodes %XX and, in queries, '+'; nullopt for a malformed escape or a NUL.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space);
// All but letters, digits and "-._~".
std::string PercentEncode(std::string_view text);
// Key and value pairs of a query, decoded, in order; nullopt if malformed or more than 256.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view query);

}  // namespace billmesh::http
