#include "services/reconciler/operations_store.h"

#include "common/status/status.h"

namespace billmesh::reconciler {

absl::StatusOr<std::vector<DeadLetter>> ReadDeadLetters(db::Tx& tx, std::string_view env,
                                                        const std::optional<RowPlace>& after, int limit) {
  std::optional<absl::Time> after_time;
  std::optional<std::string> after_id;
  if (after.has_value()) {
    after_time = after->at;
    after_id = after->id;
  }
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT j.id, j.job_type, j.entity_id, j.attempts, coalesce(j.last_error, ''), j.created_at, j.finished_at
    FROM billing.outbox_jobs j
    WHERE j.env = $1 AND j.status = 'dead'
      AND ($2::timestamptz IS NULL OR (j.finished_at, j.id) < ($2::timestamptz, $3::uuid))
    ORDER BY j.finished_at DESC, j.id DESC
    LIMIT $4
  )sql",
                                                  {env, after_time, after_id, limit}));
  std::vector<DeadLetter> jobs;
  for (int n = 0; n < rows.size(); ++n) {
    const db::Row row = rows[n];
    jobs.push_back({row.Text(0), row.Text(1), row.OptText(2), row.Int(3), row.Text(4), row.Time(5), row.Time(6)});
  }
  return jobs;
}

absl::StatusOr<std::optional<RequeuedJob>> Requeue(db::Tx& tx, std::string_view env, std::string_view job_id) {
  ASSIGN_OR_RETURN(const db::Result changed, tx.Exec(R"sql(
    UPDATE billing.outbox_jobs j
    SET status = 'ready', attempts = 0, run_after = billing.now(), finished_at = NULL
    WHERE j.id = $2 AND j.env = $1 AND j.status = 'dead'
    RETURNING j.job_type, j.entity_id
  )sql",
                                                     {env, job_id}));
  if (!changed.empty()) return std::optional(RequeuedJob{changed[0].Text(0), changed[0].OptText(1), true});
  ASSIGN_OR_RETURN(const db::Result found, tx.Exec(R"sql(
    SELECT j.job_type, j.entity_id FROM billing.outbox_jobs j WHERE j.id = $2 AND j.env = $1
  )sql",
                                                   {env, job_id}));
  if (found.empty()) return std::optional<RequeuedJob>();
  return std::optional(RequeuedJob{found[0].Text(0), found[0].OptText(1), false});
}

}  // namespace billmesh::reconciler
