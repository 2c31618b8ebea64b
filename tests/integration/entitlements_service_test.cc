#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/telemetry/metrics.h"
#include "gmock/gmock.h"
#include "services/entitlements/entitlement_store.h"
#include "services/entitlements/state_source.h"
#include "tests/integration/entitlements_fixture.h"

namespace billmesh::entitlements {
namespace {

using ::testing::HasSubstr;
using testing::WaitUntil;

auth::Caller ServiceCaller() {
  auth::Caller caller;
  caller.certificate_name = "spiffe://billmesh/service/app";
  caller.kind = auth::CallerKind::kService;
  return caller;
}

auth::Caller UserCaller(const std::string& subject) {
  auth::Caller caller;
  caller.certificate_name = "spiffe://billmesh/edge";
  caller.kind = auth::CallerKind::kEdge;
  caller.user = auth::UserIdentity{subject, {}};
  return caller;
}

using EntitlementsServiceTest = EntitlementsFixture;

TEST_F(EntitlementsServiceTest, ADenialOfYesterdayIsAGrantOnceThePaymentIsProjected) {
  const std::string entity = AddWorkspace("acme");
  Poll();
  const auto before = Check(entity, "sso");
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_FALSE(before->granted());
  EXPECT_EQ(before->plan_code(), "free");
  EXPECT_EQ(before->status(), pb::ENTITLEMENT_STATUS_FREE);
  EXPECT_EQ(before->source(), "default_plan");
  const int64_t revision = Project(entity, Active());
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return Granted(entity, "sso"); }));
  const auto after = Check(entity, "projects");
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->value().quota().limit(), 100);
  EXPECT_EQ(after->plan_code(), "pro");
  EXPECT_EQ(after->source(), "plan");
  EXPECT_EQ(after->status(), pb::ENTITLEMENT_STATUS_ACTIVE);
  EXPECT_EQ(after->revision(), revision);
  EXPECT_FALSE(after->stale());
}

TEST_F(EntitlementsServiceTest, AHintNeedsNoPoll) {
  const std::string entity = AddWorkspace("acme");
  Poll();
  EXPECT_FALSE(Granted(entity, "sso"));
  const int64_t revision = Project(entity, Active());
  EXPECT_FALSE(Granted(entity, "sso"));
  pb::NotifyChangesRequest hint;
  hint.add_changes()->set_entity_id(entity);
  hint.mutable_changes(0)->set_revision(revision);
  ASSERT_TRUE(service_->NotifyChanges(hint).ok());
  EXPECT_TRUE(WaitUntil([&] { return Granted(entity, "sso"); }));
}

TEST_F(EntitlementsServiceTest, HintsAreBoundedAndChecked) {
  pb::NotifyChangesRequest hint;
  hint.add_changes()->set_entity_id("x");
  EXPECT_EQ(ReasonOf(service_->NotifyChanges(hint)), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  hint.clear_changes();
  for (int i = 0; i <= kMaxNotifiedChanges; ++i) hint.add_changes()->set_entity_id(db_.ids().NewId());
  EXPECT_EQ(ReasonOf(service_->NotifyChanges(hint)), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(EntitlementsServiceTest, AFeedRowThatBecomesVisibleLateIsNotLost) {
  const std::string slow = AddWorkspace("slow");
  const std::string fast = AddWorkspace("fast");
  Poll();
  EXPECT_FALSE(Granted(slow, "sso"));
  EXPECT_FALSE(Granted(fast, "sso"));
  const absl::Status committed = webhook_.Run(db::Scope::System("test.slow"), [&](db::Tx& tx) -> absl::Status {
    // Draws the lower number, and commits last.
    RETURN_IF_ERROR(ProjectIn(tx, slow, Active()).status());
    Project(fast, Active());
    Poll();
    EXPECT_TRUE(WaitUntil([&] { return Granted(fast, "sso"); }))
        << "one open transaction held up another entity's change";
    EXPECT_FALSE(Granted(slow, "sso"));
    Poll();
    return absl::OkStatus();
  });
  ASSERT_TRUE(committed.ok()) << committed;
  EXPECT_EQ(db_.Value("SELECT count(*) FROM billing.change_feed"), "2");
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return Granted(slow, "sso"); }));
}

