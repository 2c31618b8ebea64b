#include "services/reconciler/run_store.h"

#include <utility>

#include "common/status/status.h"

namespace billmesh::reconciler {
namespace {

// The columns of every SELECT and RETURNING here, in the order that ReadRun takes them.
#define RUN_COLUMNS                                                                              \
  "r.id, r.env, r.provider, r.scope, r.status, r.trigger, r.requested_by, r.cursor, r.scanned, " \
  "r.drifted, r.repaired, r.failed, r.samples, r.error, r.lease_owner, r.lease_until, "          \
  "r.lease_version, r.started_at, r.updated_at, r.finished_at "

RunStatus ParseStatus(std::string_view name) {
  if (name == "done") return RunStatus::kDone;
  return name == "failed" ? RunStatus::kFailed : RunStatus::kRunning;  // the column's CHECK admits no other word
}

absl::StatusOr<Run> ReadRun(const db::Row& row) {
  Run run;
  run.id = row.Text(0);
  run.key = {row.Text(1), row.Text(2), row.Text(3)};
  run.status = ParseStatus(row.View(4));
  run.manual = row.View(5) == "manual";
  run.requested_by = row.OptText(6).value_or("");
  run.cursor = row.Text(7);
  run.tally = {row.Int(8), row.Int(9), row.Int(10), row.Int(11), {}};
  ASSIGN_OR_RETURN(run.tally.samples, SamplesFromJson(row.View(12)));
  run.error = row.OptText(13).value_or("");
  run.lease = {.owner = row.OptText(14).value_or(""),
               .version = row.Int(16),
               .until = row.OptTime(15).value_or(absl::InfinitePast())};
  run.started_at = row.Time(17);
  run.updated_at = row.Time(18);
  run.finished_at = row.OptTime(19);
  return run;
}

absl::StatusOr<std::optional<Run>> AtMostOne(absl::StatusOr<db::Result> rows) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<Run>();
  ASSIGN_OR_RETURN(Run run, ReadRun((*rows)[0]));
  return std::optional<Run>(std::move(run));
}

absl::StatusOr<bool> Fenced(absl::StatusOr<db::Result> result) {
  if (!result.ok()) return result.status();
  return result->affected() == 1;
}

}  // namespace

absl::StatusOr<std::optional<Run>> TakeRun(db::Tx& tx, const RunKey& key, const RunHolder& holder) {
  return AtMostOne(tx.Exec(R"sql(
    UPDATE billing.reconciliation_runs r
    SET lease_owner = $4, lease_until = billing.now() + $5::interval, lease_version = r.lease_version + 1,
        updated_at = billing.now()
    WHERE r.env = $1 AND r.provider = $2 AND r.scope = $3 AND r.status = 'running'
      AND (r.lease_until IS NULL OR r.lease_until <= billing.now())
    RETURNING )sql" RUN_COLUMNS,
                           {key.env, key.provider, key.scope, holder.owner, db::Param::Interval(holder.lease)}));
}

absl::StatusOr<std::optional<Run>> StartScheduledRun(db::Tx& tx, std::string_view id, const RunKey& key,
                                                     const RunHolder& holder, absl::Duration period) {
  return AtMostOne(tx.Exec(R"sql(
    INSERT INTO billing.reconciliation_runs AS r (id, env, provider, scope, trigger, lease_owner, lease_until,
                                                  lease_version)
    SELECT $1::uuid, $2::text, $3::text, $4::text, 'schedule', $5::text, billing.now() + $6::interval, 1
    WHERE NOT EXISTS (SELECT 1 FROM billing.reconciliation_runs p
                      WHERE p.env = $2 AND p.provider = $3 AND p.scope = $4
                        AND p.started_at > billing.now() - $7::interval)
    ON CONFLICT (env, provider, scope) WHERE status = 'running' DO NOTHING
    RETURNING )sql" RUN_COLUMNS,
                           {id, key.env, key.provider, key.scope, holder.owner, db::Param::Interval(holder.lease),
                            db::Param::Interval(period)}));
}

absl::StatusOr<std::optional<Run>> RequestRun(db::Tx& tx, std::string_view id, const RunKey& key,
                                              std::string_view requested_by) {
  return AtMostOne(tx.Exec(R"sql(
    INSERT INTO billing.reconciliation_runs AS r (id, env, provider, scope, trigger, requested_by)
    VALUES ($1, $2, $3, $4, 'manual', $5)
    ON CONFLICT (env, provider, scope) WHERE status = 'running' DO NOTHING
    RETURNING )sql" RUN_COLUMNS,
                           {id, key.env, key.provider, key.scope, requested_by}));
}

