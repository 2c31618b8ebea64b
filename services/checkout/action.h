// What plugs into the operation kernel: one implementation for each kind of client write (checkout, portal,
// payment link, cancellation…). An action is stateless; all that it needs of an operation stands in its
// row, so that recovery can go on where a dead process stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/provider/payment_provider.h"
#include "services/checkout/entity_lock_store.h"
#include "services/checkout/frozen_step.h"
#include "services/checkout/operation.h"

namespace billmesh::checkout {

// A client's write before it is an operation.
struct WriteRequest {
  std::string entity_id;  // the owner, authorized already
  std::string actor;      // for audit rows
  std::string client_key;
  std::string canonical_request;
  std::string fingerprint;
};

// What every hook is given: an open tenant transaction that holds the entity's lock, and the time.
struct ActionContext {
  db::Tx& tx;
  const LockedEntity& entity;
  absl::Time now;  // the database's, read under the lock
  // What would be frozen beside a step.
  const provider::Provenance& provenance;
};

// The action needs the provider's present word on an object before it can decide. The kernel retrieves it
// with no transaction open, hands it to Consulted, and asks Admit again.
struct Consult {
  std::string kind;
  std::string object_id;
};

// Admitted: what is stored in the operation's row.
struct Claim {
  std::string plan_code;
  int64_t plan_version = 0;
};

using Admission = std::variant<Claim, Refusal, Consult>;

// A step to be taken.
struct NextStep {
  FrozenStep step;
  bool fresh = false;  // frozen in this transaction: nobody can have sent it
  // The id of what it made, where something of ours knows it already.
  std::optional<std::string> known_object_id;
};

// A step that was taken, with the provider's object as it is now.
struct StepDone {
  FrozenStep step;
  std::string object_id;
  std::string object_json;
  // When the provider said so; none where it sent no date.
  std::optional<absl::Time> provider_date;
};

// The operation succeeded with this response (canonical JSON), or ended with a recorded failure.
struct Succeeded {
  std::string response;
};
using Progress = std::variant<NextStep, Succeeded, Refusal>;

class Action {
 public:
  virtual ~Action() = default;

  // As stored in request_idempotency.action, and as the label of metrics.
  virtual std::string name() const = 0;
  // Actions of the audit rows that the kernel writes: a claim, a success, a refusal.
  virtual std::string audit_started() const = 0;
  virtual std::string audit_created() const = 0;
  virtual std::string audit_refused() const = 0;
  // The failure that is recorded when the provider refuses a step for certain (IDM-8).
  virtual Reason rejection() const = 0;

  // In Tx A, when no operation has this key. `consulted`: the provider has been asked, don't ask again.
  virtual absl::StatusOr<Admission> Admit(const ActionContext& context, const WriteRequest& request,
                                          bool consulted) const = 0;
  // The provider's answer to a Consult, in a transaction of its own. The result may be of any outcome.
  virtual absl::Status Consulted(const ActionContext& context, const Consult& consult,
                                 const provider::CallResult& result) const = 0;
  // What comes next: in Tx A after the claim, in R1, and whenever a step has been taken (`done`, whose row
  // is marked already). Freezes the next step if none is pending. Must come to the same result when it is
  // run again after a commit in doubt.
  virtual absl::StatusOr<Progress> Advance(const ActionContext& context, const Operation& operation,
                                           const StepDone* done) const = 0;
  // Invariants of a frozen step, checked before it is sent: an error means that it must not be.
  virtual absl::Status CheckFrozen([[maybe_unused]] const Operation& operation,
                                   [[maybe_unused]] const NextStep& next) const {
    return absl::OkStatus();
  }
  // For a step that changes an object: whether the object, as it is now, has the change. Asked where nobody knows what
  // became of the sending (PRT-3). Pure.
  virtual absl::StatusOr<bool> HasTaken([[maybe_unused]] const FrozenStep& step,
                                        [[maybe_unused]] const std::string& object_json) const {
    return true;
  }
  // A step may not be sent again, and nothing was found that it made: what might still appear at the provider is
  // guarded against here (IDM-10). Afterwards the kernel ends the operation, in the same transaction.
  virtual absl::Status Withheld([[maybe_unused]] const ActionContext& context,
                                [[maybe_unused]] const Operation& operation,
                                [[maybe_unused]] const FrozenStep& step) const {
    return absl::OkStatus();
  }
  // Whether a recorded success still is the answer to its key. Where it isn't, the operation runs once more.
  virtual bool StillGood([[maybe_unused]] const Operation& succeeded, [[maybe_unused]] absl::Time now) const {
    return true;
  }
};

}  // namespace billmesh::checkout
