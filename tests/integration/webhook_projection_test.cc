// What fetched objects do to the projection, beside events and among them, on a real PostgreSQL.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "common/rpc/call.h"
#include "common/rpc/executor.h"
#include "common/rpc/server.h"
#include "common/telemetry/metrics.h"
#include "common/testing/process.h"
#include "services/webhook/projection_server.h"
#include "services/webhook/projection_service.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

constexpr char kCaller[] = "spiffe://billmesh/reconciler";

FetchedObject Fetched(const std::string& kind, const json& object, int64_t at) {
  return {kind, object.dump(), absl::FromUnixSeconds(kEpoch + at)};
}

class WebhookProjectionTest : public WebhookTest {
 protected:
  // "changed", "refused unknown_status"; the fault's code if all of them failed.
  std::vector<std::string> Project(const std::vector<FetchedObject>& objects) {
    const auto projected = projection_.Project(objects, kCaller);
    if (!projected.ok()) return {CodeOf(ReasonOf(projected.status()))};
    std::vector<std::string> words;
    for (const ProjectedObject& object : *projected) {
      words.emplace_back(NameOf(object.outcome));
      if (!object.reason.empty()) absl::StrAppend(&words.back(), " ", object.reason);
    }
    return words;
  }
  std::string ProjectOne(const FetchedObject& object) { return Project({object}).at(0); }

  std::string Status(const std::string& subscription) {
    return Value("SELECT status FROM billing.subscriptions WHERE provider_subscription_id = $1", {subscription});
  }
  // Everything that projecting writes, as far as a second writing of the same would show.
  std::string Trace() {
    return Value(R"sql(
      SELECT concat_ws(' ',
        (SELECT string_agg(s.xmin::text, ',' ORDER BY s.id) FROM billing.subscriptions s),
        (SELECT string_agg(i.xmin::text, ',' ORDER BY i.id) FROM billing.subscription_items i),
        (SELECT string_agg(c.xmin::text, ',' ORDER BY c.id) FROM billing.checkout_sessions c),
        (SELECT string_agg(i.xmin::text, ',' ORDER BY i.id) FROM billing.invoices i),
        (SELECT string_agg(e.revision::text, ',' ORDER BY e.id) FROM billing.entities e),
        (SELECT count(*) FROM billing.audit_log), (SELECT count(*) FROM billing.change_feed),
        (SELECT count(*) FROM billing.remediations), (SELECT count(*) FROM billing.webhook_events),
        (SELECT count(*) FROM billing.webhook_event_keys))
    )sql");
  }

  ProjectionService projection_{{replica_.pool, replica_.ids, replica_.notifier, replica_.source}, DefaultSettings()};
};

TEST_F(WebhookProjectionTest, ANewerSnapshotIsWrittenAuditedAndToldOnce) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  replica_.notifier.Take();
  const int64_t revision = Revision(entity_);
  const FetchedObject fetched = Fetched("subscription", Subscription("sub_1", "cus_1", "past_due"), 10);
  const auto projected = projection_.Project({fetched}, kCaller);
  ASSERT_TRUE(projected.ok()) << projected.status();
  EXPECT_EQ(projected->at(0).outcome, ProjectionOutcome::kChanged);
  EXPECT_EQ(projected->at(0).entity_id, entity_);
  EXPECT_EQ(projected->at(0).revision, revision + 1);
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', status, is_current, extract(epoch FROM provider_updated_at)::bigint,
                     provider_event_id ~ '^fetched [0-9a-f]{32}$')
    FROM billing.subscriptions
  )sql"),
            absl::StrCat("past_due t ", kEpoch + 10, " t"));
  EXPECT_EQ(Revision(entity_), revision + 1);
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.change_feed WHERE entity_id = $1 AND revision = $2",
                  {entity_, revision + 1}),
            "1");
  const auto told = replica_.notifier.Take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].revision, revision + 1);
  EXPECT_EQ(Value(R"sql(
    SELECT concat_ws(' ', actor, provider_event_id IS NULL, detail->>'type', detail->>'object_id', detail->>'result',
                     detail->>'requested_by', length(before_digest), length(after_digest), before_digest <> after_digest)
    FROM billing.audit_log WHERE action = 'BILLING_PROJECTION_REFRESHED' AND entity_id = $1
  )sql",
                  {entity_}),
            "provider:stripe t subscription sub_1 applied spiffe://billmesh/reconciler 64 64 t");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.webhook_events"), "1") << "a fetch is no event";

  const std::string before = Trace();
  const auto again = projection_.Project({fetched}, kCaller);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->at(0).outcome, ProjectionOutcome::kUnchanged);
  EXPECT_EQ(again->at(0).revision, revision + 1);
  EXPECT_EQ(Trace(), before) << "nothing at all is written";
  EXPECT_TRUE(replica_.notifier.Take().empty());
}

