// The runs of scopes (REC-2, REC-4): rows of reconciliation_runs, with their lease and its fence
// (docs/decisions/0006-leases-are-columns.md). A run outlives its holder: it goes on from its stored cursor with the
// next one. System scope; never begins or commits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/lease/lease.h"
#include "services/reconciler/page_token.h"
#include "services/reconciler/run_tally.h"

namespace billmesh::reconciler {

// Of these, one run is active at a time.
struct RunKey {
  std::string env;
  std::string provider;
  std::string scope;
};

enum class RunStatus { kRunning, kDone, kFailed };

struct Run {
  std::string id;
  RunKey key;
  RunStatus status = RunStatus::kRunning;
  bool manual = false;       // or by the schedule
  std::string requested_by;  // manual ones: the actor, as the audit log has it
  std::string cursor;
  RunTally tally;
  std::string error;   // of failed ones
  lease::Lease lease;  // nobody's unless it is running
  absl::Time started_at;
  absl::Time updated_at;
  std::optional<absl::Time> finished_at;
};

// Whose lease, and how long.
struct RunHolder {
  std::string owner;
  absl::Duration lease;
};

// The active run, if nobody holds it: its holder's lease ended, it was let go, or asked for and not begun.
absl::StatusOr<std::optional<Run>> TakeRun(db::Tx& tx, const RunKey& key, const RunHolder& holder);
// A new run by the schedule, held at once; nullopt while one is active, or when one began less than `period` ago.
absl::StatusOr<std::optional<Run>> StartScheduledRun(db::Tx& tx, std::string_view id, const RunKey& key,
                                                     const RunHolder& holder, absl::Duration period);
// A new run that nobody holds yet; nullopt while one is active.
absl::StatusOr<std::optional<Run>> RequestRun(db::Tx& tx, std::string_view id, const RunKey& key,
                                              std::string_view requested_by);

// These write under the fence: false if the run is another's, or ended, and then nothing was written. A lease that
// ended and that nobody took is still the holder's.
//
// Stores cursor and tally and renews the lease.
absl::StatusOr<bool> StoreProgress(db::Tx& tx, const Run& run, absl::Duration lease);
// Stores cursor and tally and ends the run: done, or failed where there is an error.
absl::StatusOr<bool> FinishRun(db::Tx& tx, const Run& run, const std::optional<std::string>& error);
// Lets the run go, for anybody to take at once.
absl::StatusOr<bool> ReleaseRun(db::Tx& tx, const Run& run);

absl::StatusOr<std::optional<Run>> FindRun(db::Tx& tx, std::string_view id);
absl::StatusOr<std::optional<Run>> FindActiveRun(db::Tx& tx, const RunKey& key);
// When the last of its runs that is done came to its end; nullopt if none ever was.
absl::StatusOr<std::optional<absl::Time>> ReadLastDone(db::Tx& tx, const RunKey& key);
// Newest first, those after the given place; of one scope unless it's empty.
absl::StatusOr<std::vector<Run>> ReadRuns(db::Tx& tx, std::string_view env, std::string_view scope,
                                          const std::optional<RowPlace>& after, int limit);

}  // namespace billmesh::reconciler
