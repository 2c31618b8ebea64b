#pragma once

// Requests and answers as the simulator sees them, free of any HTTP library.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stripesim {

struct HttpRequest {
  std::string method;
  std::string target;  // path and query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // Case-insensitive; "" where missing.
  std::string Header(std::string_view name) const;
};

struct HttpReply {
  // kReset: the connection is cut without an answer. kHold: it is kept open, silent, for `hold_ms`,
  // then cut.
  enum class Fate { kSend, kReset, kHold };

  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Fate fate = Fate::kSend;
  int64_t hold_ms = 0;
};

using Responder = std::function<void(HttpReply)>;
// Runs a function later, on a thread of its own choice; never inline.
using Scheduler = std::function<void(int64_t ms, std::function<void()>)>;

}  // namespace stripesim