TEST_F(WebhookProjectionTest, OlderEventsChangeNothingAfterItAndThoseOfItsSecondAndLaterWin) {
  EXPECT_EQ(ProjectOne(Fetched("subscription", Subscription("sub_1", "cus_1", "past_due"), 10)), "changed");
  const int64_t revision = Revision(entity_);
  Deliver(Event("evt_1", "customer.subscription.created", 9, Subscription("sub_1", "cus_1", "active")));
  EXPECT_EQ(Status("sub_1"), "past_due");
  EXPECT_EQ(Revision(entity_), revision);
  Deliver(Event("evt_2", "customer.subscription.updated", 10, Subscription("sub_1", "cus_1", "unpaid")));
  EXPECT_EQ(Status("sub_1"), "unpaid") << "it may have happened after the fetch in the same second";
  EXPECT_EQ(ProjectOne(Fetched("subscription", Subscription("sub_1", "cus_1", "past_due"), 10)), "unchanged");
  Deliver(Event("evt_3", "customer.subscription.updated", 11, Subscription("sub_1", "cus_1", "active")));
  EXPECT_EQ(Status("sub_1"), "active");
}

TEST_F(WebhookProjectionTest, TheSameContentOfALaterDateMovesTheVersionAndNothingElse) {
  Deliver(Event("evt_1", "customer.subscription.created", 5, Subscription("sub_1", "cus_1", "active")));
  const int64_t revision = Revision(entity_);
  EXPECT_EQ(ProjectOne(Fetched("subscription", Subscription("sub_1", "cus_1", "active"), 20)), "unchanged");
  EXPECT_EQ(Revision(entity_), revision);
  EXPECT_EQ(AuditCount("BILLING_PROJECTION_REFRESHED"), "0");
  Deliver(Event("evt_2", "customer.subscription.updated", 15, Subscription("sub_1", "cus_1", "past_due")));
  EXPECT_EQ(Status("sub_1"), "active") << "what was seen at 20 is newer, though it said nothing new";
}

// Every order of a purchase's events and fetches, each on an entity of its own, ends in the same rows, wherever the
// fetch lies between the events.
TEST_F(WebhookProjectionTest, EventsAndFetchesConvergeInEveryOrder) {
  int lives = 0;
  for (const int64_t date : {15, 20, 25}) {
    std::optional<std::string> expected;
    std::vector<size_t> order = {0, 1, 2, 3, 4};
    do {
      const std::string tag = absl::StrCat("life", lives++);
      const std::string entity = database_.AddWorkspace(tag), customer = "cus_" + tag, sub = "sub_" + tag;
      database_.LinkCustomer(entity, customer);
      AddOperation("op_" + tag, entity);
      AddSession("op_" + tag, "cs_" + tag, entity, "open");
      json active = Subscription(sub, customer, "active", 10), fetched = Subscription(sub, customer, "past_due", 10);
      active["items"]["data"][0]["quantity"] = 7;
      fetched["items"]["data"][0]["quantity"] = 9;
      const json session = Session("cs_" + tag, customer, "complete", sub, "op_" + tag);
      const std::vector<std::function<std::string()>> steps = {
          [&] {
            return Deliver(Event("evt_a" + tag, "customer.subscription.created", 10,
                                 Subscription(sub, customer, "incomplete", 10)));
          },
          [&] { return Deliver(Event("evt_b" + tag, "customer.subscription.updated", 20, active)); },
          [&] { return ProjectOne(Fetched("subscription", fetched, date)); },
          [&] { return Deliver(Event("evt_c" + tag, "checkout.session.completed", 12, session)); },
          [&] { return ProjectOne(Fetched("checkout_session", session, date)); },
      };
      for (const size_t step : order) {
        const std::string verdict = steps[step]();
        ASSERT_TRUE(verdict == "processed" || verdict == "changed" || verdict == "unchanged") << verdict;
      }
      std::string rows = Value(R"sql(
        SELECT concat_ws('|', s.status, s.is_current, s.provider_updated_at, left(s.provider_event_id, 5), i.quantity,
                         c.status, c.provider_subscription_id, c.provider_updated_at, left(c.provider_event_id, 5))
        FROM billing.subscriptions s
        JOIN billing.subscription_items i ON i.subscription_id = s.id
        JOIN billing.checkout_sessions c ON c.entity_id = s.entity_id
        WHERE s.entity_id = $1
      )sql",
                               {entity});
      for (size_t at; (at = rows.find(tag)) != std::string::npos;) rows.replace(at, tag.size(), "life");
      if (!expected) expected = rows;
      ASSERT_EQ(rows, *expected) << "date " << date << " order " << ::testing::PrintToString(order);
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_EQ(expected->substr(0, expected->find('|')), date == 25 ? "past_due" : "active") << "the latest is left";
    EXPECT_NE(expected->find("completed_reconciled"), std::string::npos);
  }
  EXPECT_EQ(lives, 360);
}