absl::StatusOr<bool> StoreProgress(db::Tx& tx, const Run& run, absl::Duration lease) {
  return Fenced(
      tx.Exec(R"sql(
    UPDATE billing.reconciliation_runs r
    SET cursor = $3, scanned = $4, drifted = $5, repaired = $6, failed = $7, samples = $8,
        lease_until = billing.now() + $9::interval, updated_at = billing.now()
    WHERE r.id = $1 AND r.status = 'running' AND r.lease_version = $2 AND r.lease_owner IS NOT NULL
  )sql",
              {run.id, run.lease.version, run.cursor, run.tally.scanned, run.tally.drifted, run.tally.repaired,
               run.tally.failed, SamplesToJson(run.tally.samples), db::Param::Interval(lease)}));
}

absl::StatusOr<bool> FinishRun(db::Tx& tx, const Run& run, const std::optional<std::string>& error) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.reconciliation_runs r
    SET status = CASE WHEN $9::text IS NULL THEN 'done' ELSE 'failed' END, error = $9,
        cursor = $3, scanned = $4, drifted = $5, repaired = $6, failed = $7, samples = $8,
        lease_owner = NULL, lease_until = NULL, updated_at = billing.now(), finished_at = billing.now()
    WHERE r.id = $1 AND r.status = 'running' AND r.lease_version = $2 AND r.lease_owner IS NOT NULL
  )sql",
                        {run.id, run.lease.version, run.cursor, run.tally.scanned, run.tally.drifted,
                         run.tally.repaired, run.tally.failed, SamplesToJson(run.tally.samples), error}));
}

absl::StatusOr<bool> ReleaseRun(db::Tx& tx, const Run& run) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.reconciliation_runs r
    SET lease_owner = NULL, lease_until = NULL, updated_at = billing.now()
    WHERE r.id = $1 AND r.status = 'running' AND r.lease_version = $2 AND r.lease_owner IS NOT NULL
  )sql",
                        {run.id, run.lease.version}));
}

absl::StatusOr<std::optional<Run>> FindRun(db::Tx& tx, std::string_view id) {
  return AtMostOne(tx.Exec("SELECT " RUN_COLUMNS "FROM billing.reconciliation_runs r WHERE r.id = $1", {id}));
}

absl::StatusOr<std::optional<Run>> FindActiveRun(db::Tx& tx, const RunKey& key) {
  return AtMostOne(tx.Exec("SELECT " RUN_COLUMNS R"sql(
    FROM billing.reconciliation_runs r
    WHERE r.env = $1 AND r.provider = $2 AND r.scope = $3 AND r.status = 'running'
  )sql",
                           {key.env, key.provider, key.scope}));
}

absl::StatusOr<std::optional<absl::Time>> ReadLastDone(db::Tx& tx, const RunKey& key) {
  // One run of a scope is active at a time: the last to begin is the last to end.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT r.finished_at
    FROM billing.reconciliation_runs r
    WHERE r.env = $1 AND r.provider = $2 AND r.scope = $3 AND r.status = 'done'
    ORDER BY r.started_at DESC, r.id DESC
    LIMIT 1
  )sql",
                                                  {key.env, key.provider, key.scope}));
  if (rows.empty()) return std::optional<absl::Time>();
  return rows[0].OptTime(0);
}

absl::StatusOr<std::vector<Run>> ReadRuns(db::Tx& tx, std::string_view env, std::string_view scope,
                                          const std::optional<RowPlace>& after, int limit) {
  std::optional<absl::Time> after_time;
  std::optional<std::string> after_id;
  if (after.has_value()) {
    after_time = after->at;
    after_id = after->id;
  }
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec("SELECT " RUN_COLUMNS R"sql(
    FROM billing.reconciliation_runs r
    WHERE r.env = $1 AND ($2 = '' OR r.scope = $2)
      AND ($3::timestamptz IS NULL OR (r.started_at, r.id) < ($3::timestamptz, $4::uuid))
    ORDER BY r.started_at DESC, r.id DESC
    LIMIT $5
  )sql",
                                                  {env, scope, after_time, after_id, limit}));
  std::vector<Run> runs;
  for (int n = 0; n < rows.size(); ++n) {
    ASSIGN_OR_RETURN(Run run, ReadRun(rows[n]));
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace billmesh::reconciler
