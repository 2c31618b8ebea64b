#include "services/checkout/idempotency_store.h"

#include <utility>

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

// The columns of every SELECT and RETURNING here, in the order that ReadOperation takes them.
#define OPERATION_COLUMNS                                                                  \
  "o.id, o.env, o.entity_id, o.action, o.client_key, o.fingerprint, o.canonical_request, " \
  "o.operation_key, o.actor, o.status, o.lease_owner, o.lease_until, o.lease_version, "    \
  "o.failure_code, o.response, o.provider, o.plan_code, o.plan_version, "                  \
  "o.provider_checkout_session_expires_at_upper_bound, o.created_at, "                     \
  "o.provider_idempotency_replay_deadline_at, o.recovery_attempts, o.completed_at "

Operation ReadOperation(const db::Row& row) {
  Operation operation;
  operation.id = row.Text(0);
  operation.env = row.Text(1);
  operation.entity_id = row.Text(2);
  operation.action = row.Text(3);
  operation.client_key = row.Text(4);
  operation.fingerprint = row.Text(5);
  operation.canonical_request = row.Text(6);
  operation.operation_key = row.Text(7);
  operation.actor = row.Text(8);
  // The column's CHECK admits no other word.
  operation.status = ParseOperationStatus(row.View(9)).value_or(OperationStatus::kPending);
  operation.lease = {.owner = row.OptText(10).value_or(""),
                     .version = row.Int(12),
                     .until = row.OptTime(11).value_or(absl::InfinitePast())};
  operation.failure_code = row.OptText(13).value_or("");
  operation.response = row.OptText(14).value_or("");
  operation.provider = row.Text(15);
  operation.plan_code = row.OptText(16).value_or("");
  operation.plan_version = row.OptInt(17).value_or(0);
  operation.session_expires_at_upper_bound = row.OptTime(18);
  operation.created_at = row.Time(19);
  operation.replay_deadline_at = row.OptTime(20);
  operation.recovery_attempts = row.Int(21);
  operation.completed_at = row.OptTime(22);
  return operation;
}

absl::StatusOr<std::optional<Operation>> OperationOf(absl::StatusOr<db::Result> rows) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<Operation>();
  return std::optional<Operation>(ReadOperation((*rows)[0]));
}

absl::Status Fenced(const absl::StatusOr<db::Result>& result, const Operation& operation) {
  if (!result.ok()) return result.status();
  if (result->affected() == 1) return absl::OkStatus();
  return Fail(Reason::FAILURE_REASON_LEASE_LOST, "another holder has this operation", {{"operation", operation.id}});
}

}  // namespace

absl::StatusOr<std::optional<Operation>> LockOperationByKey(db::Tx& tx, std::string_view entity_id,
                                                            std::string_view action, std::string_view client_key) {
  return OperationOf(tx.Exec("SELECT " OPERATION_COLUMNS R"sql(
    FROM billing.request_idempotency o
    WHERE o.entity_id = $1 AND o.action = $2 AND o.client_key = $3
    FOR UPDATE
  )sql",
                             {entity_id, action, client_key}));
}

absl::StatusOr<std::optional<Operation>> FindOperationByKey(db::Tx& tx, std::string_view entity_id,
                                                            std::string_view action, std::string_view client_key) {
  return OperationOf(tx.Exec("SELECT " OPERATION_COLUMNS R"sql(
    FROM billing.request_idempotency o
    WHERE o.entity_id = $1 AND o.action = $2 AND o.client_key = $3
  )sql",
                             {entity_id, action, client_key}));
}

absl::StatusOr<std::optional<Operation>> LockOperation(db::Tx& tx, std::string_view id) {
  return OperationOf(tx.Exec("SELECT " OPERATION_COLUMNS R"sql(
    FROM billing.request_idempotency o
    WHERE o.id = $1
    FOR UPDATE
  )sql",
                             {id}));
}

absl::StatusOr<std::optional<Operation>> FindOperation(db::Tx& tx, std::string_view entity_id, std::string_view action,
                                                       std::string_view id) {
  return OperationOf(tx.Exec("SELECT " OPERATION_COLUMNS R"sql(
    FROM billing.request_idempotency o
    WHERE o.id = $1 AND o.entity_id = $2 AND o.action = $3
  )sql",
                             {id, entity_id, action}));
}

absl::StatusOr<std::optional<OperationOwner>> FindOperationOwner(db::Tx& tx, std::string_view env,
                                                                 std::string_view id) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT o.entity_id, o.action
    FROM billing.request_idempotency o
    WHERE o.id = $1 AND o.env = $2
  )sql",
                                                  {id, env}));
  if (rows.empty()) return std::optional<OperationOwner>();
  return std::optional<OperationOwner>({rows[0].Text(0), rows[0].Text(1)});
}

