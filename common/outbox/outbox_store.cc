#include "common/outbox/outbox_store.h"

#include "common/status/status.h"

namespace billmesh::outbox {
namespace {

// An outcome is written only while the lease that it was earned under still holds (IDM-13).
absl::StatusOr<bool> Fenced(absl::StatusOr<db::Result> result) {
  if (!result.ok()) return result.status();
  return result->affected() == 1;
}

}  // namespace

absl::StatusOr<bool> Enqueue(db::Tx& tx, IdGenerator& ids, const NewJob& job) {
  ASSIGN_OR_RETURN(const int64_t enqueued, EnqueueAll(tx, ids, {job}));
  return enqueued == 1;
}

absl::StatusOr<int64_t> EnqueueAll(db::Tx& tx, IdGenerator& ids, const std::vector<NewJob>& jobs) {
  if (jobs.empty()) return 0;
  std::vector<std::string> id, env, type, key, payload;
  std::vector<std::optional<std::string>> entity;
  std::vector<int64_t> delay_us;
  for (const NewJob& job : jobs) {
    id.push_back(ids.NewId());
    env.push_back(job.env);
    entity.push_back(job.entity_id);
    type.push_back(job.job_type);
    key.push_back(job.dedupe_key);
    payload.push_back(job.payload_json);
    delay_us.push_back(absl::ToInt64Microseconds(job.delay));
  }
  // In the order of their keys, so that two who enqueue the same jobs never wait for each other.
  ASSIGN_OR_RETURN(const db::Result inserted,
                   tx.Exec(R"sql(
    INSERT INTO billing.outbox_jobs (id, env, entity_id, job_type, dedupe_key, payload, run_after)
    SELECT v.id, v.env, v.entity_id, v.job_type, v.dedupe_key, v.payload::jsonb,
           billing.now() + v.delay_us * interval '1 microsecond'
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[])
      AS v (id, env, entity_id, job_type, dedupe_key, payload, delay_us)
    ORDER BY v.dedupe_key
    ON CONFLICT ON CONSTRAINT outbox_jobs_dedupe_key_key DO NOTHING
  )sql",
                           {db::Param::UuidArray(id), db::Param::TextArray(env), db::Param::UuidArray(entity),
                            db::Param::TextArray(type), db::Param::TextArray(key), db::Param::TextArray(payload),
                            db::Param::IntArray(delay_us)}));
  return inserted.affected();
}

absl::StatusOr<std::vector<Job>> Lease(db::Tx& tx, std::string_view env, std::string_view owner, absl::Duration lease,
                                       int limit) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    WITH due AS (
      SELECT j.id
      FROM billing.outbox_jobs j
      WHERE j.env = $1
        AND ((j.status = 'ready' AND j.run_after <= billing.now())
             OR (j.status = 'leased' AND j.lease_until <= billing.now()))
      ORDER BY j.run_after
      LIMIT $4
      FOR UPDATE SKIP LOCKED
    )
    UPDATE billing.outbox_jobs j
    SET status = 'leased', lease_owner = $2, lease_until = billing.now() + $3::interval,
        lease_version = j.lease_version + 1, attempts = j.attempts + 1
    FROM due
    WHERE j.id = due.id
    RETURNING j.id, j.env, j.entity_id, j.job_type, j.dedupe_key, j.payload, j.attempts, j.lease_version, j.lease_until,
              j.created_at
  )sql",
                                                  {env, owner, db::Param::Interval(lease), limit}));
  std::vector<Job> jobs;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    jobs.push_back({row.Text(0), row.Text(1), row.OptText(2), row.Text(3), row.Text(4), row.Text(5), row.Int(6),
                    row.Int(7), row.Time(8), row.Time(9)});
  }
  return jobs;
}

absl::StatusOr<bool> Complete(db::Tx& tx, const Job& job) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.outbox_jobs j
    SET status = 'done', finished_at = billing.now(), lease_owner = NULL, lease_until = NULL, last_error = NULL
    WHERE j.id = $1 AND j.status = 'leased' AND j.lease_version = $2
  )sql",
                        {job.id, job.lease_version}));
}

absl::StatusOr<bool> Retry(db::Tx& tx, const Job& job, absl::Duration backoff, std::string_view error) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.outbox_jobs j
    SET status = 'ready', run_after = billing.now() + $3::interval, lease_owner = NULL, lease_until = NULL, last_error = $4
    WHERE j.id = $1 AND j.status = 'leased' AND j.lease_version = $2
  )sql",
                        {job.id, job.lease_version, db::Param::Interval(backoff), error}));
}

absl::StatusOr<bool> Bury(db::Tx& tx, const Job& job, std::string_view error) {
  return Fenced(tx.Exec(R"sql(
    UPDATE billing.outbox_jobs j
    SET status = 'dead', finished_at = billing.now(), lease_owner = NULL, lease_until = NULL, last_error = $3
    WHERE j.id = $1 AND j.status = 'leased' AND j.lease_version = $2
  )sql",
                        {job.id, job.lease_version, error}));
}

absl::StatusOr<Stats> ReadStats(db::Tx& tx, std::string_view env) {
  // Each branch has an index of its own: those that are done, nearly all, are not looked at.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT count(*) FILTER (WHERE j.status = 'ready'),
           count(*) FILTER (WHERE j.status = 'leased'),
           count(*) FILTER (WHERE j.status = 'dead'),
           coalesce(extract(epoch FROM billing.now() - min(j.run_after)
                            FILTER (WHERE j.status = 'ready' AND j.run_after <= billing.now())) * 1000, 0)::bigint
    FROM (SELECT r.status, r.env, r.run_after FROM billing.outbox_jobs r WHERE r.status = 'ready'
          UNION ALL
          SELECT l.status, l.env, l.run_after FROM billing.outbox_jobs l WHERE l.status = 'leased'
          UNION ALL
          SELECT d.status, d.env, d.run_after FROM billing.outbox_jobs d WHERE d.status = 'dead') j
    WHERE j.env = $1
  )sql",
                                                  {env}));
  const db::Row row = rows[0];
  return Stats{row.Int(0), row.Int(1), row.Int(2), absl::Milliseconds(row.Int(3))};
}

}  // namespace billmesh::outbox
