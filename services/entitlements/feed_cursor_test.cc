#include "services/entitlements/feed_cursor.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::entitlements {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FeedRow Row(int64_t seq) { return FeedRow{seq, "entity", 1, absl::UnixEpoch()}; }

FeedPage Page(FeedSnapshot snapshot, const std::vector<int64_t>& seqs, int64_t max_seq) {
  FeedPage page;
  page.snapshot = snapshot;
  page.max_seq = max_seq;
  for (const int64_t seq : seqs) page.rows.push_back(Row(seq));
  return page;
}

std::vector<int64_t> Seqs(const FeedCursor::Step& step) {
  std::vector<int64_t> seqs;
  for (const FeedRow& row : step.fresh) seqs.push_back(row.seq);
  return seqs;
}

std::vector<std::pair<int64_t, int64_t>> Gaps(const FeedCursor& cursor) {
  std::vector<std::pair<int64_t, int64_t>> gaps;
  for (const FeedGap& gap : cursor.gaps()) gaps.emplace_back(gap.first, gap.last);
  return gaps;
}

TEST(FeedCursor, HandsOnARowAtOnceAndALateOneWhenItAppears) {
  FeedCursor cursor(100);
  cursor.Start(10, {50, 50}, {10});
  // 11 is drawn but not committed; 12 is.
  auto step = cursor.Apply(Page({50, 52}, {12}, 12));
  EXPECT_THAT(Seqs(step), ElementsAre(12));
  EXPECT_EQ(cursor.above(), 12);
  EXPECT_THAT(Gaps(cursor), ElementsAre(std::pair<int64_t, int64_t>(11, 11)));
  // Still running.
  EXPECT_THAT(Seqs(cursor.Apply(Page({51, 60}, {}, 12))), IsEmpty());
  EXPECT_THAT(Gaps(cursor), ElementsAre(std::pair<int64_t, int64_t>(11, 11)));
  // Committed: seen in the very pass in which it couldn't be running any more.
  step = cursor.Apply(Page({60, 60}, {11}, 12));
  EXPECT_THAT(Seqs(step), ElementsAre(11));
  EXPECT_THAT(Gaps(cursor), IsEmpty());
  EXPECT_FALSE(step.reload_all);
}

TEST(FeedCursor, ForgetsAGapOnceNoTransactionCanFillIt) {
  FeedCursor cursor(100);
  cursor.Start(0, {50, 50}, {});
  cursor.Apply(Page({50, 52}, {2}, 2));
  EXPECT_EQ(cursor.gaps().size(), 1u);
  cursor.Apply(Page({51, 55}, {}, 2));
  EXPECT_EQ(cursor.gaps().size(), 1u);
  cursor.Apply(Page({52, 55}, {}, 2));
  EXPECT_THAT(Gaps(cursor), IsEmpty());
  // With nothing running a gap is a rolled-back number for certain.
  cursor.Apply(Page({70, 70}, {9}, 9));
  EXPECT_THAT(Gaps(cursor), IsEmpty());
}

TEST(FeedCursor, SplitsAGapAroundWhatAppearsInIt) {
  FeedCursor cursor(100);
  cursor.Start(0, {1, 1}, {});
  cursor.Apply(Page({5, 20}, {10}, 10));
  EXPECT_THAT(Gaps(cursor), ElementsAre(std::pair<int64_t, int64_t>(1, 9)));
  EXPECT_THAT(Seqs(cursor.Apply(Page({5, 20}, {5}, 10))), ElementsAre(5));
  EXPECT_THAT(Gaps(cursor), ElementsAre(std::pair<int64_t, int64_t>(1, 4), std::pair<int64_t, int64_t>(6, 9)));
  EXPECT_THAT(Seqs(cursor.Apply(Page({5, 20}, {1, 9, 12}, 12))), ElementsAre(1, 9, 12));
  EXPECT_THAT(Gaps(cursor), ElementsAre(std::pair<int64_t, int64_t>(2, 4), std::pair<int64_t, int64_t>(6, 8),
                                        std::pair<int64_t, int64_t>(11, 11)));
  // Seen before: handed on once only.
  EXPECT_THAT(Seqs(cursor.Apply(Page({5, 20}, {5}, 12))), IsEmpty());
}

