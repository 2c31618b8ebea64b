#include "tests/stripesim/webhook_sender.h"

#include <curl/curl.h>

#include <algorithm>

namespace stripesim {
namespace {

size_t Discard(char*, size_t size, size_t count, void*) { return size * count; }

// One connection cache per thread: endpoints see keep-alive, as from Stripe.
class CurlHandle {
 public:
  CurlHandle() : handle_(curl_easy_init()) {}
  ~CurlHandle() { curl_easy_cleanup(handle_); }
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;
  CURL* get() const { return handle_; }

 private:
  CURL* handle_;
};

long Send(CURL* curl, const OutgoingWebhook& webhook, int64_t timeout_ms, const std::string& ca_file) {
  curl_easy_reset(curl);
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : webhook.headers) {
    headers = curl_slist_append(headers, (name + ": " + value).c_str());
  }
  curl_easy_setopt(curl, CURLOPT_URL, webhook.url.c_str());
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, webhook.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(webhook.body.size()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Discard);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  if (!ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file.c_str());
  long status = 0;
  if (curl_easy_perform(curl) == CURLE_OK) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  }
  curl_slist_free_all(headers);
  return status;
}

bool Acknowledged(long status) { return status >= 200 && status < 300; }

}  // namespace

WebhookSender::WebhookSender(const Config& config, Prepare prepare, Done done)
    : config_(config), prepare_(std::move(prepare)), done_(std::move(done)) {
  for (int64_t i = 0; i < config_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

WebhookSender::~WebhookSender() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::string WebhookSender::LaneOf(const Delivery& delivery) { return delivery.endpoint_id + "/" + delivery.object_id; }

void WebhookSender::Enqueue(WebhookJob job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (queued_ + delayed_.size() + held_.size() >= kMaxQueuedWebhooks) {
      ++overflowed_;
      return;
    }
    if (job.held) {
      held_.push_back(std::move(job));
    } else if (job.delay_ms > 0) {
      const Time due = std::chrono::steady_clock::now() + std::chrono::milliseconds(job.delay_ms);
      delayed_.emplace(due, std::move(job));
    } else {
      Push(std::move(job));
    }
  }
  wake_.notify_one();
}

void WebhookSender::Push(WebhookJob job) {
  // Retries and reordered ones have a lane of their own: they don't hold up what comes after.
  const std::string name =
      job.out_of_order || job.tries > 0 ? LaneOf(job.delivery) + "/" + job.delivery.event_id : LaneOf(job.delivery);
  Lane& lane = lanes_[name];
  lane.jobs.push_back(std::move(job));
  ++queued_;
  if (!lane.busy && lane.jobs.size() == 1) ready_.push_back(name);
}

void WebhookSender::Hold(bool hold) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    hold_ = hold;
    if (!hold) {
      for (WebhookJob& job : held_) {
        job.held = false;
        Push(std::move(job));
      }
      held_.clear();
    }
  }
  wake_.notify_all();
}

size_t WebhookSender::Drop() {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t dropped = queued_ + delayed_.size() + held_.size();
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    it->second.jobs.clear();
    it = it->second.busy ? std::next(it) : lanes_.erase(it);
  }
  ready_.clear();
  delayed_.clear();
  held_.clear();
  queued_ = 0;
  return dropped;
}

Json WebhookSender::Status() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return Json{{"hold", hold_},
              {"queued", queued_},
              {"delayed", delayed_.size()},
              {"held", held_.size()},
              {"in_flight", in_flight_},
              {"idle", queued_ + delayed_.size() + held_.size() == 0 && in_flight_ == 0},
              {"sent", sent_},
              {"acknowledged", acknowledged_},
              {"refused", refused_},
              {"given_up", given_up_},
              {"overflowed", overflowed_}};
}

void WebhookSender::WakeDelayed() {
  const Time now = std::chrono::steady_clock::now();
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    WebhookJob job = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    Push(std::move(job));
  }
}

std::optional<WebhookJob> WebhookSender::Take() {
  WakeDelayed();
  if (hold_ || ready_.empty()) return std::nullopt;
  const std::string name = std::move(ready_.front());
  ready_.pop_front();
  Lane& lane = lanes_[name];
  if (lane.jobs.empty()) return std::nullopt;
  WebhookJob job = std::move(lane.jobs.front());
  lane.jobs.pop_front();
  lane.busy = true;
  --queued_;
  ++in_flight_;
  return job;
}

void WebhookSender::Run() {
  CurlHandle curl;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    std::optional<WebhookJob> job = Take();
    if (!job) {
      if (delayed_.empty() || hold_) {
        wake_.wait(lock);
      } else {
        const Time due = delayed_.begin()->first;  // a copy: others may erase the entry meanwhile
        wake_.wait_until(lock, due);
      }
      continue;
    }
    lock.unlock();
    long status = 0;
    const std::optional<OutgoingWebhook> webhook = prepare_(job->delivery);
    if (webhook) status = Send(curl.get(), *webhook, config_.timeout_ms, config_.ca_file);
    const std::string lane_name = job->out_of_order || job->tries > 0
                                      ? LaneOf(job->delivery) + "/" + job->delivery.event_id
                                      : LaneOf(job->delivery);
    ++job->tries;
    // The endpoint or the event is gone: nothing to try again.
    if (!webhook) job->tries = static_cast<int>(config_.max_tries);
    Finish(std::move(*job), status);
    lock.lock();
    auto lane = lanes_.find(lane_name);
    if (lane != lanes_.end()) {
      lane->second.busy = false;
      if (lane->second.jobs.empty()) {
        lanes_.erase(lane);
      } else {
        ready_.push_back(lane_name);
      }
    }
    wake_.notify_one();
  }
}

void WebhookSender::Finish(WebhookJob job, long status) {
  const bool good = Acknowledged(status);
  const bool final = good || job.extra || job.tries >= config_.max_tries;
  done_(job, status, final);
  std::lock_guard<std::mutex> lock(mutex_);
  --in_flight_;
  ++sent_;
  ++(good ? acknowledged_ : refused_);
  if (final) {
    if (!good) ++given_up_;
    return;
  }
  const int exponent = std::min(job.tries - 1, 20);
  const int64_t delay = std::min(kMaxRetryDelayMs, config_.retry_base_ms * (int64_t{1} << exponent));
  delayed_.emplace(std::chrono::steady_clock::now() + std::chrono::milliseconds(delay), std::move(job));
}

long WebhookSender::Post(const OutgoingWebhook& webhook) const {
  CurlHandle curl;
  return Send(curl.get(), webhook, config_.timeout_ms, config_.ca_file);
}

}  // namespace stripesim
