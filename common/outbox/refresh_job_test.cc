#include "common/outbox/refresh_job.h"

#include "gtest/gtest.h"

namespace billmesh::outbox {
namespace {

TEST(RefreshJobTest, IsOneForEachObjectAndSecond) {
  const RefreshOrder order{"subscription", "sub_1", absl::FromUnixSeconds(1'700'000'000)};
  const NewJob job = RefreshJob("test", "e_1", order);
  EXPECT_EQ(job.job_type, "refresh_subscription");
  EXPECT_EQ(job.dedupe_key, "refresh_subscription:sub_1:1700000000");
  EXPECT_GT(job.delay, absl::Seconds(1));
  const auto read = ReadRefreshOrder(job.payload_json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->kind, order.kind);
  EXPECT_EQ(read->id, order.id);
  EXPECT_EQ(read->after, order.after);
}

TEST(RefreshJobTest, APayloadThatIsNoneNamesWhatIsMissing) {
  for (const auto& [payload, member] :
       {std::pair{R"({"id": "x", "after": 1})", "kind"}, std::pair{R"({"kind": "x", "after": 1})", "id"},
        std::pair{R"({"kind": "x", "id": "y"})", "after"}, std::pair{R"({"kind": "x", "id": 5, "after": 1})", "id"}}) {
    EXPECT_NE(std::string(ReadRefreshOrder(payload).status().message()).find(member), std::string::npos) << payload;
  }
  EXPECT_FALSE(ReadRefreshOrder("[]").ok());
}

}  // namespace
}  // namespace billmesh::outbox
