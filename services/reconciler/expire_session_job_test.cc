#include "services/reconciler/expire_session_job.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::reconciler {
namespace {

using provider::CallResult;
using provider::Outcome;
using Kind = JobResult::Kind;

class FakeProvider : public provider::PaymentProvider {
 public:
  explicit FakeProvider(FakeClock& clock) : clock_(clock) {}
  CallResult expire, retrieve;
  absl::Duration expire_takes;
  std::vector<std::string> keys;
  int retrieved = 0;
  absl::Duration timeout;

  CallResult ExpireCheckoutSession(std::string_view id, std::string_view key,
                                   const provider::CallOptions& options) override {
    EXPECT_EQ(id, "cs_1");
    EXPECT_EQ(options.priority, provider::Priority::kBackground);
    keys.emplace_back(key);
    timeout = options.timeout;
    clock_.Advance(expire_takes);
    return expire;
  }
  CallResult Retrieve(std::string_view kind, std::string_view id, const provider::CallOptions&) override {
    EXPECT_EQ(kind, provider::kCheckoutSessionKind);
    EXPECT_EQ(id, "cs_1");
    ++retrieved;
    return retrieve;
  }
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::InternalError("unused"); }
  CallResult Send(const provider::FrozenCall&, const provider::CallOptions&) override { return {}; }
  CallResult List(std::string_view, const provider::ListQuery&, const provider::CallOptions&) override { return {}; }

 private:
  FakeClock& clock_;
};

// Objects are just their state's name here.
class FakeFormat : public provider::ObjectFormat {
 public:
  std::string provider() const override { return "fake"; }
  absl::StatusOr<provider::EncodedParams> EncodeCustomer(const provider::CustomerSpec&) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::EncodedParams> EncodeCheckoutSession(const provider::CheckoutSessionSpec&) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::EncodedParams> EncodePortalSession(const provider::PortalSessionSpec&) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::EncodedParams> EncodePaymentLink(const provider::PaymentLinkSpec&) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::EncodedParams> EncodeSubscriptionUpdate(
      const provider::SubscriptionUpdateSpec&) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::EncodedParams> EncodeObjectCall(std::string_view) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::Subscription> ReadSubscription(std::string_view) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::HostedPage> ReadHostedPage(std::string_view) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::FrozenFacts> ReadFrozen(std::string_view) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::SubscriptionUpdateSpec> ReadSubscriptionUpdate(std::string_view) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::CheckoutSession> ReadCheckoutSession(std::string_view object) const override {
    if (object == "?") return absl::InvalidArgumentError("unreadable");
    provider::CheckoutSession session;
    session.status = std::string(object);
    return session;
  }
  absl::StatusOr<provider::ObjectSnapshot> ReadObject(std::string_view) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<provider::ListSnapshot> ReadList(std::string_view) const override {
    return absl::InternalError("unused");
  }
};

CallResult Success(const std::string& object) {
  return {.outcome = Outcome::kSuccess, .http_status = 200, .object_json = object};
}
CallResult Rejected() { return {.outcome = Outcome::kRejected, .http_status = 400, .error_code = "session_not_open"}; }
CallResult Unknown() { return {.outcome = Outcome::kUnknown, .http_status = 500}; }
CallResult NotFound() { return {.outcome = Outcome::kRejected, .http_status = 404, .not_found = true}; }

class ExpireSessionJobTest : public testing::Test {
 protected:
  ExpireSessionJobTest() {
    job_.id = "0190a7a0-0000-7000-8000-000000000001";
    job_.env = "test";
    job_.entity_id = "0190a7a0-0000-7000-8000-00000000000e";
    job_.payload_json = R"({"provider_session_id":"cs_1","operation_key":"op_1"})";
    job_.attempts = 1;
    job_.lease_version = 1;
    provider_.expire = Unknown();
    provider_.retrieve = Unknown();
  }
  JobResult Run(absl::Duration lease_left = absl::Seconds(30)) {
    ExpireSessionJob handler({.provider = provider_, .format = format_, .clock = clock_});
    return handler.Run(job_, clock_.Monotonic() + lease_left);
  }
  static std::string OutcomeOf(const JobResult& result) {
    if (!result.audit.has_value()) return "none";
    EXPECT_EQ(result.audit->action, "BILLING_CHECKOUT_SESSION_EXPIRED");
    return nlohmann::json::parse(result.audit->detail_json)["outcome"];
  }
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeProvider provider_{clock_};
  FakeFormat format_;
  outbox::Job job_;
};