TEST_F(WebhookProjectionTest, ACompletedSessionAndItsSubscriptionInOneCallAreReconciled) {
  for (const bool session_first : {true, false}) {
    const std::string tag = session_first ? "a" : "b";
    const std::string entity = database_.AddWorkspace("ws-" + tag), customer = "cus_" + tag, key = "op_" + tag;
    database_.LinkCustomer(entity, customer);
    AddOperation(key, entity);
    AddSession(key, "cs_" + tag, entity, "open");
    const json metadata = {{"billmesh_operation_key", key}, {"billmesh_entity_id", entity}, {"billmesh_env", "test"}};
    std::vector<FetchedObject> objects = {
        Fetched("checkout_session", Session("cs_" + tag, customer, "complete", "sub_" + tag, key), 10),
        Fetched("subscription", Subscription("sub_" + tag, customer, "active", 9, metadata), 10)};
    if (!session_first) std::swap(objects[0], objects[1]);
    const int64_t revision = Revision(entity);
    EXPECT_EQ(Project(objects), (std::vector<std::string>{"changed", "changed"}));
    EXPECT_EQ(SessionStatusOf(key), "completed_reconciled");
    EXPECT_EQ(Value("SELECT concat_ws(' ', is_current, operation_key) FROM billing.subscriptions WHERE entity_id = $1",
                    {entity}),
              "t " + key);
    EXPECT_EQ(Revision(entity), revision + 1) << "one transaction, one revision";
  }
  EXPECT_EQ(Value(R"sql(
    SELECT string_agg(concat_ws(' ', operation_key, provider_event_id, detail->>'from', '→', detail->>'to'), '; '
                      ORDER BY operation_key) FROM billing.audit_log WHERE action = 'BILLING_CHECKOUT_COMPLETED'
  )sql"),
            "op_a open → completed_pending_subscription; op_b open → completed_reconciled");
}

TEST_F(WebhookProjectionTest, ASessionThatOnlyWaitsIsFreedByItsSubscription) {
  AddOperation("op_1", entity_);
  AddSession("op_1", "cs_1", entity_, "open");
  EXPECT_EQ(ProjectOne(Fetched("checkout_session", Session("cs_1", "cus_1", "complete", "sub_1", "op_1"), 10)),
            "changed");
  EXPECT_EQ(SessionStatusOf("op_1"), "completed_pending_subscription");
  EXPECT_EQ(ProjectOne(Fetched("subscription", Subscription("sub_1", "cus_1", "active"), 9)), "changed");
  EXPECT_EQ(SessionStatusOf("op_1"), "completed_reconciled");
  EXPECT_EQ(AuditCount("BILLING_CHECKOUT_RECONCILED"), "1");
}

TEST_F(WebhookProjectionTest, WhatHasNoRowYetIsBackfilled) {
  AddOperation("op_1", entity_);
  EXPECT_EQ(Project({Fetched("checkout_session", Session("cs_1", "cus_1", "complete", "sub_1", "op_1"), 10),
                     Fetched("subscription", Subscription("sub_1", "cus_1", "active", 3), 10),
                     Fetched("invoice", Invoice("in_1", "cus_1", "paid", "sub_1"), 10)}),
            (std::vector<std::string>{"changed", "changed", "changed"}));
  EXPECT_EQ(SessionStatusOf("op_1"), "completed_reconciled");
  EXPECT_EQ(Value("SELECT concat_ws(' ', provider_invoice_id, status, total_minor) FROM billing.invoices"),
            "in_1 paid 1900");
}

