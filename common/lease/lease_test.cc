#include "common/lease/lease.h"

#include "gtest/gtest.h"

namespace billmesh::lease {
namespace {

constexpr absl::Duration kLength = absl::Seconds(60);
constexpr absl::Duration kReadAt = absl::Seconds(1000);  // a monotonic clock has any start
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(LeaseTest, EndsAtItsVeryInstantAsTheClaimInSqlHasIt) {
  const Lease lease{"a", 1, kNow + kLength};
  EXPECT_EQ(lease.Left(kNow), kLength);
  EXPECT_FALSE(lease.Ended(kNow + kLength - absl::Microseconds(1)));
  EXPECT_TRUE(lease.Ended(kNow + kLength));
  EXPECT_LT(lease.Left(kNow + 2 * kLength), absl::ZeroDuration());
  EXPECT_TRUE(Lease().Ended(kNow)) << "one that nobody holds";
}

TEST(LeaseTest, AHolderWritesWithinHalfOfANewLease) {
  EXPECT_EQ(WritingEnd(kReadAt, kLength, kLength), kReadAt + kLength / 2);
}

TEST(LeaseTest, AnOlderLeaseLeavesAsMuchLessAsItIsOld) {
  const absl::Duration age = absl::Seconds(10);
  EXPECT_EQ(WritingEnd(kReadAt, kLength - age, kLength), kReadAt + kLength / 2 - age);
  EXPECT_LE(WritingEnd(kReadAt, kLength / 2, kLength), kReadAt) << "past its half nothing may be sent";
}

TEST(LeaseTest, ACallGetsWhatItWantsWhileThereIsTimeAndThenWhatIsLeft) {
  const absl::Duration end = WritingEnd(kReadAt, kLength, kLength), wanted = absl::Seconds(15);
  EXPECT_EQ(CallTime(end, kReadAt, wanted), wanted);
  EXPECT_EQ(CallTime(end, end - wanted, wanted), wanted);
  EXPECT_EQ(CallTime(end, end - absl::Seconds(3), wanted), absl::Seconds(3));
}

TEST(LeaseTest, ACallThatCouldGetTooLittleIsNotBegun) {
  const absl::Duration end = WritingEnd(kReadAt, kLength, kLength), wanted = absl::Seconds(15);
  EXPECT_EQ(CallTime(end, end - kLeastCallTime, wanted), kLeastCallTime);
  EXPECT_EQ(CallTime(end, end - kLeastCallTime + absl::Nanoseconds(1), wanted), absl::ZeroDuration());
  EXPECT_EQ(CallTime(end, end, wanted), absl::ZeroDuration());
}

TEST(LeaseTest, AWokenSleeperDoesNotCall) {
  const absl::Duration end = WritingEnd(kReadAt, kLength, kLength);
  EXPECT_EQ(CallTime(end, kReadAt + absl::Hours(1), absl::Seconds(15)), absl::ZeroDuration());
}

}  // namespace
}  // namespace billmesh::lease