absl::StatusOr<std::optional<std::string>> FindPendingOperation(db::Tx& tx, std::string_view entity_id,
                                                                std::string_view action) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT o.id
    FROM billing.request_idempotency o
    WHERE o.entity_id = $1 AND o.action = $2 AND o.status = 'pending'
    ORDER BY o.created_at
    LIMIT 1
  )sql",
                                                  {entity_id, action}));
  if (rows.empty()) return std::optional<std::string>();
  return std::optional<std::string>(rows[0].Text(0));
}

absl::StatusOr<Operation> ClaimOperation(db::Tx& tx, const Operation& claim, absl::Duration lease) {
  std::optional<std::string> plan_code;
  std::optional<int64_t> plan_version;
  if (!claim.plan_code.empty()) {
    plan_code = claim.plan_code;
    plan_version = claim.plan_version;
  }
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(R"sql(
    INSERT INTO billing.request_idempotency AS o (
      id, env, entity_id, action, client_key, fingerprint, canonical_request, operation_key, actor,
      lease_owner, lease_until, provider, plan_code, plan_version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, billing.now() + $11::interval, $12, $13, $14)
    RETURNING )sql" OPERATION_COLUMNS,
                           {claim.id, claim.env, claim.entity_id, claim.action, claim.client_key, claim.fingerprint,
                            claim.canonical_request, claim.operation_key, claim.actor, claim.lease.owner,
                            db::Param::Interval(lease), claim.provider, plan_code, plan_version}));
  return ReadOperation(rows[0]);
}

absl::StatusOr<Operation> TakeOverOperation(db::Tx& tx, std::string_view id, std::string_view lease_owner,
                                            absl::Duration lease) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    UPDATE billing.request_idempotency o
    SET lease_owner = $2, lease_until = billing.now() + $3::interval, lease_version = o.lease_version + 1,
        recovery_attempts = o.recovery_attempts + 1, updated_at = billing.now()
    WHERE o.id = $1 AND o.status = 'pending' AND (o.lease_until IS NULL OR o.lease_until <= billing.now())
    RETURNING )sql" OPERATION_COLUMNS,
                                                  {id, lease_owner, db::Param::Interval(lease)}));
  if (rows.empty()) {
    return Fail(Reason::FAILURE_REASON_LEASE_LOST, "another holder has this operation",
                {{"operation", std::string(id)}});
  }
  return ReadOperation(rows[0]);
}

absl::StatusOr<Operation> ReopenOperation(db::Tx& tx, const Operation& operation, std::string_view lease_owner,
                                          absl::Duration lease) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(R"sql(
    UPDATE billing.request_idempotency o
    SET status = 'pending', response = NULL, completed_at = NULL, recovery_attempts = 0, lease_owner = $3,
        lease_until = billing.now() + $4::interval, lease_version = o.lease_version + 1, updated_at = billing.now()
    WHERE o.id = $1 AND o.status = 'succeeded' AND o.lease_version = $2
    RETURNING )sql" OPERATION_COLUMNS,
                           {operation.id, operation.lease.version, lease_owner, db::Param::Interval(lease)}));
  if (rows.empty()) {
    return Fail(Reason::FAILURE_REASON_LEASE_LOST, "another holder has this operation", {{"operation", operation.id}});
  }
  return ReadOperation(rows[0]);
}

absl::Status SetDeadlines(db::Tx& tx, const Operation& operation, absl::Time replay_deadline,
                          std::optional<absl::Time> session_expires_at_upper_bound) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.request_idempotency o
    SET provider_idempotency_replay_deadline_at = $3,
        provider_checkout_session_expires_at_upper_bound = $4, updated_at = billing.now()
    WHERE o.id = $1 AND o.status = 'pending' AND o.lease_version = $2
  )sql",
                        {operation.id, operation.lease.version, replay_deadline, session_expires_at_upper_bound}),
                operation);
}

absl::Status SucceedOperation(db::Tx& tx, const Operation& operation, std::string_view response) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.request_idempotency o
    SET status = 'succeeded', response = $3, lease_owner = NULL, lease_until = NULL,
        completed_at = billing.now(), updated_at = billing.now()
    WHERE o.id = $1 AND o.status = 'pending' AND o.lease_version = $2
  )sql",
                        {operation.id, operation.lease.version, response}),
                operation);
}

absl::Status FailOperation(db::Tx& tx, const Operation& operation, OperationStatus status,
                           std::string_view failure_code) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.request_idempotency o
    SET status = $4, failure_code = $3, lease_owner = NULL, lease_until = NULL,
        completed_at = billing.now(), updated_at = billing.now()
    WHERE o.id = $1 AND o.status = 'pending' AND o.lease_version = $2
  )sql",
                        {operation.id, operation.lease.version, failure_code, NameOf(status)}),
                operation);
}

#undef OPERATION_COLUMNS

}  // namespace billmesh::checkout
