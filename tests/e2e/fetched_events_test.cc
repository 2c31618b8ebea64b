// What must be fetched from the provider, through the built daemons: thin notifications, two changes of one second, and
// the payment methods that a user asks for.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using nlohmann::json;
using testing::HttpAnswer;
using testing::Mesh;
using testing::WaitUntil;

constexpr char kPlan[] = "pro-monthly-v1";
// What sanitized daemons may take on a busy machine.
constexpr absl::Duration kPatience = absl::Seconds(30);

// Looks now and then: the edge limits how often a caller may ask.
bool Eventually(const std::function<bool()>& condition) {
  absl::Time next = absl::Now();
  return WaitUntil(
      [&] {
        if (absl::Now() < next) return false;
        next = absl::Now() + absl::Milliseconds(100);
        return condition();
      },
      kPatience);
}

// One mesh for all tests of this file; each test has a workspace of its own, and keeps the provider's own events back.
class FetchedEventsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new Mesh; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }
  ~FetchedEventsTest() override { HoldWebhooks(false); }

  void SignIn(const std::string& slug) {
    entity_ = mesh_->AddWorkspace(slug, "user_" + slug);
    token_ = mesh_->Token("user_" + slug);
  }
  HttpAnswer Get(const std::string& what) { return mesh_->Api("GET", "/api/billing/" + what, token_); }
  HttpAnswer Post(const std::string& what, const json& body, const std::string& key = "") {
    return mesh_->Api("POST", "/api/billing/" + what, token_, body, key);
  }
  std::string PlanOf() { return Get("entitlements").json().value("planCode", ""); }
  json Subscription() { return Get("subscription").json().value("subscription", json(nullptr)); }

  static void HoldWebhooks(bool hold) {
    EXPECT_EQ(mesh_->Send("POST", mesh_->sim_url() + "/_sim/webhooks", json{{"hold", hold}}.dump()).status, 200);
  }
  static json Sim(const std::string& path) { return mesh_->Send("GET", mesh_->sim_url() + "/_sim/" + path).json(); }
  static HttpAnswer AtProvider(const std::string& path, const std::string& form, const std::string& key) {
    return mesh_->Send("POST", mesh_->sim_url() + path, form,
                       {{"Authorization", "Bearer sk_test_mesh"},
                        {"Content-Type", "application/x-www-form-urlencoded"},
                        {"Idempotency-Key", key}});
  }
  // Paid on the provider's page.
  void Pay() {
    const HttpAnswer opened =
        Post("checkout", {{"planCode", kPlan}, {"successPath", "/billing/done"}, {"cancelPath", "/billing"}}, "buy");
    ASSERT_EQ(opened.status, 200) << opened.body;
    EXPECT_EQ(mesh_->Send("POST", opened.json().at("url").get<std::string>() + "/pay").status, 303);
  }
  std::string Customer() {
    return mesh_->Value("SELECT provider_customer_id FROM billing.entity_customers WHERE entity_id = '" + entity_ +
                        "'");
  }
  // The id of the one that was bought, as the provider has it.
  std::string Bought() {
    const HttpAnswer list = mesh_->Send("GET", mesh_->sim_url() + "/v1/subscriptions?customer=" + Customer(), "",
                                        {{"Authorization", "Bearer sk_test_mesh"}});
    const json subscriptions = list.json().value("data", json::array());
    EXPECT_EQ(subscriptions.size(), 1u) << list.body;
    return subscriptions.empty() ? "" : subscriptions[0].at("id").get<std::string>();
  }
  static std::string Stored(const std::string& event) {
    return mesh_->Value(
        "SELECT status || coalesce(' ' || status_reason, '') FROM billing.webhook_events WHERE provider_event_id = '" +
        event + "'");
  }
  static std::string Processed(const std::string& event) {
    return mesh_->Value(
        "SELECT count(*) FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED' AND provider_event_id = '" +
        event + "'");
  }
  // Everything that was sent has been worked on, and nothing contradicts itself.
  static void ExpectSettled() {
    HoldWebhooks(false);
    EXPECT_TRUE(Eventually([] { return Sim("webhooks").value("idle", false); }));
    testing::CommandResult verified{};
    EXPECT_TRUE(Eventually([&] {
      verified = mesh_->Billctl({"verify", "--settled"});
      return verified.exit_code == 0;
    })) << verified.output;
  }

  static Mesh* mesh_;
  std::string entity_, token_;
};

