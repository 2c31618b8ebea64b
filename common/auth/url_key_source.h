// A JWKS at an http or https URL: cached, fetched again by age and for an unknown kid (both limited in rate).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/key_source.h"
#include "common/time/clock.h"

namespace billmesh::auth {

// Gets the document, in bounded time.
using FetchJwks = std::function<absl::StatusOr<std::string>()>;

struct UrlKeySourceOptions {
  absl::Duration max_age = absl::Minutes(10);              // then it is fetched again
  absl::Duration min_fetch_interval = absl::Seconds(30);   // between two fetches, failed ones and unknown kids included
  absl::Duration first_retry_interval = absl::Seconds(2);  // the same while there is no set at all
};

class UrlKeySource : public KeySource {
 public:
  // Fetches nothing yet. The clock must outlive the source.
  UrlKeySource(FetchJwks fetch, UrlKeySourceOptions options, Clock& clock)
      : fetch_(std::move(fetch)), options_(options), clock_(clock) {}
  std::shared_ptr<const KeySet> Keys() override;
  bool MayRefresh() override;
  // One fetch at a time: who comes meanwhile waits for it and makes none of its own.
  void Refresh() override;
  void RefreshIfDue() override;

 private:
  bool MayFetch() const;  // requires mutex_

  const FetchJwks fetch_;
  const UrlKeySourceOptions options_;
  Clock& clock_;
  std::mutex fetching_;  // held during a fetch; taken before mutex_
  std::mutex mutex_;
  std::shared_ptr<const KeySet> keys_;       // guarded by mutex_
  std::optional<absl::Duration> attempted_;  // guarded by mutex_; when a fetch last ended
  std::optional<absl::Duration> succeeded_;  // guarded by mutex_
};

// GET of the URL through common/http, at most 5 s. ca_file: trust anchors for https; empty: the system's.
FetchJwks HttpFetch(const std::string& url, const std::string& ca_file);

}  // namespace billmesh::auth
