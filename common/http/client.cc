#include "common/http/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/strings.h"
#include "common/time/clock.h"

namespace billmesh::http {
namespace {

constexpr size_t kMaxHeaderBytes = 256 << 10;  // of an answer
constexpr long kConnectionsPerHandle = 2;      // NOLINT(google-runtime-int): curl's type
constexpr char kProtocols[] = "http,https";

// Curl's failures that can only come before the request is written. A failure that is not here may have had an effect.
constexpr CURLcode kBeforeSending[] = {
    CURLE_UNSUPPORTED_PROTOCOL,  CURLE_URL_MALFORMAT,
    CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST,
    CURLE_COULDNT_CONNECT,       CURLE_INTERFACE_FAILED,
    CURLE_SSL_CONNECT_ERROR,     CURLE_PEER_FAILED_VERIFICATION,
    CURLE_SSL_CERTPROBLEM,       CURLE_SSL_CIPHER,
    CURLE_SSL_CACERT_BADFILE,    CURLE_SSL_ISSUER_ERROR,
    CURLE_SSL_CRL_BADFILE,       CURLE_SSL_INVALIDCERTSTATUS,
    CURLE_USE_SSL_FAILED,
};

// What curl's callbacks fill, and how much they may.
struct Incoming {
  ClientResponse response;
  size_t header_bytes = 0;
  bool head_complete = false;
  size_t max_body_bytes = 0;
  std::string fault;  // set when a bound was passed
};

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto& incoming = *static_cast<Incoming*>(user);
  const size_t bytes = size * count;
  if (bytes > incoming.max_body_bytes - incoming.response.body.size()) {
    incoming.fault = absl::StrCat("the answer is larger than ", incoming.max_body_bytes, " bytes");
    return 0;  // curl then gives up with CURLE_WRITE_ERROR
  }
  incoming.response.body.append(data, bytes);
  return bytes;
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto& incoming = *static_cast<Incoming*>(user);
  const size_t bytes = size * count;
  incoming.header_bytes += bytes;
  if (incoming.header_bytes > kMaxHeaderBytes) {
    incoming.fault = absl::StrCat("the answer's headers are larger than ", kMaxHeaderBytes, " bytes");
    return 0;
  }
  const std::string_view line(data, bytes);
  if (line.substr(0, 5) == "HTTP/") {  // of an interim answer or the final one
    incoming.response.headers.clear();
    incoming.head_complete = false;
  } else if (line == "\r\n" || line == "\n") {
    incoming.head_complete = true;
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    incoming.response.headers.emplace_back(std::string(line.substr(0, colon)),
                                           ToString(absl::StripAsciiWhitespace(AbslView(line.substr(colon + 1)))));
  }
  return bytes;
}

// Counts the request lines that curl writes.
struct Outgoing {
  std::string method_and_space;
  int requests = 0;
};

int OnTrace(CURL*, curl_infotype type, char* data, size_t size, void* user) {
  auto& outgoing = *static_cast<Outgoing*>(user);
  const std::string_view text(data, size);
  if (type == CURLINFO_HEADER_OUT && text.substr(0, outgoing.method_and_space.size()) == outgoing.method_and_space) {
    ++outgoing.requests;
  }
  return 0;
}

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

void AppendHeader(HeaderList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) std::abort();  // out of memory
  list.release();
  list.reset(longer);
}

bool HasHeader(const ClientRequest& request, std::string_view name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [name](const auto& header) { return absl::EqualsIgnoreCase(header.first, AbslView(name)); });
}

// Nothing that could end a line early: it would let a value add headers or another request.
bool IsCleanLine(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool IsWellFormed(const ClientRequest& request) {
  return IsToken(request.method) && IsCleanLine(request.url) &&
         std::all_of(request.headers.begin(), request.headers.end(),
                     [](const auto& header) { return IsToken(header.first) && IsCleanLine(header.second); });
}

HeaderList BuildHeaders(const ClientRequest& request) {
  HeaderList list;
  for (const auto& [name, value] : request.headers) {
    AppendHeader(list,
                 value.empty() ? name + ";" : absl::StrCat(name, ": ", value));  // curl's way to send an empty one
  }
  AppendHeader(list, "Expect:");                                                 // no waiting for 100 Continue
  if (!HasHeader(request, "Content-Type")) AppendHeader(list, "Content-Type:");  // not curl's guess
  return list;
}

void SetMethodAndBody(CURL* handle, const ClientRequest& request) {
  const bool may_have_body = request.method != "GET" && request.method != "HEAD";
  const bool always_has_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (request.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (always_has_body || (may_have_body && !request.body.empty())) {
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    if (request.method != "POST") curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

// At least 1: curl takes 0 for no limit.
long Milliseconds(absl::Duration d) {  // NOLINT(google-runtime-int)
  return static_cast<long>(std::clamp<int64_t>(absl::ToInt64Milliseconds(d), 1, 24 * 3600 * 1000));
}

// The request was not sent if curl has not written a byte of it and failed where nothing can have been. The byte count
// matters: when a kept-alive connection turns out to be dead, curl sends the request again on a new one, and if
// connecting then fails, the first sending may still have been read.
TransportFailure Classify(CURL* handle, CURLcode code) {
  long sent = 0;  // NOLINT(google-runtime-int)
  curl_off_t ready_us = 0;
  if (curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK ||
      curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &ready_us) != CURLE_OK || sent > 0) {
    return TransportFailure::kUnknown;
  }
  const bool early = std::find(std::begin(kBeforeSending), std::end(kBeforeSending), code) != std::end(kBeforeSending);
  const bool timed_out_connecting = code == CURLE_OPERATION_TIMEDOUT && ready_us == 0;
  return early || timed_out_connecting ? TransportFailure::kNotSent : TransportFailure::kUnknown;
}

void InitCurlOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) std::abort();
  });
}

}  // namespace

