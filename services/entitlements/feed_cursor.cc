#include "services/entitlements/feed_cursor.h"

#include <algorithm>

namespace billmesh::entitlements {

void FeedCursor::Start(int64_t max_seq, const FeedSnapshot& snapshot, const std::vector<int64_t>& recent) {
  started_ = true;
  above_ = max_seq;
  gaps_.clear();
  unknown_until_xmax_ = 0;
  // Nothing is running: nothing older can appear.
  if (snapshot.xmin >= snapshot.xmax) return;
  unknown_until_xmax_ = snapshot.xmax;
  int64_t expected = std::max<int64_t>(1, max_seq - kStartWindow + 1);
  for (const int64_t seq : recent) {
    Notice(expected, seq - 1, snapshot.xmax);
    expected = seq + 1;
  }
}

void FeedCursor::Notice(int64_t first, int64_t last, int64_t xmax) {
  if (first <= last) gaps_.push_back(FeedGap{first, last, xmax});
}

// Takes a number out of the gap that holds it. False if none does: it was seen before.
bool FeedCursor::Fill(int64_t seq) {
  const auto it = std::lower_bound(gaps_.begin(), gaps_.end(), seq,
                                   [](const FeedGap& gap, int64_t value) { return gap.last < value; });
  if (it == gaps_.end() || seq < it->first) return false;
  const FeedGap whole = *it;
  if (whole.first == whole.last) {
    gaps_.erase(it);
  } else if (seq == whole.first) {
    it->first = seq + 1;
  } else if (seq == whole.last) {
    it->last = seq - 1;
  } else {
    it->last = seq - 1;
    gaps_.insert(it + 1, FeedGap{seq + 1, whole.last, whole.noticed_xmax});
  }
  return true;
}

FeedCursor::Step FeedCursor::Apply(const FeedPage& page) {
  Step step;
  if (page.max_seq < above_) {
    step.reset = true;
    step.reload_all = true;
    started_ = false;
    return step;
  }
  for (const FeedRow& row : page.rows) {
    if (row.seq <= above_) {
      if (Fill(row.seq)) step.fresh.push_back(row);
      continue;
    }
    Notice(above_ + 1, row.seq - 1, page.snapshot.xmax);
    above_ = row.seq;
    step.fresh.push_back(row);
  }
  // Gaps whose rows this page might have cut off stay, whatever their age.
  if (!page.gaps_cut) {
    std::erase_if(gaps_, [&](const FeedGap& gap) { return page.snapshot.xmin >= gap.noticed_xmax; });
  }
  if (gaps_.size() > max_gaps_) {
    // Too many to follow one by one: what they may still bring is found by reading everything again, now for what is
    // visible and once more when the last of them can't be running any more.
    gaps_.clear();
    unknown_until_xmax_ = std::max(unknown_until_xmax_, page.snapshot.xmax);
    step.reload_all = true;
  }
  if (unknown_until_xmax_ != 0 && page.snapshot.xmin >= unknown_until_xmax_) {
    unknown_until_xmax_ = 0;
    step.reload_all = true;
  }
  step.more = page.tail_cut || page.gaps_cut;
  return step;
}

}  // namespace billmesh::entitlements
