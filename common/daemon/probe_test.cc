#include "common/daemon/probe.h"

#include "gtest/gtest.h"

namespace billmesh::daemon {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);
const ProbeLimits kLimits = {.schema_version = 7, .clock_skew_max = absl::Seconds(5)};

TEST(ProbeTest, OnlyTheSchemaVersionThatItWasBuiltForIsReady) {
  EXPECT_TRUE(CheckProbe({kNow, 7}, kNow, kLimits).ok());
  for (const int version : {0, 6, 8}) {
    const absl::Status status = CheckProbe({kNow, version}, kNow, kLimits);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << version;
    EXPECT_EQ(status.message(), "schema version is " + std::to_string(version) +
                                    ", this daemon needs 7: run billctl migrate");
  }
}

TEST(ProbeTest, ClocksMayDifferByTheLimitEitherWay) {
  for (const int sign : {-1, 1}) {
    const absl::Duration most = sign * absl::Seconds(5);
    EXPECT_TRUE(CheckProbe({kNow, 7}, kNow + most, kLimits).ok()) << sign;
    const absl::Status status = CheckProbe({kNow, 7}, kNow + most + sign * absl::Milliseconds(1), kLimits);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << sign;
    EXPECT_EQ(status.message(),
              std::string("the clock differs from the database's by ") + (sign < 0 ? "-" : "") + "5.001s");
  }
}

TEST(ProbeTest, TheSchemaIsNamedBeforeTheClock) {
  EXPECT_NE(CheckProbe({kNow, 6}, kNow + absl::Hours(1), kLimits).message().find("schema version is 6"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace billmesh::daemon