TEST_F(EntitlementsServiceTest, AChangeThatWasUncommittedWhenTheReaderBeganIsNotLost) {
  const std::string early = AddWorkspace("early");
  const std::string later = AddWorkspace("later");
  const absl::Status committed = webhook_.Run(db::Scope::System("test.early"), [&](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(ProjectIn(tx, early, Active()).status());
    Project(later, Active());
    // The reader begins behind the uncommitted number, and the state is loaded without the change.
    Poll();
    EXPECT_FALSE(Granted(early, "sso"));
    return absl::OkStatus();
  });
  ASSERT_TRUE(committed.ok()) << committed;
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return Granted(early, "sso"); }));
}

TEST_F(EntitlementsServiceTest, ARolledBackNumberDoesNotHoldUpTheFeed) {
  const std::string entity = AddWorkspace("acme");
  Poll();
  EXPECT_FALSE(Granted(entity, "sso"));
  const absl::Status rolled_back = webhook_.Run(db::Scope::System("test.rollback"), [&](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(ProjectIn(tx, entity, Active()).status());
    return absl::AbortedError("changed its mind");
  });
  EXPECT_FALSE(rolled_back.ok());
  Poll();
  EXPECT_FALSE(Granted(entity, "sso"));
  Project(entity, Active());
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return Granted(entity, "sso"); }));
}

TEST_F(EntitlementsServiceTest, AFeedThatWasClearedIsReadFromItsNewBeginning) {
  const std::string entity = AddWorkspace("acme");
  Project(entity, Active());
  Poll();
  EXPECT_TRUE(Granted(entity, "sso"));
  Projection canceled = Active();
  canceled.status = "canceled";
  Project(entity, canceled);
  db_.Admin("TRUNCATE billing.change_feed");
  Poll();
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return !Granted(entity, "sso"); }));
}

TEST_F(EntitlementsServiceTest, BoundariesTakeEffectAtTheirInstantWithNoEvent) {
  const std::string entity = AddWorkspace("acme");
  Projection projection = Active();
  projection.period_end = Now() + absl::Hours(1);
  Project(entity, projection);
  Poll();
  EXPECT_EQ(Check(entity, "sso")->status(), pb::ENTITLEMENT_STATUS_ACTIVE);
  db_.SetClockOffset(absl::Hours(2));
  Poll();
  EXPECT_EQ(Check(entity, "sso")->status(), pb::ENTITLEMENT_STATUS_GRACE);
  EXPECT_TRUE(Check(entity, "sso")->granted());
  db_.SetClockOffset(absl::Hours(1 + 72) - absl::Minutes(1));
  Poll();
  EXPECT_TRUE(Check(entity, "sso")->granted());
  db_.SetClockOffset(absl::Hours(1 + 72) + absl::Minutes(1));
  Poll();
  EXPECT_FALSE(Check(entity, "sso")->granted());
  EXPECT_EQ(Check(entity, "sso")->plan_code(), "free");
  EXPECT_EQ(Check(entity, "sso")->revision(), 2);
}

TEST_F(EntitlementsServiceTest, TimeGoesOnBetweenTwoPolls) {
  const std::string entity = AddWorkspace("acme");
  Projection projection = Active();
  projection.period_end = Now() + absl::Hours(1);
  projection.cancel_at_period_end = true;
  Project(entity, projection);
  Poll();
  clock_.Advance(absl::Minutes(10));
  EXPECT_TRUE(Check(entity, "projects")->granted());
  EXPECT_EQ(Check(entity, "projects")->plan_code(), "pro");
  clock_.Advance(absl::Minutes(51));
  // Older than max-staleness; this key is one that is answered all the same.
  EXPECT_EQ(Check(entity, "projects")->plan_code(), "free");
}

