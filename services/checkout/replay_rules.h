// How a frozen step may be taken further (IDM-6, IDM-7, IDM-9, CHK-10). Pure.
#pragma once

#include "absl/time/time.h"
#include "common/provider/payment_provider.h"

namespace billmesh::checkout {

struct SendingFacts {
  bool known_object = false;       // the id of what the step made is stored already
  bool fresh = false;              // frozen by this holder, in the transaction just committed
  bool deadline_passed = false;    // of the replay (IDM-6)
  bool provenance_matches = true;  // IDM-7
  bool owned_by_entity = false;    // the customer step (CHK-10)
};

enum class Sending {
  kFirst,     // send it; a refusal is definite
  kReplay,    // send the same again; only the id is taken from the answer
  kRetrieve,  // the object is known: ask for its present state
  kLookUp,    // it may not be sent again: look for what it may have made, then freeze another
  kWithhold,  // it may not be sent again, and what follows needs a hold first (IDM-10)
};

constexpr Sending DecideSending(const SendingFacts& facts) {
  if (facts.known_object) return Sending::kRetrieve;
  if (!facts.deadline_passed && facts.provenance_matches) {
    return facts.fresh ? Sending::kFirst : Sending::kReplay;
  }
  return facts.owned_by_entity ? Sending::kLookUp : Sending::kWithhold;
}

// IDM-7: same provider, API version and account, and the same major version of our client.
bool ProvenanceAllowsReplay(const provider::Provenance& frozen, const provider::Provenance& present);

}  // namespace billmesh::checkout
