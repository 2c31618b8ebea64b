// How a frozen step may be taken further, and what an answer to it proves (IDM-6 to IDM-9, CHK-10). Pure.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "common/provider/payment_provider.h"
#include "services/checkout/step_rules.h"

namespace billmesh::checkout {

struct SendingFacts {
  Resolution resolution = Resolution::kLookUp;
  bool known_object = false;       // the id of what the step made is stored already
  bool fresh = false;              // frozen by this holder, in the transaction just committed
  bool deadline_passed = false;    // of the replay (IDM-6), or nobody can say (StepAge)
  bool provenance_matches = true;  // IDM-7
  bool account_matches = true;     // of the provenance: another account's objects prove nothing
  bool owned_by_entity = false;    // the customer step (CHK-10)
};

enum class Sending {
  kFirst,      // send it; a refusal is definite
  kReplay,     // send the same again; only the id is taken from the answer
  kRetrieve,   // the object is known: ask for its present state
  kLookUp,     // it may not be sent again: look for what it may have made
  kInspect,    // it may not be sent again: look whether the object has the change
  kSupersede,  // what it made harms nobody, and may be stale by now: freeze another
  kWithhold,   // it may not be sent again, and nobody can look: guard against what may appear (IDM-10)
};

constexpr Sending DecideSending(const SendingFacts& facts) {
  if (facts.known_object) return facts.account_matches ? Sending::kRetrieve : Sending::kWithhold;
  if (facts.resolution == Resolution::kRepeat && !facts.fresh) return Sending::kSupersede;
  if (!facts.deadline_passed && facts.provenance_matches) {
    return facts.fresh ? Sending::kFirst : Sending::kReplay;
  }
  switch (facts.resolution) {
    case Resolution::kRepeat:
      return Sending::kSupersede;
    case Resolution::kInspect:
      return facts.account_matches ? Sending::kInspect : Sending::kWithhold;
    case Resolution::kLookUp:
      break;
  }
  return facts.account_matches || facts.owned_by_entity ? Sending::kLookUp : Sending::kWithhold;
}

// How far along its replay window a step is, by the database's clock.
enum class StepAge {
  kReplayable,
  kPastDeadline,  // IDM-6; also where the clock stands before the freezing: it was set back, and tells nothing
  kPastAllDoubt,  // nothing that the step asked for can still appear at the provider
};
StepAge AgeOf(absl::Time frozen_at, absl::Time replay_deadline, absl::Time now);

// The freezing may lie ahead by so much: clocks of a database that failed over.
inline constexpr absl::Duration kFreezingSlack = absl::Minutes(5);
// After the deadline, when a session that the last sending might have made has ended as well (IDM-5), and IDM-10 asks
// for no hold any more. A look that still can't be had then is given up.
inline constexpr absl::Duration kPastAllDoubtAfter = absl::Hours(2);

// What an answer without success to a replayed step says of the first sending.
enum class ReplayAnswer {
  kNothing,  // it may be running, or have been done: look only once replays keep failing
  kEnded,    // it runs no more: what it made can be looked for, and what isn't found wasn't made
};

// Stripe repeats a stored answer, a 500 included, under the same key for a day; and where it refuses the request
// itself, no execution holds the key any more. A refusal of the caller (401, 403), of the rate (429) or of the key
// (409, idempotency_error) says nothing.
ReplayAnswer JudgeReplay(const provider::CallResult& result);

// From this recovery on, a replay that tells nothing is followed by a look (IDM-9: "keeps failing").
inline constexpr int64_t kLookAfterRecoveries = 3;
// From this recovery on, an operation that stays pending alerts.
inline constexpr int64_t kAlarmingRecoveries = 5;

// IDM-7: same provider, API version and account, and the same major version of our client.
bool ProvenanceAllowsReplay(const provider::Provenance& frozen, const provider::Provenance& present);
bool SameAccount(const provider::Provenance& frozen, const provider::Provenance& present);

// IDM-10: until when a session that was asked for may still be opened or paid at the provider.
absl::Time HoldUntil(absl::Time session_upper_bound, absl::Time replay_deadline, absl::Duration grace);

}  // namespace billmesh::checkout
