// Takes one frozen step at the provider: sends it, sends it again, retrieves what it made or looks for it,
// as the rules allow (replay_rules.h). No transaction is open while it runs (IDM-15). Thread safe.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/checkout/action.h"

namespace billmesh::checkout {

// What the holder of an operation's lease may still do.
struct Holding {
  int64_t lease_version = 0;
  // lease::WritingEnd: nothing is sent to the provider later, also by a process that slept meanwhile (IDM-13).
  absl::Duration sendings_end;
  // The database's time, and the monotonic time before which it was read.
  absl::Time database_now;
  absl::Duration read_at;
};

// Refused for certain, on the first sending.
struct StepRejected {
  std::string detail;  // the provider's error type, code and HTTP status
};
// Looked for and not there; it will not be sent again.
struct StepAbsent {};
// Nobody knows: the operation stays pending, and a later holder goes on.
struct StepUnresolved {
  std::string why;  // a few fixed words, for logs and audit
};
using StepVerdict = std::variant<StepDone, StepRejected, StepAbsent, StepUnresolved>;

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
  StepVerdict Send(const NextStep& next, bool first, const Holding& holding) const;
  StepVerdict Fetch(const FrozenStep& step, const std::string& object_id, const Holding& holding) const;
  StepVerdict LookUp(const FrozenStep& step, const Holding& holding) const;
  // The object as a verdict, if it is the one that the step asked for.
  StepVerdict Accept(const FrozenStep& step, const provider::CallResult& result) const;
  // The database's time by now, or a little later.
  absl::Time DatabaseNow(const Holding& holding) const;
  // The timeout of a call that starts now; zero when the lease leaves too little for it.
  absl::Duration TimeLeft(const Holding& holding) const;

  const Deps deps_;
};

}  // namespace billmesh::checkout
