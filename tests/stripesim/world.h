#pragma once

// The simulated account: its objects, time, events and what is remembered about it. Everything here
// is guarded by one mutex, which Simulator holds; nothing in it blocks.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/stripesim/events.h"
#include "tests/stripesim/ids.h"
#include "tests/stripesim/json.h"
#include "tests/stripesim/ledger.h"
#include "tests/stripesim/options.h"
#include "tests/stripesim/sim_clock.h"
#include "tests/stripesim/store.h"

namespace stripesim {

// On whose behalf something happens: an API request, the payment page, the portal, the clock, the
// control API. `key` is the idempotency key that the effect goes back to (for a page: the one that
// made the session).
struct Actor {
  std::string source = "control";
  std::string request_id;
  std::string key;
};

struct Delivery {
  std::string event_id;
  std::string endpoint_id;
  std::string object_id;
  std::string event_type;
};

// How payments of a customer go (control API).
struct PaymentBehavior {
  bool decline = false;
  std::string decline_code = "generic_decline";
  std::string final_status = "canceled";    // after the last retry: canceled | unpaid | past_due
  std::string refund_status = "succeeded";  // of a new refund: succeeded | pending
};

struct World {
  World(const Options& options_in, std::function<int64_t()> wall);

  int64_t Now() const { return clock.Now(); }
  // A new object of Stripe's kind with id, object, created and livemode set... created by caller.
  std::string NewId(std::string_view kind) { return ids.ForObject(kind, options.livemode); }

  // Records the event and hands it to the endpoints that listen to it. `previous`: null for none.
  void Emit(const std::string& type, const Object& object, const Json& previous = Json());
  // A line in the ledger about something that happened to `object`; `more` adds members to it.
  void Effect(const std::string& effect, const Object& object, const Json& more = Json::object());

  PaymentBehavior BehaviorOf(const std::string& customer) const;

  const Options options;
  IdSource ids;
  SimClock clock;
  TimerQueue timers;
  Store store;
  EventLog events;
  Ledger ledger;
  Actor actor;
  std::string account_id;
  std::string account_version;
  std::string page_base_url;
  std::map<std::string, std::string> item_owner;    // subscription item → subscription
  std::map<std::string, PaymentBehavior> behavior;  // by customer; "" = everyone else
  std::map<std::string, int> open_sessions;         // subscription mode, by customer
  int max_open_sessions = 0;
  std::function<void(const Delivery&)> deliver;  // set by whoever sends webhooks
};

// Remembers an object, so that a change of it can be told as an event; and put back where the request
// is refused half way.
class Change {
 public:
  Change(World& world, Object& object);
  ~Change();
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  // Emits `type` with previous_attributes, and indexes the object anew. Nothing changed: nothing.
  void Emit(const std::string& type);

 private:
  World& world_;
  Object& object_;
  Json before_;
  Json priv_before_;
  int exceptions_;
};

}  // namespace stripesim