TEST_F(WebhookProjectionTest, SeveralLiveSubscriptionsGoThroughTheCanonicalRule) {
  EXPECT_EQ(Project({Fetched("subscription", Subscription("sub_b", "cus_1", "active", 5), 10),
                     Fetched("subscription", Subscription("sub_a", "cus_1", "active", 2), 10)}),
            (std::vector<std::string>{"changed", "changed"}));
  EXPECT_EQ(Value("SELECT string_agg(provider_subscription_id, ' ') FROM billing.subscriptions WHERE is_current"),
            "sub_a");
  EXPECT_EQ(Value("SELECT string_agg(provider_subscription_id, ' ') FROM billing.remediations"), "sub_b");
  EXPECT_EQ(Project({Fetched("subscription", Subscription("sub_a", "cus_1", "canceled", 2), 20)}),
            std::vector<std::string>{"changed"});
  EXPECT_EQ(Value("SELECT string_agg(provider_subscription_id, ' ') FROM billing.subscriptions WHERE is_current"),
            "sub_b");
}

TEST_F(WebhookProjectionTest, AnEndIsNeverLeft) {
  Deliver(Event("evt_1", "customer.subscription.deleted", 5, Subscription("sub_1", "cus_1", "canceled")));
  Deliver(Event("evt_2", "invoice.paid", 5, Invoice("in_1", "cus_1", "paid", "")));
  AddOperation("op_1", entity_);
  AddSession("op_1", "cs_1", entity_, "open");
  Deliver(Event("evt_3", "checkout.session.expired", 5, Session("cs_1", "cus_1", "expired", "", "op_1", "unpaid")));
  const std::string before = Trace();
  EXPECT_EQ(Project({Fetched("subscription", Subscription("sub_1", "cus_1", "active"), 90),
                     Fetched("invoice", Invoice("in_1", "cus_1", "open", ""), 90),
                     Fetched("checkout_session", Session("cs_1", "cus_1", "open", "", "op_1", "unpaid"), 90)}),
            (std::vector<std::string>{"unchanged", "unchanged", "unchanged"}));
  EXPECT_EQ(Trace(), before);
}

TEST_F(WebhookProjectionTest, LatePaymentIsMarkedByAFetchToo) {
  AddOperation("op_1", entity_, "expired");
  AddSession("op_1", "cs_1", entity_, "expired");
  EXPECT_EQ(ProjectOne(Fetched("checkout_session", Session("cs_1", "cus_1", "complete", "sub_1", "op_1"), 10)),
            "changed");
  EXPECT_EQ(SessionStatusOf("op_1"), "expired");
  EXPECT_EQ(AuditCount("BILLING_CHECKOUT_PAID_LATE"), "1");
}

TEST_F(WebhookProjectionTest, WhatNobodyOfOursIsKnownForIsNotStored) {
  const std::string before = Trace();
  EXPECT_EQ(Project({Fetched("subscription", Subscription("sub_9", "cus_9", "active"), 10),
                     Fetched("invoice", Invoice("in_9", "cus_9", "paid", ""), 10),
                     Fetched("checkout_session", Session("cs_9", "cus_9", "complete", "", ""), 10)}),
            (std::vector<std::string>{"unbound", "unbound", "unbound"}));
  EXPECT_EQ(Trace(), before);
  const auto projected =
      projection_.Project({Fetched("subscription", Subscription("sub_9", "cus_9", "active"), 10)}, "");
  ASSERT_TRUE(projected.ok());
  EXPECT_EQ(projected->at(0).entity_id, "");
  EXPECT_EQ(projected->at(0).revision, 0);
}

TEST_F(WebhookProjectionTest, AContradictionMutatesNothingAndAlerts) {
  const std::string other = database_.AddWorkspace("other");
  AddOperation("op_other", other);
  const std::string before = Trace();
  // What the counter has reached; the process counts for all its tests.
  const auto count = [] {
    constexpr std::string_view kSeries = "billmesh_guardrail_total{code=\"BILLING_CHECKOUT_CORRELATION_MISMATCH\"} ";
    const std::string metrics = telemetry::RenderMetrics();
    const size_t at = metrics.find(kSeries);
    return at == std::string::npos ? 0 : std::stoi(metrics.substr(at + kSeries.size()));
  };
  const int alerts = count();
  int contradictions = 0;
  for (const json& metadata : {json{{"billmesh_entity_id", other}}, json{{"billmesh_env", "live"}},
                               json{{"billmesh_operation_key", "op_other"}}}) {
    EXPECT_EQ(ProjectOne(Fetched("subscription", Subscription("sub_1", "cus_1", "active", 1, metadata), 10)),
              "contradicted");
    EXPECT_EQ(count(), alerts + ++contradictions);
  }
  EXPECT_EQ(Trace(), before);
}