Mesh* FetchedEventsTest::mesh_ = nullptr;

std::string Thin(const std::string& id, const std::string& object_id) {
  return json({{"id", id},
               {"object", "v2.core.event"},
               {"type", "v1.customer.subscription.updated"},
               {"livemode", false},
               {"created", "2026-09-21T14:13:25.000Z"},
               {"related_object",
                {{"id", object_id}, {"type", "subscription"}, {"url", "/v1/subscriptions/" + object_id}}}})
      .dump();
}

TEST_F(FetchedEventsTest, AThinNotificationIsFetchedAndProjectedAtOnce) {
  SignIn("thin");
  HoldWebhooks(true);
  Pay();
  const std::string subscription = Bought();
  ASSERT_FALSE(subscription.empty());
  EXPECT_TRUE(Subscription().is_null()) << "no event came";

  const std::string thin = Thin("evt_thin_1", subscription);
  const absl::Time delivered = absl::Now();
  const HttpAnswer answer = mesh_->DeliverWebhook(thin, 0, mesh_->thin_webhook_secret());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(WaitUntil([] { return Stored("evt_thin_1") == "processed"; }, kPatience)) << Stored("evt_thin_1");
  std::printf("thin notification: delivered, fetched and projected in %s\n",
              absl::FormatDuration(absl::Now() - delivered).c_str());
  EXPECT_EQ(Subscription().value("status", ""), "active");
  EXPECT_TRUE(Eventually([&] { return PlanOf() == kPlan; })) << PlanOf();

  // Again, once more from elsewhere, and the provider's own events afterwards: applied once each, and the same in the
  // end.
  EXPECT_EQ(mesh_->DeliverWebhook(thin, 0, mesh_->thin_webhook_secret()).json().value("duplication", false), true);
  const json before = Subscription();
  ExpectSettled();
  EXPECT_EQ(Subscription(), before);
  EXPECT_EQ(Processed("evt_thin_1"), "1");
}

TEST_F(FetchedEventsTest, EachSecretTakesItsOwnKindOfEvent) {
  SignIn("secrets");
  const std::string before = mesh_->Value("SELECT count(*) FROM billing.webhook_events");
  const json whole = {{"id", "evt_whole"},
                      {"object", "event"},
                      {"api_version", "2026-10-28.endive"},
                      {"created", 1790000000},
                      {"livemode", false},
                      {"type", "product.created"},
                      {"data", {{"object", {{"id", "prod_1"}, {"object", "product"}}}}},
                      {"pending_webhooks", 1},
                      {"request", nullptr}};
  const HttpAnswer thin_by_whole = mesh_->DeliverWebhook(Thin("evt_mixed", "sub_1"));
  EXPECT_EQ(thin_by_whole.status, 400) << thin_by_whole.body;
  const HttpAnswer whole_by_thin = mesh_->DeliverWebhook(whole.dump(), 0, mesh_->thin_webhook_secret());
  EXPECT_EQ(whole_by_thin.status, 400) << whole_by_thin.body;
  EXPECT_EQ(mesh_->DeliverWebhook(Thin("evt_forged", "sub_1"), 0, "whsec_another").status, 400);
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.webhook_events"), before) << "nothing of it is stored";
  // What the provider doesn't have any more is known by that.
  ASSERT_EQ(mesh_->DeliverWebhook(Thin("evt_gone", "sub_gone"), 0, mesh_->thin_webhook_secret()).status, 200);
  EXPECT_TRUE(WaitUntil([] { return Stored("evt_gone") == "ignored object_gone"; }, kPatience)) << Stored("evt_gone");
}

