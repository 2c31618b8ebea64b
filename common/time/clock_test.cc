#include "common/time/clock.h"

#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh {
namespace {

TEST(ClockTest, SystemClockNeverRunsBackwardsMonotonically) {
  SystemClock clock;
  const absl::Duration first = clock.Monotonic();
  EXPECT_GE(clock.Monotonic(), first);
  EXPECT_GT(clock.Now(), absl::FromUnixSeconds(1700000000));
}

TEST(ClockTest, FakeClockMovesOnlyWhenTold) {
  FakeClock clock(absl::FromUnixSeconds(100));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(100));
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(105));
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(5));
}

}  // namespace
}  // namespace billmesh
