#pragma once

// Faults on demand: which requests and which webhook deliveries go wrong, and how. Not thread-safe:
// guarded by the simulator's mutex.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "tests/stripesim/ids.h"
#include "tests/stripesim/json.h"

namespace stripesim {

inline constexpr size_t kMaxFaultRules = 1000;

// Where in a request's way a fault strikes. kFront is before the idempotency layer; kExecute only
// sees requests that are executed (not replays), and its answers are stored under the key; kReply
// replaces an answer that has been stored.
enum class FaultStage { kFront, kDelay, kExecute, kReply, kWebhook };

struct Fault {
  std::string action;
  Json params;  // the rule as given
};

struct FaultSubject {
  std::string method;
  std::string path;
  std::string key;
  std::string event_type;  // of a webhook delivery
  std::string object_id;
};

class FaultPlan {
 public:
  // {"match":{method,path_prefix,nth,count,probability,key_prefix,event_type,object_id},
  //  "action":…, …}. Returns what is wrong with it, or "".
  std::string Add(const Json& rule);
  void Clear() { rules_.clear(); }

  // The first rule of the stage that strikes. Rules that match but don't strike are counted, so
  // that `nth` means the nth matching request.
  std::optional<Fault> Strike(FaultStage stage, const FaultSubject& subject, IdSource& ids);

  Json Describe() const;

 private:
  struct Rule {
    FaultStage stage;
    std::string action;
    Json json;
    int64_t nth = 0;     // 0: every one
    int64_t count = -1;  // -1: without end
    double probability = 1;
    int64_t seen = 0;
    int64_t struck = 0;
  };

  static bool Matches(const Json& match, const FaultSubject& subject);

  std::deque<Rule> rules_;
};

}  // namespace stripesim
