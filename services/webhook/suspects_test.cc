#include "services/webhook/suspects.h"

#include "absl/strings/str_cat.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

provider::Event About(std::optional<std::string> customer, std::optional<std::string> object) {
  provider::Event event;
  event.customer_id = std::move(customer);
  event.object_id = std::move(object);
  return event;
}

class SuspectsTest : public ::testing::Test {
 protected:
  FakeClock clock_{absl::UnixEpoch()};
  Suspects suspects_{clock_};
};

TEST_F(SuspectsTest, TheSameCustomerOrObjectIsSuspectAndNoOther) {
  EXPECT_FALSE(suspects_.Has(About("cus_1", "in_1")));
  suspects_.Note(About("cus_1", "in_1"));
  EXPECT_TRUE(suspects_.Has(About("cus_1", "in_2")));
  EXPECT_TRUE(suspects_.Has(About(std::nullopt, "in_1")));
  EXPECT_FALSE(suspects_.Has(About("cus_2", "in_2")));
  EXPECT_FALSE(suspects_.Has(About(std::nullopt, std::nullopt)));
  EXPECT_EQ(suspects_.size(), 2u);
}

TEST_F(SuspectsTest, IsForgottenAWhileAfterTheLastTime) {
  suspects_.Note(About("cus_1", std::nullopt));
  clock_.Advance(Suspects::kMemory / 2);
  suspects_.Note(About("cus_1", std::nullopt));
  clock_.Advance(Suspects::kMemory / 2 + absl::Seconds(1));
  EXPECT_TRUE(suspects_.Has(About("cus_1", std::nullopt)));
  clock_.Advance(Suspects::kMemory / 2);
  EXPECT_FALSE(suspects_.Has(About("cus_1", std::nullopt)));
  EXPECT_EQ(suspects_.size(), 0u);
}

TEST_F(SuspectsTest, RemembersABoundedNumber) {
  for (size_t n = 0; n <= Suspects::kMaxKeys; ++n) suspects_.Note(About(absl::StrCat("cus_", n), std::nullopt));
  EXPECT_EQ(suspects_.size(), Suspects::kMaxKeys);
}

TEST_F(SuspectsTest, WhereManyFailNobodyIsSuspect) {
  for (size_t n = 0; n < Suspects::kTooMany; ++n) suspects_.Note(About(absl::StrCat("cus_", n), std::nullopt));
  EXPECT_TRUE(suspects_.Has(About("cus_1", std::nullopt)));
  suspects_.Note(About("cus_one_too_many", std::nullopt));
  EXPECT_FALSE(suspects_.Has(About("cus_1", std::nullopt)));
  clock_.Advance(Suspects::kMemory + absl::Seconds(1));
  suspects_.Note(About("cus_1", std::nullopt));
  EXPECT_TRUE(suspects_.Has(About("cus_1", std::nullopt)));
}

}  // namespace
}  // namespace billmesh::webhook
