#include "common/lease/backoff.h"

#include "gtest/gtest.h"

namespace billmesh::lease {
namespace {

TEST(BackoffTest, DoublesWithJitterUpToTheMaximum) {
  SeededIdGenerator ids(1);
  const Backoff backoff{absl::Seconds(1), absl::Seconds(60)};
  for (int attempt = 1; attempt <= 100; ++attempt) {
    const absl::Duration full = std::min(absl::Seconds(1) * static_cast<double>(int64_t{1} << std::min(attempt - 1, 20)),
                                         absl::Seconds(60));
    for (int i = 0; i < 50; ++i) {
      const absl::Duration delay = DelayAfter(backoff, attempt, ids);
      EXPECT_GE(delay, full / 2 - absl::Microseconds(1)) << attempt;
      EXPECT_LE(delay, full) << attempt;
    }
  }
}

TEST(BackoffTest, DelaysDiffer) {
  SeededIdGenerator ids(2);
  const Backoff backoff{absl::Seconds(1), absl::Seconds(60)};
  EXPECT_NE(DelayAfter(backoff, 3, ids), DelayAfter(backoff, 3, ids));
}

}  // namespace
}  // namespace billmesh::lease
