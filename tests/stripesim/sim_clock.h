#pragma once

// The simulator's time: real time plus an offset that the control API moves, and the things that
// are due at some point of it. Not thread-safe: guarded by the simulator's mutex.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace stripesim {

inline constexpr int64_t kDay = 86400;  // seconds

class SimClock {
 public:
  // `wall` gives real unix seconds; a test passes its own.
  explicit SimClock(std::function<int64_t()> wall) : wall_(std::move(wall)) {}

  // Unix seconds. While something due is being run it stands at the time that it was due.
  int64_t Now() const { return pinned_ ? *pinned_ : wall_() + offset_s_; }
  void Advance(int64_t seconds) { offset_s_ += seconds; }
  void Set(int64_t now) { offset_s_ = now - wall_(); }
  int64_t offset_s() const { return offset_s_; }

  void Pin(int64_t at) { pinned_ = at; }
  void Unpin() { pinned_.reset(); }

 private:
  std::function<int64_t()> wall_;
  int64_t offset_s_ = 0;
  std::optional<int64_t> pinned_;
};

// Something that happens by itself. Whoever runs it checks again that it is still meant: timers are
// never cancelled, an outdated one does nothing.
struct Timer {
  enum class Kind {
    kSessionExpiry,
    kPeriodEnd,
    kTrialWillEnd,
    kIncompleteExpiry,
    kInvoiceFinalize,
    kInvoiceRetry,
    kCancelAt,
    kPauseEnd
  };
  Kind kind;
  std::string id;
};

class TimerQueue {
 public:
  void Add(int64_t due, Timer timer) { timers_.emplace(due, std::move(timer)); }

  // The earliest timer due at or before `now`, removed; with its time.
  std::optional<std::pair<int64_t, Timer>> Pop(int64_t now) {
    auto it = timers_.begin();
    if (it == timers_.end() || it->first > now) return std::nullopt;
    std::pair<int64_t, Timer> due{it->first, std::move(it->second)};
    timers_.erase(it);
    return due;
  }

  size_t size() const { return timers_.size(); }

 private:
  std::multimap<int64_t, Timer> timers_;
};

// Calendar arithmetic in UTC for billing periods: `count` intervals (day, week, month, year) after
// `anchor`, clamped to the month's last day as Stripe does (31 January + 1 month = 28 February,
// and + 2 months = 31 March, because the anchor is kept).
int64_t AddIntervals(int64_t anchor, const std::string& interval, int64_t count);

// "Thu, 20 Nov 2026 10:00:00 GMT".
std::string HttpDate(int64_t unix_seconds);

}  // namespace stripesim