struct Client::Impl {
  explicit Impl(ClientOptions given) : options(std::move(given)) {}

  // A handle, or null when none came free in time.
  CURL* Acquire(absl::Duration timeout) {
    std::unique_lock lock(mutex);
    const bool free = freed.wait_for(lock, absl::ToChronoMilliseconds(timeout),
                                     [this] { return !idle.empty() || handles < options.max_connections; });
    if (!free) return nullptr;
    if (!idle.empty()) {  // the one used last: its connection is the likeliest to be alive
      CURL* handle = idle.back();
      idle.pop_back();
      return handle;
    }
    CURL* handle = curl_easy_init();
    if (handle == nullptr) std::abort();  // out of memory
    ++handles;
    return handle;
  }

  void Release(CURL* handle) {
    curl_easy_reset(handle);  // keeps its connections
    {
      std::lock_guard lock(mutex);
      idle.push_back(handle);
    }
    freed.notify_one();
  }

  void SetUp(CURL* handle, absl::Duration timeout) const {
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, kProtocols);
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");  // not from the environment: all configuration is declared
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(handle, CURLOPT_MAXCONNECTS, kConnectionsPerHandle);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, Milliseconds(timeout));
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(std::min(timeout, options.connect_timeout)));
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options.ca_file.empty()) {
      curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
      curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);  // this authority and no other
    }
  }

  // Curl may send again by itself, but only where a kept-alive connection died before a byte of an answer came. For a
  // POST this is safe because each carries an idempotency key, and it is told, because a refusal of the second sending
  // says nothing of the first; the alternative, a new connection per request, would triple the latency.
  ClientResult Perform(CURL* handle, const ClientRequest& request, absl::Duration timeout) const {
    Incoming incoming;
    incoming.max_body_bytes = options.max_body_bytes;
    char error[CURL_ERROR_SIZE] = "";
    const HeaderList headers = BuildHeaders(request);
    SetUp(handle, timeout);
    SetMethodAndBody(handle, request);
    curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, OnBody);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &incoming);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, OnHeader);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &incoming);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    Outgoing outgoing{request.method + " "};
    curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);  // for the trace alone: nothing is printed
    curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, OnTrace);
    curl_easy_setopt(handle, CURLOPT_DEBUGDATA, &outgoing);

    const CURLcode code = curl_easy_perform(handle);
    ClientResult result;
    result.sent_again = outgoing.requests > 1;
    if (code != CURLE_OK) {
      result.failure = Classify(handle, code);
      result.error = !incoming.fault.empty() ? incoming.fault : *error != '\0' ? error : curl_easy_strerror(code);
      return result;
    }
    if (!incoming.head_complete) {  // curl takes a connection that ends within the head for a whole answer
      result.failure = TransportFailure::kUnknown;
      result.error = "the answer ended within its head";
      return result;
    }
    long status = 0;  // NOLINT(google-runtime-int)
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    result.response = std::move(incoming.response);
    result.response.status = static_cast<int>(status);
    return result;
  }

  const ClientOptions options;
  SystemClock clock;
  std::mutex mutex;
  std::condition_variable freed;
  std::vector<CURL*> idle;  // guarded by mutex
  int handles = 0;          // made so far; guarded by mutex
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) { InitCurlOnce(); }

Client::~Client() {
  for (CURL* handle : impl_->idle) curl_easy_cleanup(handle);
}

ClientResult Client::Send(const ClientRequest& request) {
  const absl::Duration start = impl_->clock.Monotonic();
  if (!IsWellFormed(request)) {
    return ClientResult{TransportFailure::kNotSent, "the request's method, URL or a header is malformed"};
  }
  CURL* handle = request.timeout > absl::ZeroDuration() ? impl_->Acquire(request.timeout) : nullptr;
  if (handle == nullptr) return ClientResult{TransportFailure::kNotSent, "timed out waiting for a connection"};
  const absl::Duration left = request.timeout - (impl_->clock.Monotonic() - start);
  ClientResult result{TransportFailure::kNotSent, "timed out waiting for a connection"};
  if (left > absl::ZeroDuration()) result = impl_->Perform(handle, request, left);
  impl_->Release(handle);
  return result;
}

}  // namespace billmesh::http
