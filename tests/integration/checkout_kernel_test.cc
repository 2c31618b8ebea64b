// The operation kernel with a provider that does on cue what no simulator can time: moves the clock, takes the lease
// away, answers with another's object, loses the reply to a COMMIT (IDM-8, IDM-9, IDM-13, CHK-10).
#include <functional>
#include <map>
#include <optional>

#include "common/telemetry/metrics.h"
#include "common/time/fake_clock.h"
#include "services/checkout/entity_lock_store.h"
#include "services/checkout/step_runner.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using provider::CallOptions;
using provider::CallResult;
using provider::Outcome;
using ::testing::SizeIs;

CallResult Made(const json& object) {
  CallResult result;
  result.outcome = Outcome::kSuccess;
  result.http_status = 200;
  result.object_json = object.dump();
  result.provider_date = absl::FromUnixSeconds(1790000000);
  return result;
}

// Keeps what it makes; each call can be overridden once.
class FakeProvider : public provider::PaymentProvider {
 public:
  using Override = std::function<std::optional<CallResult>(const provider::FrozenCall&)>;

  absl::StatusOr<provider::Provenance> GetProvenance() override {
    if (away) return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE, "away");
    return provider::Provenance{"stripe", stripe::kApiVersion, "acct_1", stripe::kClientName, stripe::kClientVersion};
  }
  CallResult Send(const provider::FrozenCall& create, const CallOptions& options) override {
    creates.push_back(create);
    timeouts.push_back(options.timeout);
    if (on_create) {
      if (auto result = on_create(create)) return *result;
    }
    json object = json::parse(create.params_json);
    const bool session = create.purpose == provider::kCreateCheckoutSession;
    object["id"] = (session ? "cs_" : "cus_") + std::to_string(++made_);
    object["object"] = session ? "checkout.session" : "customer";
    object["created"] = 1790000000;
    object["livemode"] = false;
    if (session) {
      object["status"] = "open";
      object["payment_status"] = "unpaid";
      object["url"] = "https://pay.example/" + object["id"].get<std::string>();
    }
    objects[object["id"]] = object;
    return Made(object);
  }
  CallResult Retrieve(std::string_view, std::string_view id, const CallOptions&) override {
    ++retrieves;
    const auto it = objects.find(std::string(id));
    if (it != objects.end()) return Made(it->second);
    CallResult result;
    result.outcome = Outcome::kRejected;
    result.http_status = 404;
    result.not_found = true;
    return result;
  }
  CallResult List(std::string_view, const provider::ListQuery& query, const CallOptions&) override {
    json list = {{"object", "list"}, {"data", json::array()}, {"has_more", false}};
    // Newest first, two a page.
    std::vector<json> newest_first;
    for (const auto& [id, object] : objects) newest_first.insert(newest_first.begin(), object);
    bool started = query.starting_after.empty();
    for (const json& object : newest_first) {
      if (started && list["data"].size() == 2) list["has_more"] = true;
      if (started && list["data"].size() < 2) list["data"].push_back(object);
      if (object["id"] == query.starting_after) started = true;
    }
    ++lists;
    return Made(list);
  }
  CallResult ExpireCheckoutSession(std::string_view, std::string_view, const CallOptions&) override { return {}; }

  Override on_create;
  bool away = false;
  std::vector<provider::FrozenCall> creates;
  std::vector<absl::Duration> timeouts;
  std::map<std::string, json> objects;
  int retrieves = 0;
  int lists = 0;

 private:
  int made_ = 0;
};

CallResult Unknown() { return {}; }

// A base of its own, so that both are made before the fixture that takes them.
struct Fakes {
  FakeProvider provider_;
  FakeClock clock_{absl::FromUnixSeconds(1790000000)};
};

class KernelTest : public Fakes, public CheckoutFixture {
 protected:
  KernelTest() : CheckoutFixture(&provider_, &clock_) {}
};

