// The one orchestration of client writes: claim → freeze → call → finalize, over frozen steps. Actions plug
// into it (action.h); none has a copy of its own.
//
//   Tx A   lock the entity; replay, refuse, or claim the key and freeze the first step       (Open)
//   Tx R1  instead, for a pending operation whose lease expired: take over the lease         (Open)
//   call   the provider, with no transaction open                                            (StepRunner)
//   Tx B   same locks, fence; store what the step made; freeze the next step, or end the operation (Settle)
//
// Recovery's R2 is Tx B. An outcome that nobody knows ends nothing: the row stays pending, and the next holder goes
// on from the frozen step. A step that may not be sent again, and that nothing was found of, ends its operation only
// together with what guards the entity against it (Action::Withheld; IDM-10, IDM-12).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/checkout/action.h"
#include "services/checkout/operation.h"
#include "services/checkout/step_runner.h"

namespace billmesh::checkout {

struct KernelTimes {
  absl::Duration lease = absl::Seconds(120);
  absl::Duration call_timeout = absl::Seconds(20);  // of one provider call, its retries included
};

// What became of an operation.
struct OperationView {
  OperationStatus status = OperationStatus::kPending;
  std::string failure_code;  // of failed and expired ones
};

class OperationKernel {
 public:
  // All references must outlive the kernel.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    IdGenerator& ids;
    provider::PaymentProvider& provider;
    const provider::ObjectFormat& format;
    std::string env;                   // BILLING_ENV
    std::string operation_key_secret;  // OPERATION_KEY_SECRET
    std::string holder;                // this process, unique; names it in lease_owner
    KernelTimes times;
  };
  explicit OperationKernel(Deps deps);

  // Runs a client's write to its end, or replays it. Returns the response's canonical JSON, or the refusal's reason
  // with its metadata. REQUEST_IN_PROGRESS while somebody else has the lease and after an unknown outcome. Blocks for
  // at most about half the lease; thread safe.
  absl::StatusOr<std::string> Run(const Action& action, const WriteRequest& request);

  // Goes on with an operation of the action whose lease has ended, without a client (IDM-9). Pending: somebody holds
  // it, or nobody can tell yet. NOT_FOUND (what: operation). Blocks as Run does; thread safe.
  // `actor`: for audit rows.
  absl::StatusOr<OperationView> Recover(const Action& action, const std::string& entity_id,
                                        const std::string& operation_id, const std::string& actor);

 private:
  // One Run or Recover: the ids that it would claim with, so that a commit in doubt is recognized.
  struct Attempt {
    const Action& action;
    const WriteRequest& request;
    std::string operation_id;  // of a new operation, or of the one to recover
    bool recovers = false;
    std::string lease_owner;
    absl::StatusOr<provider::Provenance> provenance;
    bool consulted = false;
  };
  // The lease is ours, and this step is next.
  struct Held {
    Operation operation;
    NextStep next;
    Holding holding;
    bool taken_over = false;
  };
  // The operation ended before; nothing was written.
  struct Replayed {
    Answer answer;
    std::string operation_key;
  };
  using Opening = std::variant<Answer, Replayed, Consult, Held>;
  using Settlement = std::variant<Answer, NextStep>;

  Attempt NewAttempt(const Action& action, const WriteRequest& request);
  absl::StatusOr<Opening> Open(const Attempt& attempt);
  // The outcome of the key, if it has ended and still is the answer: read without a lock, so that a replay writes
  // nothing.
  absl::StatusOr<std::optional<Opening>> FindReplay(db::Tx& tx, const Attempt& attempt);
  absl::StatusOr<Opening> OpenUnderLock(const Attempt& attempt, const ActionContext& context, absl::Duration read_at);
  absl::StatusOr<Opening> OpenNew(const Attempt& attempt, const ActionContext& context, absl::Duration read_at);
  absl::StatusOr<Opening> Reopen(const Attempt& attempt, const ActionContext& context, const Operation& operation,
                                 absl::Duration read_at);
  absl::StatusOr<Opening> OpenExisting(const Attempt& attempt, const ActionContext& context, Operation operation,
                                       absl::Duration read_at);
  absl::StatusOr<Opening> Hold(const Attempt& attempt, const ActionContext& context, Operation operation,
                               bool taken_over, absl::Duration read_at);
  absl::Status Ask(const Attempt& attempt, const Consult& consult);
  absl::StatusOr<Answer> Drive(const Attempt& attempt, Held held);
  // Where another step follows, `held.operation` is as it was read under the lock.
  absl::StatusOr<Settlement> Settle(const Attempt& attempt, Held& held, const StepVerdict& verdict);
  absl::StatusOr<Settlement> SettleUnderFence(const Attempt& attempt, const ActionContext& context,
                                              const Operation& operation, const FrozenStep& step,
                                              const StepVerdict& verdict);
  absl::StatusOr<Settlement> EndWithheld(const Attempt& attempt, const ActionContext& context,
                                         const Operation& operation, const FrozenStep& step, Reason reason);
  absl::StatusOr<Settlement> End(const Attempt& attempt, db::Tx& tx, const Operation& operation,
                                 const Progress& progress);
  absl::StatusOr<Answer> LeavePending(const Attempt& attempt, const Operation& operation, std::string_view why);

  // Runs fn in a tenant transaction of the owner, with its lock taken first.
  using InContext = std::function<absl::Status(const ActionContext&)>;
  absl::Status WithEntityLocked(const Attempt& attempt, const InContext& fn);
  absl::Status LockAndRun(db::Tx& tx, const Attempt& attempt, const InContext& fn);
  // The operation's row before and after the change that is audited; null where it isn't there or doesn't change.
  struct Change {
    const Operation* before;
    const Operation* after;
  };
  absl::Status Audit(db::Tx& tx, const Attempt& attempt, const std::string& action, const Operation* operation,
                     std::string_view code, std::string_view why = "", const Change& change = {});
  Operation NewOperation(const Attempt& attempt, const Claim& claim) const;

  const Deps deps_;
  const StepRunner runner_;
};

}  // namespace billmesh::checkout
