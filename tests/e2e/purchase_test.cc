// The whole mesh through its built binaries: the purchase of the README's demo, and what must be refused.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using nlohmann::json;
using testing::HttpAnswer;
using testing::Mesh;
using testing::WaitUntil;

constexpr const char* kDaemons[] = {"checkout", "webhook", "entitlements", "reconciler", "edge"};
constexpr char kPaidPlan[] = "pro-monthly-v1";
constexpr char kItem[] = "credits-1000-v1";

// One mesh for all tests of this file; each test has workspaces of its own.
class PurchaseTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new Mesh; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }

  static json Checkout() {
    return {{"planCode", kPaidPlan}, {"successPath", "/billing/done"}, {"cancelPath", "/billing"}};
  }
  std::string PlanOf(const std::string& token) {
    const HttpAnswer answer = mesh_->Api("GET", "/api/billing/entitlements", token);
    return answer.status == 200 ? answer.json().value("planCode", "") : "HTTP " + std::to_string(answer.status);
  }
  // The simulator's id of the session behind a checkout URL (…/pay/<id>).
  static std::string SessionOf(const std::string& url) { return url.substr(url.rfind('/') + 1); }
  // Bought as a browser would: the link opens a page, and that is paid.
  static void PayLink(const std::string& url) {
    const HttpAnswer opened = mesh_->Send("POST", url);
    ASSERT_EQ(opened.status, 303) << opened.body;
    const auto location = std::find_if(opened.headers.begin(), opened.headers.end(), [](const auto& header) {
      return absl::EqualsIgnoreCase(header.first, "location");
    });
    ASSERT_NE(location, opened.headers.end());
    EXPECT_EQ(mesh_->Send("POST", location->second + "/pay").status, 303);
  }
  std::string EventCount() { return mesh_->Value("SELECT count(*) FROM billing.webhook_events"); }
  // An event about nothing that we keep, with this id.
  static std::string SomeEvent(const std::string& id) {
    return json({{"id", id},
                 {"object", "event"},
                 {"api_version", "2026-10-28.endive"},
                 {"created", 1790000000},
                 {"livemode", false},
                 {"type", "product.created"},
                 {"data", {{"object", {{"id", "prod_1"}, {"object", "product"}}}}},
                 {"pending_webhooks", 1},
                 {"request", {{"id", nullptr}, {"idempotency_key", nullptr}}}})
        .dump();
  }

  static Mesh* mesh_;
};

Mesh* PurchaseTest::mesh_ = nullptr;

