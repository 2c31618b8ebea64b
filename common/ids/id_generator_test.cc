#include "common/ids/id_generator.h"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh {
namespace {

TEST(IdGeneratorTest, IdsAreVersion7AndOrderedByTime) {
  FakeClock clock(absl::FromUnixMillis(1234567890123));
  SystemIdGenerator ids(clock);
  const std::string first = ids.NewId();
  EXPECT_TRUE(IsUuid(first)) << first;
  EXPECT_EQ(first[14], '7');
  EXPECT_TRUE(std::string("89ab").find(first[19]) != std::string::npos);
  clock.Advance(absl::Milliseconds(1));
  EXPECT_LT(first, ids.NewId());
}

TEST(IdGeneratorTest, ManyIdsDiffer) {
  FakeClock clock(absl::FromUnixSeconds(1));
  SystemIdGenerator ids(clock);
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) EXPECT_TRUE(seen.insert(ids.NewId()).second);
}

TEST(IdGeneratorTest, IdsOfOneProcessAscendWhateverTheClockDoes) {
  FakeClock clock(absl::FromUnixMillis(1234567890123));
  SystemIdGenerator ids(clock);
  std::string last = ids.NewId();
  for (int i = 0; i < 10000; ++i) {
    if (i == 5000) clock.Advance(-absl::Seconds(1));
    const std::string next = ids.NewId();
    ASSERT_LT(last, next) << i;
    last = next;
  }
  EXPECT_EQ(last[14], '7');
  // More than the 12 bits have room for: the milliseconds have moved on instead.
  EXPECT_GT(last.substr(0, 13), "011f71fb-04cb");
  clock.Advance(absl::Seconds(2));
  EXPECT_EQ(ids.NewId().substr(0, 13), "011f71fb-08b3") << "the clock's own again";
}

TEST(IdGeneratorTest, IdsOfManyThreadsDiffer) {
  FakeClock clock(absl::FromUnixSeconds(1));
  SystemIdGenerator ids(clock);
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& own : made) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) own.push_back(ids.NewId().substr(0, 18));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> seen;
  for (const auto& own : made) {
    EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
    for (const std::string& prefix : own) EXPECT_TRUE(seen.insert(prefix).second) << prefix;
  }
}

TEST(IdGeneratorTest, SameSeedSameSequence) {
  SeededIdGenerator a(7), b(7), c(8);
  const std::string first = a.NewId();
  EXPECT_EQ(first, b.NewId());
  EXPECT_NE(first, c.NewId());
  EXPECT_TRUE(IsUuid(first));
}

TEST(IdGeneratorTest, RecognisesUuids) {
  EXPECT_FALSE(IsUuid(""));
  EXPECT_FALSE(IsUuid("018f0000-0000-7000-8000-00000000000G"));
  EXPECT_FALSE(IsUuid("018F0000-0000-7000-8000-000000000000"));
  EXPECT_TRUE(IsUuid("018f0000-0000-7000-8000-000000000000"));
}

}  // namespace
}  // namespace billmesh