TEST_F(KernelTest, NothingIsSentPastHalfTheLease) {
  // A slow customer, or a process that slept meanwhile.
  provider_.on_create = [&](const provider::FrozenCall&) {
    clock_.Advance(absl::Seconds(61));
    return std::nullopt;
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  ASSERT_THAT(provider_.creates, SizeIs(1));
  EXPECT_EQ(provider_.creates[0].purpose, provider::kCreateCustomer);
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.provider_steps"), "2") << "the session is frozen, and waits";
}

TEST_F(KernelTest, EachCallGetsWhatIsLeftOfHalfTheLease) {
  provider_.on_create = [&](const provider::FrozenCall&) {
    clock_.Advance(absl::Seconds(50));
    return std::nullopt;
  };
  EXPECT_TRUE(Start("k1").ok());
  ASSERT_THAT(provider_.timeouts, SizeIs(2));
  EXPECT_EQ(provider_.timeouts[0], absl::Seconds(15));
  EXPECT_LT(provider_.timeouts[1], absl::Seconds(11));
  EXPECT_GT(provider_.timeouts[1], absl::Seconds(9));
}

TEST_F(KernelTest, RepeatedSendingsStayWithinTheReplayDeadline) {
  provider_.on_create = [](const provider::FrozenCall&) { return std::optional<CallResult>(Unknown()); };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  database_.SetClockOffset(absl::Hours(23) - absl::Seconds(5));
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  ASSERT_THAT(provider_.timeouts, SizeIs(2));
  EXPECT_LE(provider_.timeouts[1], absl::Seconds(5));
}

TEST_F(KernelTest, OnlyWhatThisHolderFrozeCountsAsAFirstSending) {
  provider_.on_create = [](const provider::FrozenCall& create) -> std::optional<CallResult> {
    if (create.purpose == provider::kCreateCheckoutSession) return Unknown();
    return std::nullopt;
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  provider_.on_create = nullptr;
  database_.SetClockOffset(absl::Seconds(121));
  EXPECT_TRUE(Start("k1").ok());
  ASSERT_THAT(provider_.creates, SizeIs(3));
  EXPECT_FALSE(provider_.creates[0].may_have_been_sent);
  EXPECT_FALSE(provider_.creates[1].may_have_been_sent);
  EXPECT_TRUE(provider_.creates[2].may_have_been_sent);
  EXPECT_EQ(provider_.creates[1].params_json, provider_.creates[2].params_json);
  EXPECT_EQ(provider_.creates[1].idempotency_key, provider_.creates[2].idempotency_key);
}

TEST_F(KernelTest, AnAnswerThatIsNotOursIsNotTaken) {
  provider_.on_create = [](const provider::FrozenCall& create) -> std::optional<CallResult> {
    if (create.purpose != provider::kCreateCheckoutSession) return std::nullopt;
    json object = json::parse(create.params_json);
    object["id"] = "cs_other";
    object["object"] = "checkout.session";
    object["metadata"][std::string(provider::kMetadataEntityId)] = "00000000-0000-7000-8000-000000000000";
    return Made(object);
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  EXPECT_EQ(OperationStatusOf("k1"), "pending");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions"), "0");
  EXPECT_THAT(telemetry::RenderMetrics(), ::testing::HasSubstr("BILLING_CHECKOUT_CORRELATION_MISMATCH"));
}

TEST_F(KernelTest, ACustomerThatWasDeletedBeforeItWasStoredIsReplaced) {
  provider_.on_create = [&](const provider::FrozenCall& create) -> std::optional<CallResult> {
    if (create.purpose == provider::kCreateCustomer) {
      provider_.objects["cus_gone"] = {{"id", "cus_gone"}, {"object", "customer"}, {"deleted", true}};
      return Unknown();
    }
    return std::nullopt;
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  int customers = 0;
  provider_.on_create = [&](const provider::FrozenCall& create) -> std::optional<CallResult> {
    // The replay answers as it was made; its present state says that it's gone.
    if (create.purpose == provider::kCreateCustomer && ++customers == 1) {
      json object = json::parse(create.params_json);
      object["id"] = "cus_gone";
      return Made(object);
    }
    return std::nullopt;
  };
  database_.SetClockOffset(absl::Seconds(121));
  EXPECT_TRUE(Start("k1").ok());
  EXPECT_EQ(
      Value("SELECT string_agg(outcome, ' ' ORDER BY ordinal) FROM billing.provider_steps WHERE operation_id IS NULL"),
      "superseded succeeded");
  EXPECT_NE(Value("SELECT provider_customer_id FROM billing.entity_customers"), "cus_gone");
}

TEST_F(KernelTest, ALookupReadsAllPages) {
  provider_.on_create = [&](const provider::FrozenCall& create) -> std::optional<CallResult> {
    // Made, and nobody heard of it; then others' customers.
    json object = json::parse(create.params_json);
    object["id"] = "cus_0";
    object["object"] = "customer";
    provider_.objects["cus_0"] = object;
    for (int i = 1; i <= 5; ++i) {
      const std::string id = "cus_" + std::to_string(i);
      provider_.objects[id] = {{"id", id}, {"object", "customer"}, {"metadata", {{"x", "y"}}}};
    }
    return Unknown();
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  provider_.on_create = nullptr;
  database_.SetClockOffset(absl::Hours(25));
  EXPECT_TRUE(Start("k1").ok());
  EXPECT_EQ(provider_.lists, 3);
  EXPECT_EQ(Value("SELECT provider_customer_id FROM billing.entity_customers"), "cus_0");
}

TEST_F(KernelTest, WithoutProvenanceNothingIsFrozenAndAReplayStillWorks) {
  provider_.away = true;
  EXPECT_EQ(CodeOfResult(Start("k1")), "provider_unavailable");
  EXPECT_EQ(OperationStatusOf("k1"), "");
  provider_.away = false;
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  provider_.away = true;
  EXPECT_EQ(Start("k1")->url, answer->url);
}

TEST_F(KernelTest, ASecondSessionInTheWayIsHandledAsAPurchaseElsewhere) {
  // A session of an earlier operation that was paid late, projected between Tx A and Tx B.
  provider_.on_create = [&](const provider::FrozenCall& create) -> std::optional<CallResult> {
    if (create.purpose == provider::kCreateCheckoutSession) {
      database_.Admin(R"sql(
        INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at)
        VALUES (gen_random_uuid(), 'test', $1, 'an earlier one', 'stripe', 'cs_late', 'completed_pending_subscription', billing.now())
      )sql",
                      {acme_});
    }
    return std::nullopt;
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "subscription_exists_use_portal");
  EXPECT_EQ(Value("SELECT string_agg(status, ' ' ORDER BY status) FROM billing.checkout_sessions"),
            "abandoned completed_pending_subscription");
  EXPECT_EQ(Value("SELECT count(*) FROM billing.outbox_jobs"), "1");
}

TEST_F(KernelTest, ACompletedSessionWhoseSubscriptionIsHereIsReconciledAtOnce) {
  provider_.on_create = [](const provider::FrozenCall& create) -> std::optional<CallResult> {
    if (create.purpose == provider::kCreateCheckoutSession) return Unknown();
    return std::nullopt;
  };
  EXPECT_EQ(CodeOfResult(Start("k1")), "request_in_progress");
  // It was paid, and the subscription's event came first.
  AddSubscription(acme_, "active", Value("SELECT operation_key FROM billing.request_idempotency"));
  provider_.on_create = [&](const provider::FrozenCall& create) -> std::optional<CallResult> {
    json object = json::parse(create.params_json);
    object["id"] = "cs_1";
    object["object"] = "checkout.session";
    object["created"] = 1790000000;
    object["livemode"] = false;
    object["status"] = "complete";
    object["payment_status"] = "paid";
    object["subscription"] = "sub_1";
    provider_.objects["cs_1"] = object;
    return Made(object);
  };
  database_.SetClockOffset(absl::Seconds(121));
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->url, "");
  EXPECT_EQ(Value("SELECT status || ' ' || provider_subscription_id FROM billing.checkout_sessions"),
            "completed_reconciled sub_1");
}

// A COMMIT whose reply is lost, at each of the transactions of a first purchase.
class CommitInDoubtTest : public KernelTest, public ::testing::WithParamInterface<int> {};

TEST_P(CommitInDoubtTest, IsResolvedThroughTheRow) {
  // The connection ends inside COMMIT, when deferred triggers run: the client can't tell. Sequences aren't rolled back,
  // so that only the wanted commit is hit.
  database_.AdminScript(absl::StrCat(R"sql(
    CREATE SEQUENCE billing.test_commits;
    CREATE FUNCTION billing.test_doubt() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      IF nextval('billing.test_commits') = )sql",
                                     GetParam(), R"sql( THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(5);
      END IF;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER test_doubt AFTER INSERT ON billing.audit_log_default DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION billing.test_doubt();
  )sql"));
  const auto answer = Start("k1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(Value("SELECT last_value > " + std::to_string(GetParam()) + " FROM billing.test_commits"), "t");
  EXPECT_EQ(OperationStatusOf("k1"), "succeeded");
  EXPECT_THAT(provider_.creates, SizeIs(2));
  EXPECT_EQ(Value("SELECT count(*) FROM billing.checkout_sessions"), "1");
  EXPECT_EQ(Audits("BILLING_CHECKOUT_STARTED"), 1);
  EXPECT_EQ(Audits("BILLING_CHECKOUT_CREATED"), 1);
}

INSTANTIATE_TEST_SUITE_P(TxATxStepTxB, CommitInDoubtTest, ::testing::Values(1, 2, 3));

TEST_F(KernelTest, TheLockedEntityMustBeOfThisEnvironmentAndInScope) {
  const std::string other = database_.AddWorkspace("other", "", "staging");
  const auto lock = [&](const std::string& scope, const std::string& id) {
    return pool_->Run(db::Scope::Tenant(scope), [&](db::Tx& tx) { return LockAndReadEntity(tx, id, "test").status(); });
  };
  EXPECT_TRUE(lock(acme_, acme_).ok());
  EXPECT_EQ(ReasonOf(lock(other, other)), Reason::FAILURE_REASON_ENVIRONMENT_MISMATCH);
  EXPECT_EQ(ReasonOf(lock(acme_, other)), Reason::FAILURE_REASON_ENTITY_NOT_FOUND) << "row-level security hides it";
}

}  // namespace
}  // namespace billmesh::checkout