TEST_F(ExpireSessionJobTest, AnExpiredSessionIsDoneAndAudited) {
  provider_.expire = Success("expired");
  const JobResult result = Run();
  EXPECT_EQ(result.kind, Kind::kDone);
  EXPECT_EQ(OutcomeOf(result), "expired");
  EXPECT_EQ(result.audit->operation_key, "op_1");
  EXPECT_EQ(result.audit->entity_id, job_.entity_id);
  EXPECT_EQ(provider_.retrieved, 0);
}

TEST_F(ExpireSessionJobTest, AfterARefusalOrASilenceTheSessionItselfDecides) {
  struct Case {
    CallResult expire, retrieve;
    Kind kind;
    std::string outcome;
  };
  const Case cases[] = {
      {Rejected(), Success("expired"), Kind::kDone, "expired"},
      {Rejected(), Success("complete"), Kind::kDone, "completed"},
      {Rejected(), NotFound(), Kind::kRetry, "none"},
      {Rejected(), Success("open"), Kind::kRetry, "none"},
      {Rejected(), Unknown(), Kind::kRetry, "none"},
      {Rejected(), Success("?"), Kind::kRetry, "none"},
      {Unknown(), Success("expired"), Kind::kDone, "expired"},
      {Unknown(), Success("complete"), Kind::kDone, "completed"},
      {Unknown(), Success("open"), Kind::kRetry, "none"},
      {Rejected(), Success("a word of next year"), Kind::kRetry, "none"},
      {Unknown(), Rejected(), Kind::kRetry, "none"},
  };
  for (const Case& c : cases) {
    provider_.expire = c.expire;
    provider_.retrieve = c.retrieve;
    const JobResult result = Run();
    EXPECT_EQ(result.kind, c.kind) << c.retrieve.object_json << c.retrieve.http_status;
    EXPECT_EQ(OutcomeOf(result), c.outcome);
    EXPECT_EQ(result.error.empty(), c.kind == Kind::kDone);
  }
}

TEST_F(ExpireSessionJobTest, EveryAttemptHasItsOwnKeyMadeFromTheJob) {
  Run();
  job_.lease_version = 2;
  Run();
  ASSERT_EQ(provider_.keys.size(), 2u);
  EXPECT_NE(provider_.keys[0], provider_.keys[1]);
  EXPECT_NE(provider_.keys[0].find(job_.id), std::string::npos);
  EXPECT_LE(provider_.keys[0].size(), 255u);
}

TEST_F(ExpireSessionJobTest, NothingIsSentWithoutEnoughLease) {
  EXPECT_EQ(Run(absl::Milliseconds(50)).kind, Kind::kRetry);
  EXPECT_EQ(Run(-absl::Seconds(5)).kind, Kind::kRetry);
  EXPECT_TRUE(provider_.keys.empty());
}

TEST_F(ExpireSessionJobTest, CallsEndWithinTheLease) {
  Run(absl::Seconds(3));
  EXPECT_LE(provider_.timeout, absl::Seconds(3));
  provider_.retrieved = 0;
  provider_.expire_takes = absl::Seconds(3);
  EXPECT_EQ(Run(absl::Seconds(3)).kind, Kind::kRetry);
  EXPECT_EQ(provider_.retrieved, 0);
}

TEST_F(ExpireSessionJobTest, ABrokenPayloadIsForAnOperator) {
  for (const char* payload :
       {"", "[]", "{}", R"({"provider_session_id":"cs_1"})", R"({"provider_session_id":"","operation_key":"op_1"})",
        R"({"provider_session_id":1,"operation_key":"op_1"})"}) {
    job_.payload_json = payload;
    const JobResult result = Run();
    EXPECT_EQ(result.kind, Kind::kGiveUp) << payload;
    EXPECT_NE(result.error, "");
  }
  EXPECT_TRUE(provider_.keys.empty());
}

}  // namespace
}  // namespace billmesh::reconciler
