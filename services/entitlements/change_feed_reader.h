// One pass over the change feed: what changed since the last pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/time/clock.h"
#include "services/entitlements/feed_cursor.h"

namespace billmesh::entitlements {

class ChangeFeedReader {
 public:
  // More gaps than this are not followed one by one.
  static constexpr size_t kMaxGaps = 1000;

  // Both must outlive the reader.
  ChangeFeedReader(db::Pool& pool, Clock& clock) : pool_(pool), clock_(clock), cursor_(kMaxGaps) {}

  struct Pass {
    FeedCursor::Step step;
    int64_t catalog_revision = 0;
    // The database's time, and our monotonic time of that instant, to half a round trip.
    absl::Time database_now;
    absl::Duration monotonic;
  };
  // Reads on from the cursor, which moves only when the pass succeeds: after an outage it continues where it was.
  // Blocks. From one thread.
  absl::StatusOr<Pass> Run();
  size_t gaps() const { return cursor_.gaps().size(); }

 private:
  db::Pool& pool_;
  Clock& clock_;
  FeedCursor cursor_;
};

}  // namespace billmesh::entitlements
