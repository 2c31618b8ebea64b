// Rows of request_idempotency. All functions take an open transaction, and never begin or commit one; it
// holds the entity's lock (CHK-7), but for those that only read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/checkout/operation.h"

namespace billmesh::checkout {

// Each locks the row that it finds until the transaction ends.
absl::StatusOr<std::optional<Operation>> LockOperationByKey(db::Tx& tx, std::string_view entity_id,
                                                            std::string_view action, std::string_view client_key);
absl::StatusOr<std::optional<Operation>> LockOperation(db::Tx& tx, std::string_view id);

// Each reads without locking, for answers.
absl::StatusOr<std::optional<Operation>> FindOperationByKey(db::Tx& tx, std::string_view entity_id,
                                                            std::string_view action, std::string_view client_key);
absl::StatusOr<std::optional<Operation>> FindOperation(db::Tx& tx, std::string_view entity_id, std::string_view action,
                                                       std::string_view id);
// Whose an operation is. In a transaction of the system scope: the caller doesn't know the entity yet.
struct OperationOwner {
  std::string entity_id;
  std::string action;
};
absl::StatusOr<std::optional<OperationOwner>> FindOperationOwner(db::Tx& tx, std::string_view env, std::string_view id);
// The id of the entity's pending operation of this action, if there is one (CHK-2).
absl::StatusOr<std::optional<std::string>> FindPendingOperation(db::Tx& tx, std::string_view entity_id,
                                                                std::string_view action);

// Inserts a pending operation whose lease ends `lease` from now; the row's lease fields and times are the
// database's. Returns it as stored.
absl::StatusOr<Operation> ClaimOperation(db::Tx& tx, const Operation& claim, absl::Duration lease);

// R1: takes over the lease of a pending operation, raises the fence, counts the attempt (IDM-9).
absl::StatusOr<Operation> TakeOverOperation(db::Tx& tx, std::string_view id, std::string_view lease_owner,
                                            absl::Duration lease);

// Makes a succeeded operation pending again under a new lease: its answer is no longer good.
absl::StatusOr<Operation> ReopenOperation(db::Tx& tx, const Operation& operation, std::string_view lease_owner,
                                          absl::Duration lease);

// IDM-5, IDM-6: copies of what was frozen, for whoever watches deadlines. The bound is a checkout session's.
absl::Status SetDeadlines(db::Tx& tx, const Operation& operation, absl::Time replay_deadline,
                          std::optional<absl::Time> session_expires_at_upper_bound);

// Each ends the operation under the fence; LEASE_LOST when it isn't pending any more or has another
// lease_version, and then nothing was written.
absl::Status SucceedOperation(db::Tx& tx, const Operation& operation, std::string_view response);
// `status`: failed or expired.
absl::Status FailOperation(db::Tx& tx, const Operation& operation, OperationStatus status,
                           std::string_view failure_code);

}  // namespace billmesh::checkout
