#pragma once

// Sends webhooks on threads of its own: in order for one object and endpoint, retried with
// exponential backoff until acknowledged or given up.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/stripesim/json.h"
#include "tests/stripesim/world.h"

namespace stripesim {

inline constexpr int64_t kMaxRetryDelayMs = 60'000;
inline constexpr size_t kMaxQueuedWebhooks = 200'000;

struct OutgoingWebhook {
  std::string url;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

struct WebhookJob {
  Delivery delivery;
  int64_t delay_ms = 0;
  bool out_of_order = false;  // doesn't wait for its object's earlier ones
  bool held = false;          // until Release
  bool extra = false;         // a duplicate: one try, and it doesn't count as the event's delivery
  int tries = 0;
};

class WebhookSender {
 public:
  struct Config {
    int64_t threads = 4;
    int64_t retry_base_ms = 200;
    int64_t max_tries = 16;
    int64_t timeout_ms = 10'000;
    std::string ca_file;
  };
  // Both are called on the sender's threads, without its lock.
  using Prepare = std::function<std::optional<OutgoingWebhook>(const Delivery&)>;
  // `status` 0: no answer. `final`: it won't be tried again.
  using Done = std::function<void(const WebhookJob&, long status, bool final)>;

  WebhookSender(const Config& config, Prepare prepare, Done done);
  ~WebhookSender();  // stops; what is queued is lost

  void Enqueue(WebhookJob job);
  // Keeps everything back, or lets it go (with what rules held).
  void Hold(bool hold);
  // Drops what is queued and waiting for a retry; returns how many.
  size_t Drop();
  Json Status() const;

  // Sends at once, on the caller's thread. Returns the HTTP status, 0 where there was no answer.
  long Post(const OutgoingWebhook& webhook) const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Lane {
    std::deque<WebhookJob> jobs;
    bool busy = false;
  };

  static std::string LaneOf(const Delivery& delivery);
  void Push(WebhookJob job);  // under the lock
  void Run();
  void WakeDelayed();                // under the lock
  std::optional<WebhookJob> Take();  // under the lock
  void Finish(WebhookJob job, long status);

  const Config config_;
  const Prepare prepare_;
  const Done done_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Lane> lanes_;
  std::deque<std::string> ready_;  // lanes with a job and none in flight
  std::multimap<Time, WebhookJob> delayed_;
  std::deque<WebhookJob> held_;
  bool hold_ = false;
  bool stop_ = false;
  size_t queued_ = 0;
  int64_t in_flight_ = 0;
  int64_t sent_ = 0;
  int64_t acknowledged_ = 0;
  int64_t refused_ = 0;
  int64_t given_up_ = 0;
  int64_t overflowed_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace stripesim
