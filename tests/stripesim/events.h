#pragma once

// The account's events: what happened, with the object as it was then. Not thread-safe: guarded by
// the simulator's mutex.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/stripesim/json.h"

namespace stripesim {

// The API lists events for 30 days. They are kept beyond, so that a jump of the clock doesn't take
// away what is still to be delivered.
inline constexpr int64_t kEventListedS = 30 * 86400;

struct Event {
  uint64_t seq = 0;
  std::string id;
  std::string type;
  int64_t created = 0;
  std::string api_version;  // the account's at creation: what lists show
  std::string object_id;
  std::shared_ptr<const std::string> snapshot;  // data.object in the newest shape, serialized
  std::string previous;                         // previous_attributes, serialized; or empty
  std::string request_id;                       // empty: not caused by a request
  std::string idempotency_key;
  int pending = 0;      // endpoints that haven't acknowledged yet
  bool failed = false;  // given up at one endpoint
};

class EventLog {
 public:
  explicit EventLog(size_t max_events) : max_events_(max_events) {}

  // Stores it, with `seq` given; drops the oldest beyond the bound.
  Event& Append(Event event);
  Event* Find(std::string_view id);
  const std::deque<Event>& all() const { return events_; }  // oldest first
  uint64_t dropped() const { return dropped_; }

 private:
  void DropFront();

  size_t max_events_;
  std::deque<Event> events_;
  std::unordered_map<std::string, uint64_t> by_id_;
  uint64_t next_seq_ = 1;
  uint64_t dropped_ = 0;
};

// The event as version `version` shows it.
Json RenderEvent(const Event& event, std::string_view version, bool livemode);

}  // namespace stripesim