TEST(FeedCursor, KeepsGapsWhoseRowsThePageMayHaveCutOff) {
  FeedCursor cursor(100);
  cursor.Start(0, {1, 1}, {});
  cursor.Apply(Page({5, 20}, {10}, 10));
  FeedPage cut = Page({30, 30}, {1}, 10);
  cut.gaps_cut = true;
  EXPECT_TRUE(cursor.Apply(cut).more);
  EXPECT_THAT(Gaps(cursor), ElementsAre(std::pair<int64_t, int64_t>(2, 9)));
  FeedPage tail = Page({30, 30}, {11}, 15);
  tail.tail_cut = true;
  EXPECT_TRUE(cursor.Apply(tail).more);
  EXPECT_FALSE(cursor.Apply(Page({30, 30}, {12, 13, 14, 15}, 15)).more);
}

TEST(FeedCursor, StartsInTheMiddleAndFollowsWhatWasUncommittedThen) {
  FeedCursor cursor(100);
  cursor.Start(20, {90, 100}, {17, 19, 20});
  EXPECT_EQ(cursor.gaps().back().first, 18);
  EXPECT_THAT(Seqs(cursor.Apply(Page({90, 100}, {18}, 20))), ElementsAre(18));
  // Once everything that ran at the start is over, everything loaded before is read again: older numbers may have come.
  EXPECT_FALSE(cursor.Apply(Page({99, 120}, {}, 20)).reload_all);
  EXPECT_TRUE(cursor.Apply(Page({100, 120}, {}, 20)).reload_all);
  EXPECT_FALSE(cursor.Apply(Page({120, 120}, {}, 20)).reload_all);
}

TEST(FeedCursor, AnIdleStartNeedsNoReload) {
  FeedCursor cursor(100);
  cursor.Start(20, {100, 100}, {20});
  EXPECT_THAT(Gaps(cursor), IsEmpty());
  EXPECT_FALSE(cursor.Apply(Page({100, 100}, {}, 20)).reload_all);
}

TEST(FeedCursor, TooManyGapsBecomeAReloadNowAndAnotherWhenTheyAreOver) {
  FeedCursor cursor(3);
  cursor.Start(0, {1, 1}, {});
  auto step = cursor.Apply(Page({5, 50}, {2, 4, 6, 8}, 8));
  EXPECT_THAT(Seqs(step), ElementsAre(2, 4, 6, 8));
  EXPECT_TRUE(step.reload_all);
  EXPECT_THAT(Gaps(cursor), IsEmpty());
  step = cursor.Apply(Page({49, 60}, {9}, 9));
  EXPECT_FALSE(step.reload_all);
  step = cursor.Apply(Page({50, 60}, {10}, 10));
  EXPECT_TRUE(step.reload_all);
  EXPECT_FALSE(cursor.Apply(Page({60, 60}, {}, 10)).reload_all);
}

TEST(FeedCursor, AFeedThatWentBackBeginsAgain) {
  FeedCursor cursor(10);
  cursor.Start(20, {100, 100}, {20});
  const auto step = cursor.Apply(Page({40, 40}, {}, 12));
  EXPECT_TRUE(step.reset);
  EXPECT_TRUE(step.reload_all);
  EXPECT_FALSE(cursor.started());
}

