// Takes one frozen step at the provider: sends it, sends it again, retrieves what it made, looks for it, or looks
// whether its change is there, as the rules allow (replay_rules.h). No transaction is open while it runs (IDM-15).
// Thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/checkout/action.h"
#include "services/checkout/replay_rules.h"

namespace billmesh::checkout {

// What the holder of an operation's lease may still do.
struct Holding {
  int64_t lease_version = 0;
  // lease::WritingEnd: nothing is sent to the provider later, also by a process that slept meanwhile (IDM-13).
  absl::Duration sendings_end;
  // The database's time, and the monotonic time before which it was read.
  absl::Time database_now;
  absl::Duration read_at;
  provider::Priority priority = provider::Priority::kInteractive;
};

// Refused for certain: on the first sending, or later, when no sending runs any more and what was looked for isn't
// there.
struct StepRejected {
  std::string detail;  // the provider's error type, code and HTTP status
};
// It made nothing that matters, and will not be sent again: another step takes its place.
struct StepAbsent {};
// It may not be sent again, and nothing was found that it made: something may still appear (IDM-10).
struct StepWithheld {
  Reason reason;  // checkout_recovery_window_elapsed or checkout_replay_provenance_mismatch
};
// Nobody knows: the operation stays pending, and a later holder goes on.
struct StepUnresolved {
  std::string why;  // a few fixed words, for logs and audit
};
using StepVerdict = std::variant<StepDone, StepRejected, StepAbsent, StepWithheld, StepUnresolved>;

class StepRunner {
 public:
  // All must outlive the runner.
  struct Deps {
    provider::PaymentProvider& provider;
    const provider::ObjectFormat& format;
    Clock& clock;
    absl::Duration call_timeout;
  };
  explicit StepRunner(Deps deps) : deps_(deps) {}

  // Errors: FROZEN_REQUEST_TAMPERED and what Action::CheckFrozen says; nothing was sent then.
  absl::StatusOr<StepVerdict> Run(const Action& action, const Operation& operation, const NextStep& next,
                                  const provider::Provenance& provenance, const Holding& holding) const;

 private:
  // One Run.
  struct Turn {
    const Action& action;
    const Operation& operation;
    const NextStep& next;
    const StepRule& rule;
    const Holding& holding;
    const FrozenStep& step() const { return next.step; }
  };
  StepVerdict Take(const Turn& turn, const SendingFacts& facts) const;
  StepVerdict SendFirst(const Turn& turn) const;
  StepVerdict Replay(const Turn& turn) const;
  // What the step made or changed, if it did; StepAbsent if it certainly didn't.
  StepVerdict Find(const Turn& turn) const;
  StepVerdict LookUp(const Turn& turn) const;
  StepVerdict Inspect(const Turn& turn) const;
  StepVerdict Fetch(const Turn& turn, const std::string& object_id) const;
  provider::CallResult Retrieve(const Turn& turn, const std::string& object_id, absl::Duration timeout) const;
  // nullopt when no time is left.
  std::optional<provider::CallResult> Send(const Turn& turn, bool first) const;
  // The object as a verdict, if it is the one that the step asked for.
  StepVerdict Accept(const Turn& turn, const provider::CallResult& result) const;
  // The database's time by now, or a little later.
  absl::Time DatabaseNow(const Holding& holding) const;
  // The timeout of a call that starts now; zero when the lease leaves too little for it.
  absl::Duration TimeLeft(const Holding& holding) const;

  const Deps deps_;
};

}  // namespace billmesh::checkout
