// Which rows of the change feed were seen, apart from any I/O.
//
// Numbers are drawn before transactions commit, so a later number may become visible first. Every row is handed on as
// soon as it is seen; a number that is missing below the highest one seen is a gap, asked for again until no
// transaction that might still fill it is running: once pg_snapshot_xmin has reached the pg_snapshot_xmax of when the
// gap was noticed, every transaction that could have drawn the number is over. (A writer of the feed holds a
// transaction id when it draws its number: it has locked or written its entity's row before.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace billmesh::entitlements {

struct FeedRow {
  int64_t seq = 0;
  std::string entity_id;
  int64_t revision = 0;
  absl::Time created_at;
};

// pg_current_snapshot() of the statement that read the rows.
struct FeedSnapshot {
  int64_t xmin = 0;
  int64_t xmax = 0;
};

// Numbers first … last, none of them seen when it was noticed.
struct FeedGap {
  int64_t first = 0;
  int64_t last = 0;
  int64_t noticed_xmax = 0;
};

// What one statement found: all rows above `above`, and all rows inside the gaps, in the order of seq.
struct FeedPage {
  FeedSnapshot snapshot;
  std::vector<FeedRow> rows;
  // The highest number that is visible at all; 0 in an empty feed.
  int64_t max_seq = 0;
  // The statement's row limit cut the rows above the cursor, or those inside the gaps, short.
  bool tail_cut = false;
  bool gaps_cut = false;
};

class FeedCursor {
 public:
  // How far back of its starting point a cursor looks for numbers that are still to be filled.
  static constexpr int64_t kStartWindow = 1000;

  explicit FeedCursor(size_t max_gaps) : max_gaps_(max_gaps) {}

  bool started() const { return started_; }
  // Begins after max_seq. `recent` are the numbers in (max_seq - kStartWindow, max_seq] that are visible, ascending.
  // Changes older than that which are still uncommitted are covered by a reload of everything, once they can't be
  // running any more.
  void Start(int64_t max_seq, const FeedSnapshot& snapshot, const std::vector<int64_t>& recent);

  // The next page is to hold rows above this number, and rows inside these gaps.
  int64_t above() const { return above_; }
  const std::vector<FeedGap>& gaps() const { return gaps_; }

  struct Step {
    std::vector<FeedRow> fresh;  // each row of the feed once
    bool reload_all = false;     // rows may have been missed: everything in memory is to be read again
    bool reset = false;          // the feed went back behind the cursor (a restored database): begin again
    bool more = false;           // read on at once
  };
  Step Apply(const FeedPage& page);

 private:
  void Notice(int64_t first, int64_t last, int64_t xmax);
  bool Fill(int64_t seq);

  const size_t max_gaps_;
  bool started_ = false;
  int64_t above_ = 0;
  std::vector<FeedGap> gaps_;  // ascending, disjoint
  // Set while something unknown may still be committed: everything is reloaded when xmin reaches it.
  int64_t unknown_until_xmax_ = 0;
};

}  // namespace billmesh::entitlements