TEST_F(WebhookProjectionTest, ABadObjectDoesNotHoldUpTheOthers) {
  EXPECT_EQ(ProjectOne(Fetched("subscription", Subscription("sub_1", "cus_1", "active"), 5)), "changed");
  json no_price = Subscription("sub_2", "cus_1", "active");
  no_price["items"]["data"][0].erase("price");
  // An item that belongs to another subscription: the database refuses it.
  json poisoned = Subscription("sub_3", "cus_1", "active", 90);
  poisoned["items"]["data"][0]["id"] = "si_of_sub_1";
  FetchedObject not_json = Fetched("subscription", json::object(), 10), large = not_json;
  not_json.object_json = "{";
  large.object_json.assign(kMaxFetchedBytes + 1, ' ');
  const std::vector<std::string> words = Project(
      {not_json, large, Fetched("invoice", Subscription("sub_1", "cus_1", "active"), 10),
       Fetched("subscription", no_price, 10), Fetched("subscription", Subscription("sub_4", "cus_1", "dormant"), 10),
       Fetched("subscription", poisoned, 10), Fetched("subscription", Subscription("sub_1", "cus_1", "past_due"), 10),
       Fetched("checkout_session", Session("cs_1", "cus_1", "complete", "sub_1", ""), 10),
       Fetched("invoice", Invoice("in_1", "cus_1", "paid", "sub_1"), 10)});
  EXPECT_EQ(words,
            (std::vector<std::string>{
                "refused object_malformed: not_json", "refused object_too_large",
                "refused object_malformed: currency: missing", "refused object_malformed: items.data[0].price: missing",
                "refused unknown_status", "refused constraint_violation: subscription_items_provider_item_key",
                "changed", "refused not_our_checkout", "changed"}));
  EXPECT_EQ(Status("sub_1"), "past_due");
  EXPECT_EQ(Value("SELECT status FROM billing.invoices"), "paid");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.subscriptions"), "1");
}

TEST_F(WebhookProjectionTest, ObjectsOfAnotherEnvironmentAreRefused) {
  json live = Subscription("sub_1", "cus_1", "active");
  live["livemode"] = true;
  const json elsewhere = Subscription("sub_2", "cus_9", "active", 1, {{"billmesh_env", "staging"}});
  const std::string before = Trace();
  EXPECT_EQ(Project({Fetched("subscription", live, 10), Fetched("subscription", elsewhere, 10)}),
            (std::vector<std::string>{"refused environment_mismatch", "refused environment_mismatch"}));
  EXPECT_EQ(Trace(), before);
}

TEST_F(WebhookProjectionTest, AFaultIsAnErrorAndDoingItAgainIsRight) {
  const FetchedObject fetched = Fetched("subscription", Subscription("sub_1", "cus_1", "active"), 10);
  database_.TakeAway();
  EXPECT_EQ(ProjectOne(fetched), "database_unavailable");
  database_.Restore();
  EXPECT_EQ(ProjectOne(fetched), "changed");
}

// As its callers see it: over mTLS, with their certificates.
class ProjectionServerTest : public WebhookProjectionTest {
 protected:
  ProjectionServerTest() : identity_(testing::RequiredEnv("BILLMESH_DEV_DIR")) {
    auto served = rpc::Server::Start({.listen = "127.0.0.1:0", .tls = Tls("webhook")}, {&server_});
    EXPECT_TRUE(served.ok()) << served.status();
    served_ = std::move(*served);
  }
  ~ProjectionServerTest() override { served_->Drain(absl::Seconds(1)); }

  rpc::TlsFiles Tls(const std::string& name) const {
    return {identity_ + "/ca.pem", identity_ + "/" + name + ".pem", identity_ + "/" + name + ".key"};
  }
  absl::Status Call(const std::string& certificate, const billing::webhook::v1::ProjectRequest& request,
                    billing::webhook::v1::ProjectResponse& response) {
    const auto channel = rpc::MakeChannel(absl::StrCat("127.0.0.1:", served_->port()), Tls(certificate));
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Seconds(10));
    return rpc::FromGrpc(
        billing::webhook::v1::ProjectionService::NewStub(channel)->Project(&context, request, &response));
  }

  const std::string identity_;
  rpc::Executor executor_{2, 16};
  rpc::CallHost calls_{database_.clock(), executor_, nullptr};
  ProjectionServer server_{{.calls = calls_, .service = projection_, .provider = "stripe"}};
  std::unique_ptr<rpc::Server> served_;
};

