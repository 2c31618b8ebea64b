// The client writes that the crash campaign kills the daemon in: how each is prepared, sent, and met by a fault of the
// provider's. A table, so that a new action joins by a row.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/fault/crash_world.h"

namespace billmesh::crash {

// What a run is about: an entity of its own, and what it had before the write.
struct Subject {
  std::string entity_id;
  std::string operation;        // of the open checkout, where the action needs one
  std::string subscription_id;  // the provider's, where the action needs one
};

struct CrashAction {
  std::string name;
  // The provider write that the outcome of a run strikes: a match of the simulator's fault rules.
  nlohmann::json write;
  // Whether another step is frozen after one was taken, whether recovery freezes another in its place, and whether it
  // asks for the object by its id, or looks for it by our metadata.
  bool several_steps = false;
  bool supersedes = false;
  bool retrieves = false;
  bool looks_up = false;
  // What the write does to which object, in the ledger's words; none where the ledger has no word for it. `as_asked`
  // tells of that object, as the provider has it in the end, whether it's what the client asked for.
  std::string effect, object;
  std::function<bool(const nlohmann::json& object)> as_asked;
  // Opens a page where a subscription can be bought: the campaign then buys it.
  bool purchase = false;
  // Brings the subject to where the action makes sense. Calls through an unarmed daemon.
  std::function<void(CrashWorld&, Subject&)> prepare;
  // The write, under this key.
  std::function<CallEnd(CrashWorld&, const Subject&, const std::string& key)> send;

  // Whether any run of the action can pass this point of services/checkout/fault_points.h.
  bool Reaches(std::string_view point) const;
};

const std::vector<CrashAction>& CrashActions();

// Sends a checkout of the paid plan.
CallEnd SendCheckout(CrashWorld& world, const Subject& subject, const std::string& key,
                     pb::StartCheckoutResponse& response);
// Pays the entity's open checkout session and waits until its subscription is projected; false when it never is.
bool PayAndProject(CrashWorld& world, Subject& subject);

}  // namespace billmesh::crash