// A small database: transactions draw numbers, commit or roll back in any order, and snapshots see what was committed.
class FeedModel {
 public:
  explicit FeedModel(uint64_t seed) : random_(seed) {}
  int Pick(int n) { return static_cast<int>(random_() % n); }
  void Step() {
    if (Pick(2) == 0 || running_.empty()) {
      running_[next_xid_++] = {};
    }
    auto it = std::next(running_.begin(), Pick(static_cast<int>(running_.size())));
    switch (Pick(3)) {
      case 0:
        it->second.push_back(++last_seq_);
        break;
      case 1:
        for (const int64_t seq : it->second) visible_.insert(seq);
        running_.erase(it);
        break;
      default:
        if (Pick(4) == 0) running_.erase(it);
    }
  }
  void FinishAll() {
    for (const auto& [xid, seqs] : running_) visible_.insert(seqs.begin(), seqs.end());
    running_.clear();
  }
  FeedSnapshot Snapshot() const { return {running_.empty() ? next_xid_ : running_.begin()->first, next_xid_}; }
  int64_t MaxSeq() const { return visible_.empty() ? 0 : *visible_.rbegin(); }
  const std::set<int64_t>& visible() const { return visible_; }
  FeedPage Read(const FeedCursor& cursor, size_t limit) const {
    FeedPage page;
    page.snapshot = Snapshot();
    page.max_seq = MaxSeq();
    size_t in_gaps = 0, in_tail = 0;
    for (const int64_t seq : visible_) {
      const bool in_gap = std::any_of(cursor.gaps().begin(), cursor.gaps().end(),
                                      [&](const FeedGap& gap) { return gap.first <= seq && seq <= gap.last; });
      if (in_gap && in_gaps < limit) {
        page.rows.push_back(Row(seq));
        ++in_gaps;
      } else if (seq > cursor.above() && in_tail < limit) {
        page.rows.push_back(Row(seq));
        ++in_tail;
      }
    }
    page.gaps_cut = in_gaps == limit;
    page.tail_cut = in_tail == limit;
    return page;
  }

 private:
  std::mt19937_64 random_;
  std::map<int64_t, std::vector<int64_t>> running_;  // by transaction id
  std::set<int64_t> visible_;
  int64_t next_xid_ = 100;
  int64_t last_seq_ = 0;
};

TEST(FeedCursorProperty, NoCommittedRowIsMissedAndNoneIsHandedOnTwice) {
  const char* given = std::getenv("BILLMESH_TEST_SEED");
  const uint64_t base = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE(absl::StrCat("BILLMESH_TEST_SEED=", base));
  for (uint64_t run = 0; run < 300; ++run) {
    FeedModel model(base + run);
    for (int i = model.Pick(60); i > 0; --i) model.Step();
    FeedCursor cursor(run % 3 == 0 ? 2 : 1000);
    // Older than the start, or read anew by a reload: what needs no row any more.
    std::set<int64_t> known = model.visible();
    std::vector<int64_t> recent;
    for (const int64_t seq : model.visible()) {
      if (seq > model.MaxSeq() - FeedCursor::kStartWindow) recent.push_back(seq);
    }
    cursor.Start(model.MaxSeq(), model.Snapshot(), recent);
    std::set<int64_t> seen;
    const auto poll = [&] {
      FeedCursor::Step step;
      do {
        const FeedPage page = model.Read(cursor, 5);
        step = cursor.Apply(page);
        for (const FeedRow& row : step.fresh) ASSERT_TRUE(seen.insert(row.seq).second) << row.seq;
        if (step.reload_all) known.insert(model.visible().begin(), model.visible().end());
      } while (step.more);
    };
    for (int round = 0; round < 40; ++round) {
      for (int i = model.Pick(8); i >= 0; --i) model.Step();
      poll();
    }
    model.FinishAll();
    poll();
    poll();
    for (const int64_t seq : model.visible()) {
      ASSERT_TRUE(seen.count(seq) > 0 || known.count(seq) > 0) << "row " << seq << " of run " << run << " was missed";
    }
    ASSERT_THAT(cursor.gaps(), IsEmpty());
  }
}

}  // namespace
}  // namespace billmesh::entitlements
