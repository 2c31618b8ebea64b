#include "common/ids/id_generator.h"

#include <set>

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
