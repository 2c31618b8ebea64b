#include "common/db/result.h"

#include "gtest/gtest.h"

namespace billmesh::db {
namespace {

TEST(ParamTest, TextFormsArePostgresLiterals) {
  EXPECT_EQ(*Param(true).value(), "true");
  EXPECT_EQ(*Param(int64_t{-5}).value(), "-5");
  EXPECT_EQ(*Param(absl::FromUnixMicros(1500000)).value(), "1970-01-01 00:00:01.500000+00");
  EXPECT_FALSE(Param(std::optional<std::string>()).value().has_value());
  EXPECT_EQ(*Param(std::optional<int64_t>(7)).value(), "7");
  EXPECT_EQ(*Param::Interval(absl::Seconds(2)).value(), "2000000 microseconds");
}

TEST(ParamTest, WholeNumbersAreAnArrayLiteral) {
  EXPECT_EQ(*Param::IntArray(std::vector<int64_t>{1, -2}).value(), "{1,-2}");
  EXPECT_EQ(*Param::IntArray(std::vector<std::optional<int64_t>>{std::nullopt, 3}).value(), "{NULL,3}");
}

TEST(ParamTest, WhatIsNoUuidIsLeftToTheServerToRefuse) {
  using Texts = std::vector<std::string>;
  EXPECT_TRUE(Param::UuidArray(Texts{"0190b2f4-0000-7000-8000-0000000000aF"}).binary());
  for (const char* bad : {"", "x", "0190b2f4-0000-7000-8000-0000000000ag", "0190b2f4-0000-7000-8000x0000000000af",
                          "0190b2f40000700080000000000000af"}) {
    const Param param = Param::UuidArray(Texts{"0190b2f4-0000-7000-8000-0000000000af", bad});
    EXPECT_FALSE(param.binary()) << bad;
    EXPECT_EQ(*param.value(), std::string("not a UUID: ") + bad);
  }
}

TEST(TimestampTest, ReadsWhatPostgresPrints) {
  EXPECT_EQ(ParseTimestamp("1970-01-01 00:00:01.5+00"), absl::FromUnixMicros(1500000));
  EXPECT_EQ(ParseTimestamp("1970-01-01 02:00:00+02"), absl::UnixEpoch());
  EXPECT_EQ(ParseTimestamp("1969-12-31 20:30:00-03:30"), absl::UnixEpoch());
  EXPECT_EQ(ParseTimestamp("infinity"), absl::InfiniteFuture());
  EXPECT_EQ(ParseTimestamp("12026-01-01 00:00:00+00"),
            absl::FromCivil(absl::CivilSecond(12026, 1, 1), absl::UTCTimeZone()));
}

TEST(TimestampTest, RefusesWhatIsNotATimestamp) {
  for (const char* bad :
       {"", "now", "2026-11-20", "2026-11-20 10:00:00", "2026-11-20 10:00:00+0", "2026-11-20 10:00:00+00x"}) {
    EXPECT_FALSE(ParseTimestamp(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace billmesh::db
