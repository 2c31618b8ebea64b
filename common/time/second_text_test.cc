#include "common/time/second_text.h"

#include "gtest/gtest.h"

namespace billmesh {
namespace {

TEST(SecondTextTest, IsThatOfTheSecondGoingForthAndBack) {
  SecondText text("%Y-%m-%d %H:%M:%S");
  const absl::Time noon = absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12, 0, 0), absl::UTCTimeZone());
  EXPECT_EQ(text.At(noon), "2026-11-20 12:00:00");
  EXPECT_EQ(text.At(noon + absl::Nanoseconds(999'999'999)), "2026-11-20 12:00:00");
  EXPECT_EQ(text.At(noon + absl::Seconds(1)), "2026-11-20 12:00:01");
  EXPECT_EQ(text.At(noon - absl::Nanoseconds(1)), "2026-11-20 11:59:59");
}

TEST(SecondTextTest, BeforeTheEpochToo) {
  SecondText text("%Y-%m-%d %H:%M:%S");
  EXPECT_EQ(text.At(absl::UnixEpoch() - absl::Milliseconds(1)), "1969-12-31 23:59:59");
  EXPECT_EQ(text.At(absl::UnixEpoch()), "1970-01-01 00:00:00");
}

}  // namespace
}  // namespace billmesh