TEST_F(EntitlementsServiceTest, UnknownAndForeignEntitiesAreNotFoundAndNotKept) {
  const std::string foreign = db_.AddWorkspace("other", "", "live");
  Poll();
  EXPECT_EQ(CheckReason(db_.ids().NewId(), "sso"), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_EQ(CheckReason(foreign, "sso"), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_EQ(CheckReason("acme", "sso"), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  EXPECT_EQ(CheckReason(foreign, ""), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  EXPECT_EQ(service_->cached_entities(), 0u);
}

TEST_F(EntitlementsServiceTest, AKeyThatNobodyHasIsDeniedWithoutAValue) {
  const std::string entity = AddWorkspace("acme");
  Poll();
  const auto response = Check(entity, "nothing");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_FALSE(response->granted());
  EXPECT_FALSE(response->has_value());
}

TEST_F(EntitlementsServiceTest, ACallerCanDemandItsOwnWrites) {
  const std::string entity = AddWorkspace("acme");
  Poll();
  EXPECT_FALSE(Granted(entity, "sso"));
  const int64_t revision = Project(entity, Active());
  // Without waiting for any poll: the demand itself makes it look.
  const auto demanded = Check(entity, "sso", revision);
  ASSERT_TRUE(demanded.ok()) << demanded.status();
  EXPECT_TRUE(demanded->granted());

  // One that isn't committed yet is waited for.
  std::thread writer([&] {
    Project(entity, Active());
    Poll();
  });
  const auto waited = Check(entity, "sso", revision + 1);
  writer.join();
  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_GE(waited->revision(), revision + 1);

  std::atomic<bool> stop{false};
  std::thread time([&] {
    // The deadline is by the service's clock: let it pass while the call waits.
    while (!stop) {
      clock_.Advance(absl::Milliseconds(100));
      std::this_thread::yield();
    }
  });
  const auto never = Check(*service_, entity, "sso", revision + 100, clock_.Monotonic() + absl::Seconds(2));
  stop = true;
  time.join();
  EXPECT_EQ(ReasonOf(never.status()), Reason::FAILURE_REASON_REVISION_NOT_REACHED);
}

TEST_F(EntitlementsServiceTest, EachCheckOfABatchIsAnsweredByItself) {
  const std::string paying = AddWorkspace("paying");
  const std::string free = AddWorkspace("free");
  Project(paying, Active());
  Poll();
  pb::BatchCheckRequest request;
  for (const std::string& id : {paying, db_.ids().NewId(), free, std::string("x")}) {
    request.add_checks()->set_entity_id(id);
    request.mutable_checks(request.checks_size() - 1)->set_key("sso");
  }
  const auto run = [&] {
    return Await<pb::BatchCheckResponse>([&](pb::BatchCheckResponse& response, const EntitlementsService::Done& done) {
      service_->BatchCheck(request, absl::InfiniteDuration(), response, done);
    });
  };
  const auto response = run();
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->results_size(), 4);
  EXPECT_TRUE(response->results(0).check().granted());
  EXPECT_FALSE(response->results(1).has_check());
  EXPECT_EQ(response->results(1).failure_code(), "entity_not_found");
  EXPECT_TRUE(response->results(2).has_check());
  EXPECT_FALSE(response->results(2).check().granted());
  EXPECT_EQ(response->results(3).failure_code(), "invalid_argument");
  request.clear_checks();
  EXPECT_EQ(ReasonOf(run().status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  for (int i = 0; i <= kMaxBatchChecks; ++i) request.add_checks();
  EXPECT_EQ(ReasonOf(run().status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

TEST_F(EntitlementsServiceTest, UsersSeeWhatTheyAreMembersOf) {
  const std::string entity = AddWorkspace("acme", "alice");
  AddWorkspace("other", "bob");
  Project(entity, Active());
  Poll();
  billing::types::v1::EntitySelector none;
  billing::types::v1::EntitySelector by_slug;
  by_slug.set_workspace("acme");
  const auto only = GetEntitlements(UserCaller("alice"), none);
  ASSERT_TRUE(only.ok()) << only.status();
  EXPECT_EQ(only->entity_id(), entity);
  EXPECT_EQ(only->plan_code(), "pro");
  EXPECT_TRUE(only->entitlements().at("sso").value().boolean().enabled());
  EXPECT_EQ(ReasonOf(GetEntitlements(UserCaller("bob"), by_slug).status()), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  EXPECT_EQ(ReasonOf(GetEntitlements(UserCaller("carol"), none).status()), Reason::FAILURE_REASON_ENTITY_NOT_FOUND);
  const auto service = GetEntitlements(ServiceCaller(), by_slug);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->entity_id(), entity);
}

TEST_F(EntitlementsServiceTest, LimitationsFollowTheState) {
  const std::string entity = AddWorkspace("acme", "alice");
  const Projection projection = Active();
  Project(entity, projection);
  Poll();
  pb::GetLimitationsRequest request;
  request.mutable_entity()->set_entity_id(entity);
  const auto response =
      Await<pb::GetLimitationsResponse>([&](pb::GetLimitationsResponse& out, const EntitlementsService::Done& done) {
        service_->GetLimitations(ServiceCaller(), request, absl::InfiniteDuration(), out, done);
      });
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->limitations_size(), 2);
  EXPECT_EQ(response->limitations(0).key(), "projects");
  EXPECT_EQ(response->limitations(0).limit(), 100);
  EXPECT_EQ(response->limitations(0).interval(), "lifetime");
  EXPECT_EQ(response->limitations(0).next_change_at().seconds(),
            absl::ToUnixSeconds(projection.period_end + absl::Hours(72)));
}

TEST_F(EntitlementsServiceTest, ANewCatalogReachesWhatIsInMemory) {
  const std::string entity = AddWorkspace("acme");
  Projection legacy = Active();
  legacy.price = "price_legacy";
  Project(entity, legacy);
  Poll();
  EXPECT_EQ(Check(entity, "sso")->plan_code(), "free");
  db_.AddPlan("legacy", 900, {{"sso", "entitlement.boolean.v1", R"({"enabled": true})"}});
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return Granted(entity, "sso"); }));
  EXPECT_EQ(Check(entity, "sso")->plan_code(), "legacy");
  EXPECT_EQ(Check(entity, "sso")->revision(), 2);
}

TEST_F(EntitlementsServiceTest, AnInvalidPayloadIsNeverGrantedAndIsAlerted) {
  db_.AddPlan("broken", 900,
              {{"projects", "entitlement.quota.v1", R"({"limit": -5, "interval": "month", "enforcement": "hard"})"},
               {"sso", "entitlement.boolean.v1", R"({"enabled": true})"},
               {"beta", "entitlement.boolean.v1", R"({"enabled": true, "extra": 1})"}});
  const std::string entity = AddWorkspace("acme");
  Projection projection = Active();
  projection.price = "price_broken";
  Project(entity, projection);
  Poll();
  EXPECT_EQ(Check(entity, "sso")->plan_code(), "broken");
  EXPECT_TRUE(Check(entity, "sso")->granted());
  EXPECT_FALSE(Check(entity, "beta")->granted());
  // The default plan's, not the broken one.
  EXPECT_EQ(Check(entity, "projects")->value().quota().limit(), 3);
  EXPECT_THAT(telemetry::RenderMetrics(),
              HasSubstr("billmesh_guardrail_total{code=\"BILLING_INVALID_ENTITLEMENT_PAYLOAD\"}"));
}

// --- The database away (ENT-8) ---

class EntitlementsOutageTest : public EntitlementsFixture {
 protected:
  EntitlementsOutageTest() {
    known_ = AddWorkspace("known", "alice");
    unknown_ = AddWorkspace("unknown");
    Project(known_, Active());
    Poll();
    EXPECT_TRUE(Granted(known_, "sso"));
  }
  static absl::Status Away() { return Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "away"); }
  std::string known_;
  std::string unknown_;
};

TEST_F(EntitlementsOutageTest, AnswersComeFromMemoryAndSaySo) {
  db_.TakeAway();
  Poll();
  const auto answer = Check(known_, "sso");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(answer->granted());
  EXPECT_TRUE(answer->stale());
  EXPECT_EQ(CheckReason(unknown_, "sso"), Reason::FAILURE_REASON_ENTITLEMENTS_UNAVAILABLE);
  EXPECT_TRUE(service_->Readiness(Away()).ok());
  billing::types::v1::EntitySelector by_id;
  by_id.set_entity_id(known_);
  const auto whole = GetEntitlements(ServiceCaller(), by_id);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_TRUE(whole->stale());
  // Who a user is can't be told from memory.
  EXPECT_EQ(ReasonOf(GetEntitlements(UserCaller("alice"), by_id).status()),
            Reason::FAILURE_REASON_DATABASE_UNAVAILABLE);

  db_.Restore();
  Poll();
  EXPECT_FALSE(Check(known_, "sso")->stale());
  EXPECT_TRUE(Check(unknown_, "sso").ok());
}

TEST_F(EntitlementsOutageTest, BeyondTheBoundItFailsClosedButForKeysThatStayOpen) {
  db_.TakeAway();
  Poll();
  clock_.Advance(absl::Minutes(15) - absl::Seconds(1));
  EXPECT_TRUE(Check(known_, "sso")->stale());
  EXPECT_TRUE(service_->Readiness(Away()).ok());
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(CheckReason(known_, "sso"), Reason::FAILURE_REASON_ENTITLEMENTS_UNAVAILABLE);
  const auto open = Check(known_, "projects");
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_TRUE(open->granted());
  EXPECT_TRUE(open->stale());
  EXPECT_FALSE(service_->Readiness(Away()).ok());
  billing::types::v1::EntitySelector by_id;
  by_id.set_entity_id(known_);
  EXPECT_EQ(ReasonOf(GetEntitlements(ServiceCaller(), by_id).status()),
            Reason::FAILURE_REASON_ENTITLEMENTS_UNAVAILABLE);

  db_.Restore();
  Poll();
  EXPECT_TRUE(Granted(known_, "sso"));
  EXPECT_TRUE(service_->Readiness(absl::OkStatus()).ok());
}

TEST_F(EntitlementsOutageTest, WhatChangedMeanwhileIsSeenAfterwards) {
  db_.TakeAway();
  Poll();
  db_.Admin("UPDATE billing.subscriptions SET status = 'unpaid'");
  db_.Admin("UPDATE billing.entities SET revision = revision + 1 WHERE id = $1", {known_});
  db_.Admin(
      "INSERT INTO billing.change_feed (entity_id, revision) SELECT e.id, e.revision FROM billing.entities e WHERE "
      "e.id = $1",
      {known_});
  EXPECT_TRUE(Granted(known_, "sso"));
  db_.Restore();
  Poll();
  EXPECT_TRUE(WaitUntil([&] { return !Granted(known_, "sso"); }));
  EXPECT_EQ(Check(known_, "sso")->status(), pb::ENTITLEMENT_STATUS_UNPAID);
}

TEST_F(EntitlementsOutageTest, ReadinessForgivesNothingButAbsence) {
  EXPECT_FALSE(service_->Readiness(absl::FailedPreconditionError("schema version is 6")).ok());
  // One that never read the feed has no memory to answer from.
  const auto fresh = MakeService();
  EXPECT_FALSE(fresh->Readiness(absl::OkStatus()).ok());
  EXPECT_FALSE(fresh->Readiness(Away()).ok());
  Poll(*fresh);
  EXPECT_TRUE(fresh->Readiness(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace billmesh::entitlements
