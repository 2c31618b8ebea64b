// The webhook daemon is killed wherever a thin notification passes (WHK-6, IDM-13), and with several events in a
// worker's hand: they are taken over, and applied once.
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/process.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using nlohmann::json;
using testing::Mesh;
using testing::WaitUntil;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr int kKilled = 128 + SIGKILL;

struct Crash {
  const char* point;
  const char* left;  // of the event, where its daemon died: what is durable
};

// In the order in which an event passes them.
constexpr Crash kCrashes[] = {
    {"webhook.before_commit", ""},
    {"webhook.after_commit_before_answer", "pending needs_fetch"},
    {"webhook.after_lease_before_apply", "pending needs_fetch leased"},
    {"webhook.after_fetch_before_apply", "pending needs_fetch leased"},
};

// Of events that a worker has in hand, as above.
constexpr Crash kWorkerCrashes[] = {
    {"webhook.after_lease_before_apply", "parked nothing_stored_matches leased"},
    {"webhook.before_commit", "parked nothing_stored_matches leased"},
    {"webhook.after_commit_before_answer", "processed"},
};

class WebhookCrashTest : public ::testing::Test {
 protected:
  void Hold(bool hold) {
    EXPECT_EQ(mesh_.Send("POST", mesh_.sim_url() + "/_sim/webhooks", json{{"hold", hold}}.dump()).status, 200);
  }
  // A subscription of a workspace's that no event has told of; its id.
  std::string Buy(const std::string& slug) {
    const std::string entity = mesh_.AddWorkspace(slug, "user_" + slug);
    const auto opened =
        mesh_.Api("POST", "/api/billing/checkout", mesh_.Token("user_" + slug),
                  {{"planCode", "pro-monthly-v1"}, {"successPath", "/done"}, {"cancelPath", "/"}}, "buy");
    EXPECT_EQ(opened.status, 200) << opened.body;
    EXPECT_EQ(mesh_.Send("POST", opened.json().at("url").get<std::string>() + "/pay").status, 303);
    const std::string customer =
        mesh_.Value("SELECT provider_customer_id FROM billing.entity_customers WHERE entity_id = '" + entity + "'");
    const json list = mesh_
                          .Send("GET", mesh_.sim_url() + "/v1/subscriptions?customer=" + customer, "",
                                {{"Authorization", "Bearer sk_test_mesh"}})
                          .json();
    EXPECT_EQ(list.at("data").size(), 1u) << list;
    return list.at("data").at(0).at("id");
  }
  testing::HttpAnswer Deliver(const std::string& event, const std::string& subscription) {
    const json thin = {
        {"id", event},
        {"object", "v2.core.event"},
        {"type", "v1.customer.subscription.updated"},
        {"livemode", false},
        {"created", "2026-09-21T14:13:25.000Z"},
        {"related_object",
         {{"id", subscription}, {"type", "subscription"}, {"url", "/v1/subscriptions/" + subscription}}}};
    return mesh_.DeliverWebhook(thin.dump(), 0, mesh_.thin_webhook_secret());
  }
  // Delivers again, as the provider does, until the daemon answers: the edge finds out a little later that it is back.
  bool DeliverUntilAnswered(const std::string& event, const std::string& subscription) {
    return WaitUntil([&] { return Deliver(event, subscription).status == 200; }, kPatience);
  }
  // A daemon that dies at the point.
  std::unique_ptr<testing::Process> StartFaulty(const std::string& point) {
    auto environment = mesh_.EnvironmentOf("webhook");
    environment["BILLMESH_FAULTS"] = point + "=abort";
    return std::make_unique<testing::Process>(
        std::vector<std::string>{testing::RequiredEnv("BILLMESH_BIN_DIR") + "/tests/fault/billmesh-webhook-faulty"},
        environment, mesh_.work_directory() + "/webhook.log");
  }
  // Delivers the event to a daemon that dies at the point.
  void Crash(const std::string& point, const std::string& event, const std::string& subscription) {
    mesh_.Stop("webhook");
    const auto started = StartFaulty(point);
    testing::Process& daemon = *started;
    ASSERT_TRUE(WaitUntil([&] { return mesh_.Ready("webhook") || !daemon.running(); }, kPatience));
    ASSERT_TRUE(daemon.running()) << "nothing passed " << point << " yet";
    WaitUntil([&] { return Deliver(event, subscription).status == 200 || !daemon.running(); }, kPatience);
    EXPECT_EQ(daemon.Wait(kPatience), kKilled) << point;
  }
  // The dead one's lease ends now instead of in a minute.
  void EndLeases() {
    mesh_.Value("UPDATE billing.webhook_events SET lease_until = billing.now() WHERE lease_until > billing.now()");
  }
  // An event of a subscription whose customer nobody knows yet.
  bool DeliverUnlinked(const std::string& name) {
    const json event = {{"id", "evt_" + name},
                        {"object", "event"},
                        {"api_version", "2026-10-28.endive"},
                        {"type", "customer.subscription.created"},
                        {"created", 1'790'000'000},
                        {"livemode", false},
                        {"data",
                         {{"object",
                           {{"id", "sub_" + name},
                            {"object", "subscription"},
                            {"customer", "cus_" + name},
                            {"status", "active"},
                            {"created", 1'790'000'000},
                            {"livemode", false},
                            {"items", {{"object", "list"}, {"has_more", false}, {"data", json::array()}}}}}}}};
    return WaitUntil([&] { return mesh_.DeliverWebhook(event.dump()).status == 200; }, kPatience);
  }
  std::string AuditRows(const std::string& event) {
    return mesh_.Value(
        "SELECT count(*) FROM billing.audit_log WHERE action = 'BILLING_WEBHOOK_PROCESSED' AND "
        "provider_event_id = '" +
        event + "'");
  }
  std::string Stored(const std::string& event) {
    return mesh_.Value(
        "SELECT concat_ws(' ', status, status_reason, CASE WHEN lease_until > billing.now() THEN 'leased' END) FROM "
        "billing.webhook_events WHERE provider_event_id = '" +
        event + "'");
  }

  Mesh mesh_;
};

TEST_F(WebhookCrashTest, AThinNotificationIsAppliedOnceWhereverItsDaemonDies) {
  Hold(true);
  int number = 0;
  for (const auto& [point, left] : kCrashes) {
    SCOPED_TRACE(point);
    const std::string event = absl::StrCat("evt_crash_", ++number);
    const std::string subscription = Buy(absl::StrCat("crash-", number));
    ASSERT_FALSE(subscription.empty());
    Crash(point, event, subscription);
    const std::string of_event = "FROM billing.webhook_events WHERE provider_event_id = '" + event + "'";
    const std::string of_subscription =
        "FROM billing.subscriptions WHERE provider_subscription_id = '" + subscription + "'";
    EXPECT_EQ(Stored(event), left);
    EXPECT_EQ(mesh_.Value("SELECT count(*) " + of_subscription), "0");

    EndLeases();
    mesh_.Start("webhook");
    // The provider delivers what wasn't answered once more.
    EXPECT_TRUE(DeliverUntilAnswered(event, subscription));
    EXPECT_TRUE(WaitUntil([&] { return mesh_.Value("SELECT status " + of_event) == "processed"; }, kPatience))
        << Stored(event);
    EXPECT_EQ(mesh_.Value("SELECT status " + of_subscription), "active");
    EXPECT_EQ(mesh_.Value("SELECT attempts " + of_event), "0") << "no fault of the event's";
    EXPECT_EQ(AuditRows(event), "1");
  }
  Hold(false);
  std::string found;
  EXPECT_TRUE(WaitUntil(
      [&] {
        const testing::CommandResult verified = mesh_.Billctl({"verify", "--settled"});
        found = verified.output;
        return verified.exit_code == 0;
      },
      kPatience))
      << found;
}

TEST_F(WebhookCrashTest, WhatAWorkerHasInHandIsAppliedOnceWhereverItsDaemonDies) {
  constexpr int kInHand = 3;
  int number = 0;
  for (const auto& [point, left] : kWorkerCrashes) {
    SCOPED_TRACE(point);
    std::vector<std::string> names;
    for (int i = 0; i < kInHand; ++i) names.push_back(absl::StrCat("hand_", ++number));
    for (const std::string& name : names) ASSERT_TRUE(DeliverUnlinked(name));
    mesh_.Stop("webhook");
    for (const std::string& name : names) {
      const std::string entity = mesh_.AddWorkspace(absl::StrReplaceAll(name, {{"_", "-"}}), "user_" + name);
      mesh_.Value(
          "INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id) VALUES "
          "(gen_random_uuid(), '" +
          entity + "', 'stripe', 'cus_" + name + "')");
    }
    const auto daemon = StartFaulty(point);
    EXPECT_EQ(daemon->Wait(kPatience), kKilled);
    for (const std::string& name : names) EXPECT_EQ(Stored("evt_" + name), left) << name;

    EndLeases();
    mesh_.Start("webhook");
    for (const std::string& name : names) {
      const std::string event = "evt_" + name;
      EXPECT_TRUE(WaitUntil([&] { return Stored(event) == "processed"; }, kPatience)) << Stored(event);
      EXPECT_EQ(AuditRows(event), "1") << name;
      EXPECT_EQ(mesh_.Value("SELECT count(*) FROM billing.subscriptions WHERE provider_subscription_id = 'sub_" + name +
                            "' AND status = 'active'"),
                "1");
    }
  }
}

}  // namespace
}  // namespace billmesh
