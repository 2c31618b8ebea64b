// Reading the change feed, with everything else that the daemon polls for, in one statement.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/entitlements/feed_cursor.h"

namespace billmesh::entitlements {

// Rows of each of the two parts of a page.
inline constexpr int kMaxFeedRows = 2000;

struct PolledFeed {
  FeedPage page;
  int64_t catalog_revision = 0;
  absl::Time now;  // billing.now()
};

// What is above the cursor and inside its gaps, all in one snapshot.
absl::StatusOr<PolledFeed> ReadFeed(db::Tx& tx, int64_t above, const std::vector<FeedGap>& gaps);

// Where a cursor begins.
struct FeedStart {
  FeedSnapshot snapshot;
  int64_t max_seq = 0;
  std::vector<int64_t> recent;  // visible numbers of the last FeedCursor::kStartWindow, ascending
};
absl::StatusOr<FeedStart> ReadFeedStart(db::Tx& tx);

}  // namespace billmesh::entitlements
