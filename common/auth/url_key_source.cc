#include "common/auth/url_key_source.h"

#include "absl/strings/str_cat.h"
#include "common/http/client.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"

namespace billmesh::auth {
namespace {

constexpr absl::Duration kFetchTimeout = absl::Seconds(5);
constexpr int kHttpOk = 200;

}  // namespace

std::shared_ptr<const KeySet> UrlKeySource::Keys() {
  std::lock_guard lock(mutex_);
  return keys_;
}

bool UrlKeySource::MayFetch() const {
  const absl::Duration interval = keys_ == nullptr ? options_.first_retry_interval : options_.min_fetch_interval;
  return !attempted_.has_value() || clock_.Monotonic() - *attempted_ >= interval;
}

bool UrlKeySource::MayRefresh() {
  std::lock_guard lock(mutex_);
  return MayFetch();
}

void UrlKeySource::Refresh() {
  std::lock_guard fetching(fetching_);
  if (!MayRefresh()) return;
  const auto document = fetch_();
  auto keys =
      document.ok() ? KeySet::Parse(*document) : absl::StatusOr<std::shared_ptr<const KeySet>>(document.status());
  if (!keys.ok()) {
    telemetry::Warn("key set not fetched, the last good one stays", {{"error", std::string(keys.status().message())}});
  }
  std::lock_guard lock(mutex_);
  attempted_ = clock_.Monotonic();
  if (!keys.ok()) return;
  succeeded_ = attempted_;
  keys_ = *std::move(keys);
}

void UrlKeySource::RefreshIfDue() {
  {
    std::lock_guard lock(mutex_);
    if (succeeded_.has_value() && clock_.Monotonic() - *succeeded_ < options_.max_age) return;
  }
  Refresh();
}

FetchJwks HttpFetch(const std::string& url, const std::string& ca_file) {
  http::ClientOptions options;
  options.max_connections = 1;
  options.max_body_bytes = kMaxJwksBytes;
  options.ca_file = ca_file;
  auto client = std::make_shared<http::Client>(options);
  return [client, url]() -> absl::StatusOr<std::string> {
    http::ClientRequest request;
    request.url = url;
    request.headers = {{"Accept", "application/json"}};
    request.timeout = kFetchTimeout;
    http::ClientResult result = client->Send(request);
    if (result.failure != http::TransportFailure::kNone) {
      return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, absl::StrCat("key set: ", result.error));
    }
    if (result.response.status != kHttpOk) {
      return Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, absl::StrCat("key set: answered ", result.response.status));
    }
    return std::move(result.response.body);
  };
}

}  // namespace billmesh::auth
