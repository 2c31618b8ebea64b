#include "services/reconciler/refresh_object_job.h"

#include "common/outbox/refresh_job.h"
#include "common/provider/object_format.h"
#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::reconciler {
namespace {

const absl::Time kTied = absl::FromUnixSeconds(1'700'000'000);

class OneAnswer final : public provider::PaymentProvider {
 public:
  provider::CallResult answer;
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::InternalError("not asked for"); }
  provider::CallResult Send(const provider::FrozenCall&, const provider::CallOptions&) override { return {}; }
  provider::CallResult Retrieve(std::string_view kind, std::string_view id, const provider::CallOptions&) override {
    EXPECT_EQ(kind, provider::kSubscriptionKind);
    EXPECT_EQ(id, "sub_1");
    return answer;
  }
  provider::CallResult List(std::string_view, const provider::ListQuery&, const provider::CallOptions&) override {
    return {};
  }
  provider::CallResult ExpireCheckoutSession(std::string_view, std::string_view,
                                             const provider::CallOptions&) override {
    return {};
  }
};

class OneProjection final : public ProjectionPeer {
 public:
  absl::StatusOr<Projected> answer = Projected{true, "changed"};
  int calls = 0;
  absl::StatusOr<Projected> Project(const FetchedObject& object, absl::Duration) override {
    ++calls;
    EXPECT_EQ(object.provider, "stripe");
    EXPECT_EQ(object.object_json, "{}");
    return answer;
  }
};

class RefreshObjectJobTest : public ::testing::Test {
 protected:
  RefreshObjectJobTest() {
    provider_.answer.outcome = provider::Outcome::kSuccess;
    provider_.answer.object_json = "{}";
    provider_.answer.provider_date = kTied + absl::Seconds(1);
    job_.payload_json = outbox::RefreshJob("test", "e_1", {"subscription", "sub_1", kTied}).payload_json;
  }
  JobResult Run(absl::Duration left = absl::Seconds(30)) { return handler_.Run(job_, clock_.Monotonic() + left); }

  FakeClock clock_{kTied};
  OneAnswer provider_;
  OneProjection projection_;
  outbox::Job job_;
  RefreshObjectJob handler_{{provider_, projection_, clock_, "stripe"}};
};

TEST_F(RefreshObjectJobTest, ProjectsWhatIsLaterThanTheTie) {
  EXPECT_EQ(Run().kind, JobResult::Kind::kDone);
  EXPECT_EQ(projection_.calls, 1);
}

TEST_F(RefreshObjectJobTest, ASnapshotOfTheTiedSecondDecidesNothing) {
  provider_.answer.provider_date = kTied;
  EXPECT_EQ(Run().kind, JobResult::Kind::kRetry);
  EXPECT_EQ(projection_.calls, 0);
}

TEST_F(RefreshObjectJobTest, WhatIsGoneIsDone) {
  provider_.answer = {.outcome = provider::Outcome::kRejected, .http_status = 404, .not_found = true};
  EXPECT_EQ(Run().kind, JobResult::Kind::kDone);
  EXPECT_EQ(projection_.calls, 0);
}

TEST_F(RefreshObjectJobTest, FaultsAreTriedAgain) {
  EXPECT_EQ(Run(absl::Milliseconds(10)).kind, JobResult::Kind::kRetry);
  projection_.answer = absl::UnavailableError("away");
  EXPECT_EQ(Run().kind, JobResult::Kind::kRetry);
  provider_.answer.provider_date.reset();
  EXPECT_EQ(Run().kind, JobResult::Kind::kRetry);
  provider_.answer = {.outcome = provider::Outcome::kUnknown, .http_status = 500};
  EXPECT_EQ(Run().kind, JobResult::Kind::kRetry);
}

TEST_F(RefreshObjectJobTest, WhatCannotBeProjectedIsForAnOperator) {
  projection_.answer = Projected{false, "its metadata contradict what is stored"};
  const JobResult result = Run();
  EXPECT_EQ(result.kind, JobResult::Kind::kGiveUp);
  EXPECT_EQ(result.error, "project: its metadata contradict what is stored");
  job_.payload_json = "{}";
  EXPECT_EQ(Run().kind, JobResult::Kind::kGiveUp);
}

TEST(RefreshHandlersTest, EachKindHasOne) {
  FakeClock clock(kTied);
  OneAnswer provider;
  OneProjection projection;
  RefreshObjectJob job({provider, projection, clock, "stripe"});
  const std::map<std::string, JobHandler*> handlers = RefreshHandlers(job);
  EXPECT_EQ(handlers.size(), 11u);
  EXPECT_EQ(handlers.count("refresh_subscription") + handlers.count("refresh_invoice"), 2u);
}

}  // namespace
}  // namespace billmesh::reconciler