TEST_F(PurchaseTest, ClickToEntitlement) {
  const std::string entity = mesh_->AddWorkspace("acme", "user_acme");
  const std::string token = mesh_->Token("user_acme");
  const std::string before = PlanOf(token);
  EXPECT_NE(before, kPaidPlan);

  const HttpAnswer started = mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "key-1");
  ASSERT_EQ(started.status, 200) << started.body;
  const std::string url = started.json().at("url"), operation = started.json().at("operation");
  EXPECT_FALSE(started.json().at("expiresAt").get<std::string>().empty());

  // The same key replays the same answer; another key finds the open session.
  const HttpAnswer replayed = mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "key-1");
  EXPECT_EQ(replayed.status, 200);
  EXPECT_EQ(replayed.json(), started.json());
  const HttpAnswer second = mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "key-2");
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(second.json().value("code", ""), "checkout_session_open");

  // Paid on the page, as a browser would.
  const HttpAnswer paid = mesh_->Send("POST", url + "/pay");
  EXPECT_EQ(paid.status, 303) << paid.body;

  EXPECT_TRUE(WaitUntil([&] { return PlanOf(token) == kPaidPlan; })) << PlanOf(token);
  EXPECT_TRUE(WaitUntil([&] {
    return mesh_->Api("GET", "/api/billing/checkout/" + operation, token).json().value("sessionStatus", "") ==
           "CHECKOUT_SESSION_STATUS_COMPLETED_RECONCILED";
  }));
  const HttpAnswer subscription = mesh_->Api("GET", "/api/billing/subscription", token);
  EXPECT_EQ(subscription.json().at("subscription").at("status"), "active");
  EXPECT_EQ(subscription.json().at("subscription").at("planCode"), kPaidPlan);

  // A third purchase is refused now; and every change left its audit row.
  const HttpAnswer again = mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "key-3");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.json().value("code", ""), "subscription_exists_use_portal");
  for (const char* action : {"BILLING_CHECKOUT_CREATED", "BILLING_CHECKOUT_REFUSED", "BILLING_CHECKOUT_COMPLETED",
                             "BILLING_WEBHOOK_PROCESSED", "BILLING_ENTITLEMENTS_UPDATED"}) {
    EXPECT_NE(mesh_->Value("SELECT count(*) FROM billing.audit_log WHERE entity_id = '" + entity + "' AND action = '" +
                           std::string(action) + "'"),
              "0")
        << action;
  }
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.audit_log WHERE entity_id = '" + entity +
                         "' AND action = 'BILLING_CHECKOUT_COMPLETED'"),
            "1")
      << "told once for a purchase";
  const json summary = mesh_->Send("GET", mesh_->sim_url() + "/_sim/summary").json();
  EXPECT_EQ(summary.at("keyless_posts"), 0) << summary;
  EXPECT_EQ(summary.at("schema_violations"), 0) << summary;
  const auto verified = mesh_->Billctl({"verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
}

// Whoever pays a link is a customer of the provider's own making (PRT-2): the invoice is the workspace's all the same.
TEST_F(PurchaseTest, APaidLinkIsTheWorkspacesInvoiceAndBlocksNothing) {
  for (const bool subscribed : {false, true}) {
    const std::string slug = subscribed ? "link-subscribed" : "link-bare";
    SCOPED_TRACE(slug);
    const std::string entity = mesh_->AddWorkspace(slug, "user_" + slug), token = mesh_->Token("user_" + slug);
    const auto invoices = [&] {
      return mesh_->Api("GET", "/api/billing/invoices", token).json().value("invoices", json::array());
    };
    if (subscribed) {
      const HttpAnswer started = mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "buy");
      ASSERT_EQ(started.status, 200) << started.body;
      EXPECT_EQ(mesh_->Send("POST", started.json().at("url").get<std::string>() + "/pay").status, 303);
      ASSERT_TRUE(WaitUntil([&] { return PlanOf(token) == kPaidPlan && invoices().size() == 1; }));
    }
    const HttpAnswer link = mesh_->Api("POST", "/api/billing/payment-links", token, {{"itemCode", kItem}}, "link");
    ASSERT_EQ(link.status, 200) << link.body;
    PayLink(link.json().at("url"));
    const size_t expected = subscribed ? 2 : 1;
    EXPECT_TRUE(WaitUntil([&] { return invoices().size() == expected; })) << invoices();
    EXPECT_TRUE(WaitUntil([&] {
      return mesh_->Value("SELECT count(*) FROM billing.webhook_events WHERE entity_id = '" + entity +
                          "' AND status_reason = 'payment_link_session'") == "1";
    }));
    for (const json& invoice : invoices()) EXPECT_EQ(invoice.at("status"), "paid");
    if (!subscribed) {
      EXPECT_EQ(mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "buy").status, 200) << "nothing blocks";
    }
  }
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.webhook_events WHERE status = 'quarantined'"), "0");
  // Who paid is a customer that the provider made, and stays nobody's here: that customer and its card are parked.
  EXPECT_EQ(mesh_->Value(R"sql(
    SELECT count(*) FROM billing.webhook_events
    WHERE status = 'parked' AND type NOT LIKE 'customer.%' AND type NOT LIKE 'payment_method.%'
  )sql"),
            "0");
  const auto verified = mesh_->Billctl({"verify"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
}

TEST_F(PurchaseTest, ForgedDeliveriesLeaveNoTrace) {
  const std::string before = EventCount();
  const HttpAnswer forged = mesh_->DeliverWebhook(SomeEvent("evt_forged"), 0, "whsec_another_secret");
  EXPECT_EQ(forged.status, 400);
  EXPECT_EQ(forged.json().value("code", ""), "webhook_signature_invalid");
  EXPECT_EQ(mesh_->DeliverWebhook(SomeEvent("evt_forged"), 1700000000).status, 400);
  EXPECT_EQ(mesh_->Send("POST", mesh_->edge_url() + "/api/billing/webhooks/stripe", SomeEvent("evt_forged")).status,
            400);
  EXPECT_EQ(mesh_->DeliverWebhook("").status, 400);
  EXPECT_EQ(EventCount(), before);
}

TEST_F(PurchaseTest, TheSameEventTwiceIsADuplication) {
  const HttpAnswer first = mesh_->DeliverWebhook(SomeEvent("evt_twice"));
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.json().at("duplication"), false);
  const HttpAnswer second = mesh_->DeliverWebhook(SomeEvent("evt_twice"));
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(second.json().at("duplication"), true);
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.webhook_events WHERE provider_event_id = 'evt_twice'"), "1");
}