TEST_F(ProjectionServerTest, CheckoutAndTheReconcilerAloneMayProject) {
  namespace pb = billing::webhook::v1;
  pb::ProjectRequest request;
  request.set_provider("stripe");
  const auto add = [&](const json& object) {
    pb::FetchedObject& fetched = *request.add_objects();
    fetched.set_kind("subscription");
    fetched.set_object_json(object.dump());
    fetched.mutable_provider_date()->set_seconds(kEpoch + 10);
  };
  add(Subscription("sub_1", "cus_1", "active"));
  add(Subscription("sub_2", "cus_1", "dormant"));
  add(Subscription("sub_9", "cus_9", "active"));
  add(Subscription("sub_3", "cus_1", "active", 1, {{"billmesh_env", "live"}}));
  add(Subscription("sub_1", "cus_1", "active"));
  for (const char* certificate : {"edge", "entitlements", "service", "operator", "webhook"}) {
    pb::ProjectResponse response;
    EXPECT_EQ(ReasonOf(Call(certificate, request, response)), Reason::FAILURE_REASON_PERMISSION_DENIED) << certificate;
  }
  pb::ProjectResponse response;
  const absl::Status done = Call("reconciler", request, response);
  ASSERT_TRUE(done.ok()) << done;
  std::string words;
  for (const pb::ProjectedObject& object : response.results()) {
    absl::StrAppend(&words, pb::ProjectionOutcome_Name(object.outcome()).substr(19), object.reason().empty() ? "" : " ",
                    object.reason(), object.entity_id().empty() ? "" : " bound ", object.revision(), "; ");
  }
  const std::string bound = absl::StrCat(" bound ", Revision(entity_), "; ");
  EXPECT_EQ(words, "CHANGED" + bound + "REFUSED unknown_status" + bound + "UNBOUND0; CONTRADICTED0; UNCHANGED" + bound);
  EXPECT_EQ(Value("SELECT detail->>'requested_by' FROM billing.audit_log WHERE detail ? 'requested_by'"), kCaller);
  pb::ProjectResponse again;
  EXPECT_TRUE(Call("checkout", request, again).ok());
  EXPECT_EQ(again.results(0).outcome(), pb::PROJECTION_OUTCOME_UNCHANGED);
  request.set_provider("paypal");
  EXPECT_EQ(ReasonOf(Call("checkout", request, again)), Reason::FAILURE_REASON_INVALID_ARGUMENT);
}

// Fetches and events of the same two entities, in opposite orders, on all eight connections of the pool: the locks are
// taken in one order, so that nobody waits in a circle, and the latest version is left.
TEST_F(WebhookProjectionTest, FetchesAndEventsAtOnceDoNotDeadlock) {
  database_.LinkCustomer(database_.AddWorkspace("other"), "cus_2");
  // Without second attempts: a deadlock would be an error.
  db::Pool pool({.url = database_.Url("webhook"), .daemon = "webhook", .max_connections = 8, .max_attempts = 1},
                database_.clock(), replica_.ids);
  WebhookService events_service(
      {.pool = pool, .ids = replica_.ids, .notifier = replica_.notifier, .suspects = replica_.suspects},
      DefaultSettings());
  ProjectionService projection({pool, replica_.ids, replica_.notifier, replica_.source}, DefaultSettings());
  constexpr int kThreads = 8, kRounds = 50;
  std::atomic<int> faults{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        const int64_t at = round * kThreads + t;
        std::vector<std::string> customers = {"cus_1", "cus_2"};
        if (round % 2 == 0) std::swap(customers[0], customers[1]);
        std::vector<FetchedObject> fetched;
        std::vector<Incoming> events;
        for (const std::string& customer : customers) {
          json subscription = Subscription("sub_of_" + customer, customer, "active");
          subscription["items"]["data"][0]["quantity"] = at;
          fetched.push_back(Fetched("subscription", subscription, at));
          const std::string id = absl::StrCat("evt_", at, customer);
          events.push_back(Parsed(Event(id, "customer.subscription.updated", at, subscription).dump()));
        }
        if (t % 2 == 0) {
          faults += !projection.Project(fetched, kCaller).ok();
        } else {
          for (const auto& result : events_service.Apply(events)) faults += !result.ok();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(Value("SELECT string_agg(quantity::text, ' ') FROM billing.subscription_items"),
            absl::StrCat(kThreads * kRounds - 1, " ", kThreads * kRounds - 1));
}

}  // namespace
}  // namespace billmesh::webhook
