#include "tests/fault/redelivery.h"

#include <algorithm>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/crypto.h"

namespace billmesh::exactlyonce {
namespace {

constexpr absl::Duration kAgainAfter = absl::Milliseconds(500);
constexpr absl::Duration kLook = absl::Milliseconds(50);  // at what came back, at the latest
// What the answer says of an event that was stored before, and of one that wasn't.
constexpr char kDuplicate[] = R"("duplication":true)", kNew[] = R"("duplication":false)";

http::ClientRequest Signed(const std::string& url, const std::string& secret, const std::string& body) {
  const std::string t = absl::StrCat(absl::ToUnixSeconds(absl::Now()));
  http::ClientRequest request;
  request.method = "POST";
  request.url = url;
  request.body = body;
  request.headers = {{"Content-Type", "application/json"},
                     {"Stripe-Signature", absl::StrCat("t=", t, ",v1=", crypto::HmacSha256Hex(secret, t + ".", body))}};
  return request;
}

}  // namespace

Redelivery::Redelivery(const std::vector<std::string>& bodies, RedeliveryOptions options)
    : bodies_(bodies), options_(std::move(options)), begun_(absl::Now()), answers_(bodies.size()) {
  std::vector<size_t> order;
  for (int time = 0; time < options_.times; ++time) {
    for (size_t event = 0; event < bodies.size(); ++event) order.push_back(event);
  }
  std::shuffle(order.begin(), order.end(), std::mt19937_64(options_.seed));
  for (size_t n = 0; n < order.size(); ++n) {
    waiting_.push_back({order[n], begun_ + absl::Seconds(static_cast<double>(n) / options_.per_second)});
  }
  for (int n = 0; n < options_.connections; ++n) threads_.emplace_back([this, n] { Deliver(n); });
}

Redelivery::~Redelivery() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Redelivery::Deliver(int connection) {
  http::Client client({.max_connections = 1});
  const std::string& url = options_.urls[static_cast<size_t>(connection) % options_.urls.size()];
  for (size_t event = 0; Take(event);) {
    const bool acknowledged_before = IsAcknowledged(event);
    Answered(event, acknowledged_before, client.Send(Signed(url, options_.secret, bodies_[event])));
  }
  ++finished_;
}

// Waits until the next one is due. False: nothing is left, or the time is over.
bool Redelivery::Take(size_t& event) {
  const auto whole = static_cast<int64_t>(bodies_.size()) * options_.times;
  std::unique_lock lock(mutex_);
  while (!stopped_ && answered_ < whole && absl::Now() - begun_ < options_.limit) {
    const absl::Time due = waiting_.empty() ? absl::InfiniteFuture() : waiting_.front().due;
    if (due <= absl::Now()) {
      event = waiting_.front().event;
      waiting_.pop_front();
      return true;
    }
    changed_.wait_for(lock, absl::ToChronoMilliseconds(std::min(due - absl::Now(), kLook) + absl::Milliseconds(1)));
  }
  return false;
}

bool Redelivery::IsAcknowledged(size_t event) {
  const std::lock_guard lock(mutex_);
  return answers_[event] > 0;
}

void Redelivery::Answered(size_t event, bool acknowledged_before, const http::ClientResult& result) {
  const std::lock_guard lock(mutex_);
  const int status = result.response.status;
  if (status == 200) {
    const bool is_duplicate = absl::StrContains(result.response.body, kDuplicate);
    if (is_duplicate == absl::StrContains(result.response.body, kNew)) {
      lost_.push_back(absl::StrCat("event ", event, " was answered ", result.response.body));
    } else if (acknowledged_before && !is_duplicate) {
      lost_.push_back(absl::StrCat("event ", event, " was stored anew"));
    }
    ++answers_[event];
    ++answered_;
    return;
  }
  ++refusals_[status];
  waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), absl::Now() + kAgainAfter,
                                   [](absl::Time due, const Waiting& other) { return due < other.due; }),
                  {event, absl::Now() + kAgainAfter});
}

}  // namespace billmesh::exactlyonce
