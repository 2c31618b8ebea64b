#include "common/db/url.h"

#include <libpq-fe.h>

#include <memory>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/status/status.h"

namespace billmesh::db {
namespace {

constexpr int kMaxPort = 65535;

absl::Status Invalid(const char* what) { return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, what); }

// One port for each host, separated by commas; an empty one is the default.
bool ArePorts(const char* text) {
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    int port = 0;
    if (!part.empty() && (!absl::SimpleAtoi(part, &port) || port < 1 || port > kMaxPort)) return false;
  }
  return true;
}

}  // namespace

absl::Status CheckUrl(const std::string& url) {
  char* message = nullptr;  // libpq's quotes the text
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(url.c_str(), &message),
                                                                             &PQconninfoFree);
  PQfreemem(message);
  if (options == nullptr) return Invalid("is not a postgres:// or postgresql:// URL, nor key=value pairs of libpq");
  bool any = false;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    any = true;
    if (std::string_view(option->keyword) == "port" && !ArePorts(option->val)) {
      return Invalid("has a port that is not from 1 to 65535");
    }
  }
  return any ? absl::OkStatus() : Invalid("says nothing about a database");
}

}  // namespace billmesh::db