// The provider's times are whole seconds: which of two changes within one came last, its events don't tell (WHK-5).
TEST_F(FetchedEventsTest, TwoChangesOfOneSecondEndInTheProvidersState) {
  SignIn("tie");
  Pay();
  ASSERT_TRUE(Eventually([&] { return PlanOf() == kPlan && Subscription().is_object(); }));
  ExpectSettled();
  HoldWebhooks(true);
  ASSERT_EQ(Post("subscription/cancel", {{"timing", "CANCEL_TIMING_AT_PERIOD_END"}}, "cancel").status, 200);
  const std::string subscription = Bought();
  const json events = Sim("events?object=" + subscription).at("data");
  json last = events.back();
  ASSERT_EQ(last.at("data").at("object").at("cancel_at_period_end"), true) << last;

  // Another event of its second with a higher id, which says the opposite: it wins, and it is wrong.
  json wrong = last;
  last["id"] = "evt_0_last";
  wrong["id"] = "evt_z_wrong";
  wrong["data"]["object"]["cancel_at_period_end"] = false;
  wrong["data"]["object"]["cancel_at"] = nullptr;
  wrong["data"]["object"]["canceled_at"] = nullptr;
  ASSERT_EQ(mesh_->DeliverWebhook(last.dump()).status, 200);
  ASSERT_EQ(mesh_->DeliverWebhook(wrong.dump()).status, 200);
  const auto told = [&](const std::string& event) {
    return mesh_->Value("SELECT provider_event_id FROM billing.subscriptions WHERE provider_subscription_id = '" +
                        subscription + "'") == event;
  };
  EXPECT_TRUE(WaitUntil([&] { return Stored("evt_z_wrong") == "processed"; }, kPatience)) << Stored("evt_z_wrong");
  const absl::Time tied = absl::Now();
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.outbox_jobs WHERE job_type = 'refresh_subscription' AND "
                         "payload->>'id' = '" +
                         subscription + "'"),
            "1");
  EXPECT_TRUE(Eventually([&] {
    const json shown = Subscription();
    return shown.value("cancelAtPeriodEnd", false) && !told("evt_z_wrong") && !told("evt_0_last");
  })) << Subscription();
  std::printf("tie: settled by the provider in %s\n", absl::FormatDuration(absl::Now() - tied).c_str());
  ExpectSettled();
  EXPECT_EQ(Subscription().value("cancelAtPeriodEnd", false), true) << "whatever came late";
  EXPECT_EQ(mesh_->Value("SELECT string_agg(DISTINCT status, ',') FROM billing.outbox_jobs WHERE job_type = "
                         "'refresh_subscription'"),
            "done");
}

TEST_F(FetchedEventsTest, PaymentMethodsAreSyncedOnDemand) {
  SignIn("methods");
  EXPECT_EQ(Post("payment-methods/sync", json::object()).json().value("count", 0), 0) << "no customer yet";
  Pay();
  ASSERT_TRUE(Eventually([&] { return PlanOf() == kPlan; }));
  ExpectSettled();
  HoldWebhooks(true);
  const auto shown = [&] { return Get("payment-methods").json().value("paymentMethods", json::array()); };
  const size_t before = shown().size();
  const HttpAnswer attached =
      AtProvider("/v1/payment_methods/pm_card_mastercard/attach", "customer=" + Customer(), "attach");
  ASSERT_EQ(attached.status, 200) << attached.body;
  EXPECT_EQ(shown().size(), before) << "no event came";

  const HttpAnswer synced = Post("payment-methods/sync", json::object());
  ASSERT_EQ(synced.status, 200) << synced.body;
  EXPECT_EQ(synced.json().value("count", size_t{0}), before + 1) << synced.body;
  EXPECT_EQ(synced.json().value("complete", false), true);
  const json methods = shown();
  ASSERT_EQ(methods.size(), before + 1);
  EXPECT_TRUE(std::any_of(methods.begin(), methods.end(), [](const json& method) {
    return method.value("brand", "") == "mastercard";
  })) << methods;

  // Detached there, it's gone here.
  const std::string id = attached.json().at("id");
  ASSERT_EQ(AtProvider("/v1/payment_methods/" + id + "/detach", "", "detach").status, 200);
  EXPECT_TRUE(Eventually([&] {
    Post("payment-methods/sync", json::object());
    return shown().size() == before;
  })) << shown();
  ExpectSettled();
  EXPECT_EQ(shown().size(), before);
  EXPECT_EQ(mesh_->Api("POST", "/api/billing/payment-methods/sync", "", json::object()).status, 401);
}

}  // namespace
}  // namespace billmesh
