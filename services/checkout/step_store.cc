#include "services/checkout/step_store.h"

#include <array>
#include <string>
#include <utility>

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

#define STEP_COLUMNS                                                                                  \
  "s.id, s.entity_id, s.operation_id, s.ordinal, s.purpose, s.provider, s.provider_idempotency_key, " \
  "s.params, s.params_sha256, s.params_schema, s.provider_api_version, s.provider_account_id, "       \
  "s.client_name, s.client_version, s.frozen_at, s.replay_deadline_at, s.outcome, s.provider_object_id "

constexpr std::array<std::pair<std::string_view, StepOutcome>, 4> kOutcomes = {{
    {"pending", StepOutcome::kPending},
    {"succeeded", StepOutcome::kSucceeded},
    {"rejected", StepOutcome::kRejected},
    {"superseded", StepOutcome::kSuperseded},
}};

StepOutcome ParseOutcome(std::string_view name) {
  for (const auto& [known, outcome] : kOutcomes) {
    if (known == name) return outcome;
  }
  return StepOutcome::kPending;  // the column's CHECK admits no other word
}

FrozenStep ReadStep(const db::Row& row) {
  FrozenStep step;
  step.id = row.Text(0);
  step.entity_id = row.Text(1);
  step.operation_id = row.OptText(2);
  step.ordinal = row.Int(3);
  step.purpose = row.Text(4);
  step.idempotency_key = row.Text(6);
  step.params_json = row.Text(7);
  step.params_sha256 = row.Text(8);
  step.params_schema = row.Text(9);
  step.provenance = {row.Text(5), row.Text(10), row.Text(11), row.Text(12), row.Text(13)};
  step.frozen_at = row.Time(14);
  step.replay_deadline_at = row.Time(15);
  step.outcome = ParseOutcome(row.View(16));
  step.provider_object_id = row.OptText(17).value_or("");
  return step;
}

absl::StatusOr<std::optional<FrozenStep>> AtMostOne(absl::StatusOr<db::Result> rows) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<FrozenStep>();
  return std::optional<FrozenStep>(ReadStep((*rows)[0]));
}

}  // namespace

absl::Status InsertStep(db::Tx& tx, const FrozenStep& step) {
  const provider::Provenance& p = step.provenance;
  return tx
      .Exec(R"sql(
    INSERT INTO billing.provider_steps (
      id, entity_id, operation_id, ordinal, purpose, provider, provider_idempotency_key, params,
      params_sha256, params_schema, provider_api_version, provider_account_id, client_name,
      client_version, frozen_at, replay_deadline_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
  )sql",
            {step.id, step.entity_id, step.operation_id, step.ordinal, step.purpose, p.provider, step.idempotency_key,
             step.params_json, step.params_sha256, step.params_schema, p.api_version, p.account_id, p.client_name,
             p.client_version, step.frozen_at, step.replay_deadline_at})
      .status();
}

absl::StatusOr<std::optional<FrozenStep>> LastStepOf(db::Tx& tx, std::string_view operation_id) {
  return AtMostOne(tx.Exec("SELECT " STEP_COLUMNS R"sql(
    FROM billing.provider_steps s
    WHERE s.operation_id = $1
    ORDER BY s.ordinal DESC
    LIMIT 1
  )sql",
                           {operation_id}));
}

absl::StatusOr<std::optional<FrozenStep>> PendingEntityStep(db::Tx& tx, std::string_view entity_id,
                                                            std::string_view provider) {
  return AtMostOne(tx.Exec("SELECT " STEP_COLUMNS R"sql(
    FROM billing.provider_steps s
    WHERE s.entity_id = $1 AND s.provider = $2 AND s.operation_id IS NULL AND s.outcome = 'pending'
  )sql",
                           {entity_id, provider}));
}

absl::StatusOr<int64_t> CountEntitySteps(db::Tx& tx, std::string_view entity_id, std::string_view provider) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT count(*)
    FROM billing.provider_steps s
    WHERE s.entity_id = $1 AND s.provider = $2 AND s.operation_id IS NULL
  )sql",
                                                  {entity_id, provider}));
  return rows[0].Int(0);
}

absl::Status SucceedStep(db::Tx& tx, const FrozenStep& step, std::string_view provider_object_id) {
  return tx
      .Exec(R"sql(
    UPDATE billing.provider_steps s
    SET outcome = 'succeeded', provider_object_id = $2, completed_at = billing.now()
    WHERE s.id = $1 AND s.outcome = 'pending'
  )sql",
            {step.id, provider_object_id})
      .status();
}

absl::Status RejectStep(db::Tx& tx, const FrozenStep& step, std::string_view detail) {
  return tx
      .Exec(R"sql(
    UPDATE billing.provider_steps s
    SET outcome = 'rejected', error_detail = $2, completed_at = billing.now()
    WHERE s.id = $1 AND s.outcome = 'pending'
  )sql",
            {step.id, detail})
      .status();
}

absl::Status SupersedeStep(db::Tx& tx, const FrozenStep& step) {
  return tx
      .Exec(R"sql(
    UPDATE billing.provider_steps s
    SET outcome = 'superseded', completed_at = billing.now()
    WHERE s.id = $1 AND s.outcome = 'pending'
  )sql",
            {step.id})
      .status();
}

#undef STEP_COLUMNS

}  // namespace billmesh::checkout