TEST_F(PurchaseTest, BodyOf257KibIsTooLarge) {
  std::string event = SomeEvent("evt_large");
  event.insert(event.size() - 1, ",\"padding\":\"" + std::string(257 * 1024, 'x') + "\"");
  const std::string before = EventCount();
  EXPECT_EQ(mesh_->DeliverWebhook(event).status, 413);
  EXPECT_EQ(EventCount(), before);
}

TEST_F(PurchaseTest, UnknownPlanIsNotFound) {
  mesh_->AddWorkspace("plans", "user_plans");
  json request = Checkout();
  request["planCode"] = "no-such-plan";
  const HttpAnswer answer = mesh_->Api("POST", "/api/billing/checkout", mesh_->Token("user_plans"), request, "key");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.json().value("code", ""), "checkout_plan_not_found");
  const auto type = std::find_if(answer.headers.begin(), answer.headers.end(),
                                 [](const auto& h) { return h.first == "Content-Type" || h.first == "content-type"; });
  ASSERT_NE(type, answer.headers.end());
  EXPECT_EQ(type->second, "application/problem+json");
}

TEST_F(PurchaseTest, WithoutATokenNobodyGetsIn) {
  const HttpAnswer answer = mesh_->Send("GET", mesh_->edge_url() + "/api/billing/entitlements");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.json().value("code", ""), "unauthenticated");
  EXPECT_EQ(mesh_->Api("GET", "/api/billing/entitlements", "not-a-token").status, 401);
}

TEST_F(PurchaseTest, AnothersWorkspaceLooksLikeNone) {
  const std::string entity = mesh_->AddWorkspace("private", "user_private");
  mesh_->AddWorkspace("curious", "user_curious");
  const std::string token = mesh_->Token("user_curious");
  const HttpAnswer others = mesh_->Api("GET", "/api/billing/entitlements?entity.workspace=private", token);
  const HttpAnswer none = mesh_->Api("GET", "/api/billing/entitlements?entity.workspace=no-such", token);
  EXPECT_EQ(others.status, 404);
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(others.json().value("code", "a"), none.json().value("code", "b"));
  EXPECT_EQ(others.json().value("detail", "a"), none.json().value("detail", "b"));
  EXPECT_EQ(mesh_->Api("GET", "/api/billing/entitlements?entity.entityId=" + entity, token).status, 404);
  // TEN-4: a hint header changes nothing.
  const HttpAnswer hinted = mesh_->Send("GET", mesh_->edge_url() + "/api/billing/entitlements", "",
                                        {{"Authorization", "Bearer " + token}, {"x-surface-id", entity}});
  EXPECT_NE(hinted.json().value("entityId", ""), entity);
}

