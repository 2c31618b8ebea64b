// The outbox: side effects promised by a transaction and done later by a worker, at least once, in the order of
// run_after. Jobs are deterministic by dedupe key: enqueuing the same work twice keeps one row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"

namespace billmesh::outbox {

// Job types (REC-6).
inline constexpr char kExpireCheckoutSession[] = "expire_checkout_session";
// Fetch an object anew and project it: "refresh_" and its kind (common/provider/object_format.h), for example
// refresh_subscription, refresh_invoice. Payload: common/outbox/refresh_job.h.
inline constexpr char kRefreshPrefix[] = "refresh_";

struct NewJob {
  std::string env;
  std::optional<std::string> entity_id;
  std::string job_type;
  std::string dedupe_key;
  // A JSON object.
  std::string payload_json;
  // Not before this long from now.
  absl::Duration delay = absl::ZeroDuration();
};

// Enqueues in the caller's transaction. True if the job is new.
absl::StatusOr<bool> Enqueue(db::Tx& tx, IdGenerator& ids, const NewJob& job);
// The same for several, in one statement. How many are new.
absl::StatusOr<int64_t> EnqueueAll(db::Tx& tx, IdGenerator& ids, const std::vector<NewJob>& jobs);

// A leased job. lease_version is its fence (IDM-13): outcomes are written only while it still holds.
struct Job {
  std::string id;
  std::string env;
  std::optional<std::string> entity_id;
  std::string job_type;
  std::string dedupe_key;
  std::string payload_json;
  int64_t attempts;  // this one included
  int64_t lease_version;
  absl::Time lease_until;
  absl::Time created_at;
};

// Leases up to `limit` due jobs of this env, those of dead holders included (SKIP LOCKED).
absl::StatusOr<std::vector<Job>> Lease(db::Tx& tx, std::string_view env, std::string_view owner, absl::Duration lease,
                                       int limit);
// Each writes the outcome under the fence; false if the lease was lost, and then nothing was written.
absl::StatusOr<bool> Complete(db::Tx& tx, const Job& job);
absl::StatusOr<bool> Retry(db::Tx& tx, const Job& job, absl::Duration backoff, std::string_view error);
absl::StatusOr<bool> Bury(db::Tx& tx, const Job& job, std::string_view error);

// Depth and age for metrics.
struct Stats {
  int64_t ready = 0;
  int64_t leased = 0;
  int64_t dead = 0;
  absl::Duration oldest_due;  // zero if nothing is due
};
absl::StatusOr<Stats> ReadStats(db::Tx& tx, std::string_view env);

}  // namespace billmesh::outbox
