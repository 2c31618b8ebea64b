#include "services/edge/rate_limiter.h"

#include <atomic>
#include <thread>
#include <vector>

#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

class RateLimiterTest : public testing::Test {
 protected:
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  int Allowed(RateLimiter& limiter, const char* caller, const char* route, int tries) {
    int allowed = 0;
    for (int i = 0; i < tries; ++i) allowed += limiter.Take(caller, route) == absl::ZeroDuration() ? 1 : 0;
    return allowed;
  }
};

TEST_F(RateLimiterTest, AllowsABurstThenTheRate) {
  RateLimiter limiter({.per_second = 10, .burst = 5}, clock_);
  EXPECT_EQ(Allowed(limiter, "u", "GET:/a", 20), 5);
  EXPECT_EQ(limiter.Take("u", "GET:/a"), absl::Milliseconds(100));
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(Allowed(limiter, "u", "GET:/a", 20), 1);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Allowed(limiter, "u", "GET:/a", 20), 5) << "never more than the burst";
}

TEST_F(RateLimiterTest, CallersAndRoutesDoNotShareABucket) {
  RateLimiter limiter({.per_second = 1, .burst = 2}, clock_);
  EXPECT_EQ(Allowed(limiter, "u1", "GET:/a", 9), 2);
  EXPECT_EQ(Allowed(limiter, "u2", "GET:/a", 9), 2);
  EXPECT_EQ(Allowed(limiter, "u1", "POST:/a", 9), 2);
  EXPECT_EQ(Allowed(limiter, "u1", "GET:/a", 9), 0);
}

TEST_F(RateLimiterTest, TheTableIsBoundedAndForgetsTheLeastRecentlyUsed) {
  RateLimiter limiter({.per_second = 1, .burst = 1, .max_buckets = 3}, clock_);
  for (const char* caller : {"a", "b", "c"}) EXPECT_EQ(Allowed(limiter, caller, "r", 2), 1);
  EXPECT_EQ(Allowed(limiter, "a", "r", 1), 0);  // used again: b is the oldest now
  EXPECT_EQ(Allowed(limiter, "d", "r", 1), 1);
  EXPECT_EQ(limiter.buckets(), 3u);
  EXPECT_EQ(Allowed(limiter, "a", "r", 1), 0);
  EXPECT_EQ(Allowed(limiter, "b", "r", 1), 1);
  for (int i = 0; i < 1000; ++i) limiter.Take(std::to_string(i), "r");
  EXPECT_EQ(limiter.buckets(), 3u);
}

TEST_F(RateLimiterTest, ConcurrentCallersNeverPassTheBurst) {
  RateLimiter limiter({.per_second = 1, .burst = 100}, clock_);
  std::atomic<int> allowed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { allowed += Allowed(limiter, "u", "r", 100); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, 100);
}

}  // namespace
}  // namespace billmesh::edge