TEST_F(PurchaseTest, PostgresAwayIsSaidAndHealsByItself) {
  mesh_->AddWorkspace("outage", "user_outage");
  const std::string token = mesh_->Token("user_outage");
  ASSERT_EQ(mesh_->Api("GET", "/api/billing/plans", token).status, 200);
  mesh_->StopPostgres();
  EXPECT_EQ(mesh_->DeliverWebhook(SomeEvent("evt_away")).status, 503);
  EXPECT_EQ(mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "key").status, 503);
  const auto ready = [](const char* daemon) { return mesh_->Ready(daemon); };
  constexpr const char* kNeedPostgres[] = {"checkout", "webhook", "reconciler"};
  EXPECT_TRUE(WaitUntil([&] { return std::none_of(std::begin(kNeedPostgres), std::end(kNeedPostgres), ready); }));
  EXPECT_TRUE(mesh_->Ready("entitlements")) << "it answers from memory (ENT-8)";
  mesh_->StartPostgres();
  EXPECT_TRUE(WaitUntil([&] { return std::all_of(std::begin(kNeedPostgres), std::end(kNeedPostgres), ready); },
                        absl::Seconds(20)));
  EXPECT_EQ(mesh_->DeliverWebhook(SomeEvent("evt_away")).status, 200);
  EXPECT_EQ(mesh_->Api("POST", "/api/billing/checkout", token, Checkout(), "key").status, 200);
}

[[maybe_unused]] bool HasLoaded(pid_t pid, const std::string& library) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/maps"));
  const std::string maps((std::istreambuf_iterator<char>(file)), {});
  return maps.find(library) != std::string::npos;
}

TEST_F(PurchaseTest, DaemonsAreSmallReadySoonAndDrainCleanly) {
  for (const char* daemon : kDaemons) {
    const int64_t kib = mesh_->process(daemon).ResidentKib();
    std::printf("%s: %lld KiB resident, ready after %lld ms\n", daemon, static_cast<long long>(kib),
                static_cast<long long>(absl::ToInt64Milliseconds(mesh_->ready_after(daemon))));
#ifndef BILLMESH_SANITIZED  // a sanitizer's shadow memory isn't ours
    EXPECT_LE(kib, 64 * 1024) << daemon;
    // Nor is its allocator.
    EXPECT_TRUE(HasLoaded(mesh_->process(daemon).pid(), "libtcmalloc")) << daemon;
#endif
    EXPECT_LE(mesh_->ready_after(daemon), absl::Seconds(2)) << daemon;
  }
  for (const char* daemon : kDaemons) {
    EXPECT_EQ(mesh_->Stop(daemon), 0) << daemon;
    mesh_->Start(daemon);
    EXPECT_LE(mesh_->ready_after(daemon), absl::Seconds(2)) << daemon;
  }
}

TEST_F(PurchaseTest, BrokenConfigurationEndsADaemonAtOnceWithOneLine) {
  for (const char* daemon : kDaemons) {
    auto environment = mesh_->EnvironmentOf(daemon);
    environment.erase("BILLING_ENV");
    environment["METRICS_ADDR"] = "nowhere";
    const auto result =
        testing::RunCommand({"sh", "-c", mesh_->BinaryOf(daemon) + " 2>&1"}, environment, absl::Seconds(5));
    EXPECT_EQ(result.exit_code, 2) << daemon;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
    EXPECT_NE(result.output.find("BILLING_ENV"), std::string::npos) << result.output;
    EXPECT_NE(result.output.find("nowhere"), std::string::npos) << result.output;
    EXPECT_EQ(testing::RunCommand({mesh_->BinaryOf(daemon), "--check-config"}, mesh_->EnvironmentOf(daemon)).exit_code,
              0)
        << daemon;
  }
}

TEST_F(PurchaseTest, ATakenPortIsAnErrorThatNamesIt) {
  auto environment = mesh_->EnvironmentOf("checkout");
  const auto result =
      testing::RunCommand({"sh", "-c", mesh_->BinaryOf("checkout") + " 2>&1"}, environment, absl::Seconds(10));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.output.find("127.0.0.1:"), std::string::npos) << result.output;
}

}  // namespace
}  // namespace billmesh
