// The writes beside and after a purchase, and what happens without a client or without webhooks: through the built
// binaries.
#include <signal.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

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
constexpr char kOtherPlan[] = "pro-yearly-v1";
constexpr char kDefaultPlan[] = "free-v1";
constexpr char kAddOn[] = "extra-projects-v1";
constexpr char kItem[] = "credits-1000-v1";
// What sanitized daemons may take on a busy machine.
constexpr absl::Duration kPatience = absl::Seconds(30);

json CheckoutOf(const std::string& plan) {
  return {{"planCode", plan}, {"successPath", "/billing/done"}, {"cancelPath", "/billing"}};
}

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

// The provider's times are whole seconds: which of two changes within one came last, its events don't tell (WHK-5).
void AwaitNextSecond() {
  // A whole one: the simulator's seconds needn't begin with ours.
  const absl::Time from = absl::Now();
  WaitUntil([&] { return absl::Now() - from > absl::Seconds(1); });
}

std::string CodeOf(const HttpAnswer& answer) { return answer.json().value("code", ""); }

// A daemon with other settings than the mesh's, until the end of the scope.
class WithSettings {
 public:
  WithSettings(Mesh& mesh, std::string name, const std::map<std::string, std::string>& settings)
      : mesh_(mesh), name_(std::move(name)) {
    auto environment = mesh_.EnvironmentOf(name_);
    for (const auto& [variable, value] : settings) environment[variable] = value;
    mesh_.Stop(name_);
    process_ = std::make_unique<testing::Process>(std::vector<std::string>{mesh_.BinaryOf(name_)}, environment,
                                                  mesh_.work_directory() + "/" + name_ + ".log");
    EXPECT_TRUE(Eventually([&] { return mesh_.Ready(name_); })) << name_;
  }
  ~WithSettings() {
    process_->Signal(SIGTERM);
    EXPECT_EQ(process_->Wait(kPatience), 0) << name_;
    process_.reset();
    mesh_.Start(name_);
  }
  WithSettings(const WithSettings&) = delete;

 private:
  Mesh& mesh_;
  std::string name_;
  std::unique_ptr<testing::Process> process_;
};

// One mesh for all tests of this file; each test has workspaces of its own.
class CheckoutWritesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new Mesh; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }

  // A workspace with an owner who is signed in.
  void SignIn(const std::string& slug) {
    entity_ = mesh_->AddWorkspace(slug, "user_" + slug);
    token_ = mesh_->Token("user_" + slug);
  }

  static HttpAnswer Get(const std::string& what, const std::string& token) {
    return mesh_->Api("GET", "/api/billing/" + what, token);
  }
  HttpAnswer Get(const std::string& what) { return Get(what, token_); }
  static HttpAnswer Post(const std::string& what, const std::string& token, const json& body, const std::string& key) {
    return mesh_->Api("POST", "/api/billing/" + what, token, body, key);
  }
  HttpAnswer Post(const std::string& what, const json& body, const std::string& key) {
    return Post(what, token_, body, key);
  }

  // The answer of a checkout that was opened.
  json Open(const std::string& plan, const std::string& key) {
    const HttpAnswer answer = Post("checkout", CheckoutOf(plan), key);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200 ? answer.json() : json{{"operation", ""}, {"url", ""}};
  }
  static void Pay(const json& opened) {
    EXPECT_EQ(mesh_->Send("POST", opened.at("url").get<std::string>() + "/pay").status, 303);
  }
  // Bought, and known here.
  void Buy(const std::string& plan) {
    Pay(Open(plan, "buy"));
    EXPECT_TRUE(Eventually([&] { return PlanOf() == plan; })) << Get("entitlements").body;
  }
  std::string StateOf(const json& opened) {
    return Get("checkout/" + opened.at("operation").get<std::string>()).json().value("sessionStatus", "");
  }
  std::string PlanOf() { return Get("entitlements").json().value("planCode", ""); }
  // Null while there is none.
  json Subscription() {
    const HttpAnswer answer = Get("subscription");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json().value("subscription", json(nullptr));
  }
  // Of an entitlement that is a quota; int64 is text in JSON.
  std::string LimitOf(const std::string& key) {
    return Get("entitlements").json().value(json::json_pointer("/entitlements/" + key + "/value/quota/limit"), "");
  }

  static void HoldWebhooks(bool hold) {
    const HttpAnswer answer = mesh_->Send("POST", mesh_->sim_url() + "/_sim/webhooks", json{{"hold", hold}}.dump());
    EXPECT_EQ(answer.status, 200) << answer.body;
  }
  // Everything that was sent has been worked on, and nothing contradicts itself.
  static void ExpectSettled() {
    EXPECT_TRUE(
        Eventually([] { return mesh_->Send("GET", mesh_->sim_url() + "/_sim/webhooks").json().value("idle", false); }));
    testing::CommandResult verified{};
    EXPECT_TRUE(Eventually([&] {
      verified = mesh_->Billctl({"verify", "--settled"});
      return verified.exit_code == 0;
    })) << verified.output;
  }
  // How many sessions the simulator made for this test's workspace.
  int SessionsMade() {
    const std::string customer =
        mesh_->Value("SELECT provider_customer_id FROM billing.entity_customers WHERE entity_id = '" + entity_ + "'");
    const json entries =
        mesh_->Send("GET", mesh_->sim_url() + "/_sim/ledger?kind=effect&limit=100000").json().at("entries");
    return static_cast<int>(std::count_if(entries.begin(), entries.end(), [&](const json& entry) {
      return entry.value("effect", "") == "created" && entry.value("object", "") == "checkout.session" &&
             entry.value("customer", "") == customer;
    }));
  }

  static Mesh* mesh_;
  std::string entity_, token_;
};

Mesh* CheckoutWritesTest::mesh_ = nullptr;

TEST_F(CheckoutWritesTest, AWrongPlanIsCancelledAndAnotherChosenAtOnce) {
  SignIn("wrong");
  const json opened = Open(kPlan, "first");
  EXPECT_EQ(CodeOf(Post("checkout", CheckoutOf(kOtherPlan), "second")), "checkout_session_open");

  const std::string cancel = "checkout/" + opened.at("operation").get<std::string>() + "/cancel";
  const HttpAnswer cancelled = Post(cancel, json::object(), "cancel");
  ASSERT_EQ(cancelled.status, 200) << cancelled.body;
  EXPECT_EQ(cancelled.json().at("sessionStatus"), "CHECKOUT_SESSION_STATUS_EXPIRED");
  EXPECT_EQ(Post(cancel, json::object(), "cancel").json(), cancelled.json()) << "replayed";
  EXPECT_EQ(StateOf(opened), "CHECKOUT_SESSION_STATUS_EXPIRED");
  EXPECT_NE(mesh_->Send("POST", opened.at("url").get<std::string>() + "/pay").status, 303) << "nobody can pay it now";

  const json other = Open(kOtherPlan, "second");
  EXPECT_NE(other.at("url"), opened.at("url"));
  Pay(other);
  EXPECT_TRUE(Eventually([&] { return PlanOf() == kOtherPlan; }));
  EXPECT_EQ(SessionsMade(), 2);
  // One that was paid is no longer cancelled, and says so.
  const HttpAnswer late =
      Post("checkout/" + other.at("operation").get<std::string>() + "/cancel", json::object(), "late");
  ASSERT_EQ(late.status, 200) << late.body;
  EXPECT_EQ(late.json().at("sessionStatus"), "CHECKOUT_SESSION_STATUS_COMPLETED_RECONCILED");
  EXPECT_EQ(Subscription().at("status"), "active");
  ExpectSettled();
}

TEST_F(CheckoutWritesTest, WhoComesBackFromPayingNeedsNoWebhook) {
  SignIn("back");
  ExpectSettled();  // nothing of other tests is on its way
  HoldWebhooks(true);
  const std::string events = mesh_->Value("SELECT count(*) FROM billing.webhook_events");
  const json opened = Open(kPlan, "key");
  Pay(opened);

  // Asked for once, the provider is asked, too.
  EXPECT_EQ(StateOf(opened), "CHECKOUT_SESSION_STATUS_COMPLETED_RECONCILED");
  EXPECT_TRUE(Eventually([&] { return PlanOf() == kPlan; })) << Get("entitlements").body;
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.webhook_events"), events) << "no webhook came";
  const json subscription = Subscription();
  const json entitlements = Get("entitlements").json().at("entitlements");
  EXPECT_EQ(subscription.value("status", ""), "active");

  HoldWebhooks(false);
  ExpectSettled();
  EXPECT_NE(mesh_->Value("SELECT count(*) FROM billing.webhook_events"), events) << "now they did";
  EXPECT_EQ(Subscription(), subscription);
  EXPECT_EQ(Get("entitlements").json().at("entitlements"), entitlements);
  EXPECT_EQ(StateOf(opened), "CHECKOUT_SESSION_STATUS_COMPLETED_RECONCILED");
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.audit_log WHERE entity_id = '" + entity_ +
                         "' AND action = 'BILLING_CHECKOUT_COMPLETED'"),
            "1");
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.subscriptions WHERE entity_id = '" + entity_ + "'"), "1");
}

TEST_F(CheckoutWritesTest, PortalAndPaymentLink) {
  SignIn("pages");
  Buy(kPlan);
  const HttpAnswer portal = Post("portal", {{"returnPath", "/billing"}}, "portal");
  ASSERT_EQ(portal.status, 200) << portal.body;
  EXPECT_EQ(mesh_->Send("GET", portal.json().at("url")).status, 200);
  EXPECT_EQ(Post("portal", {{"returnPath", "/billing"}}, "portal").json(), portal.json()) << "replayed";
  EXPECT_NE(Post("portal", {{"returnPath", "/billing"}}, "another").json().at("url"), portal.json().at("url"));
  EXPECT_EQ(CodeOf(Post("portal", {{"returnPath", "/elsewhere"}}, "portal")), "idempotency_conflict");

  const HttpAnswer link = Post("payment-links", {{"itemCode", kItem}}, "link");
  ASSERT_EQ(link.status, 200) << link.body;
  EXPECT_EQ(mesh_->Send("GET", link.json().at("url")).status, 200);
  EXPECT_EQ(Post("payment-links", {{"itemCode", kItem}}, "link").json(), link.json()) << "replayed";
  EXPECT_EQ(CodeOf(Post("payment-links", {{"itemCode", "no-such-item"}}, "unknown")), "checkout_plan_not_found");
  ExpectSettled();
}

TEST_F(CheckoutWritesTest, ASubscriptionIsCancelledResumedAndEnded) {
  SignIn("changes");
  Buy(kPlan);
  const auto ends = [&](bool expected) {
    return Eventually([&] { return Subscription().at("cancelAtPeriodEnd") == expected; });
  };

  const HttpAnswer cancelled = Post("subscription/cancel", {{"timing", "CANCEL_TIMING_AT_PERIOD_END"}}, "cancel");
  ASSERT_EQ(cancelled.status, 200) << cancelled.body;
  EXPECT_EQ(cancelled.json().at("cancelAtPeriodEnd"), true);
  EXPECT_EQ(cancelled.json().at("status"), "active");
  EXPECT_TRUE(ends(true)) << Subscription();
  EXPECT_EQ(PlanOf(), kPlan) << "until the period ends";

  const HttpAnswer resumed = Post("subscription/resume", json::object(), "resume");
  ASSERT_EQ(resumed.status, 200) << resumed.body;
  EXPECT_EQ(resumed.json().at("cancelAtPeriodEnd"), false);
  EXPECT_TRUE(ends(false)) << Subscription();

  const HttpAnswer ended = Post("subscription/cancel", {{"timing", "CANCEL_TIMING_NOW"}}, "now");
  ASSERT_EQ(ended.status, 200) << ended.body;
  EXPECT_EQ(ended.json().at("status"), "canceled");
  EXPECT_TRUE(Eventually([&] { return Subscription().is_null(); })) << Subscription();
  EXPECT_TRUE(Eventually([&] { return PlanOf() == kDefaultPlan; })) << PlanOf();
  EXPECT_EQ(LimitOf("projects"), "3");
  EXPECT_EQ(CodeOf(Post("subscription/resume", json::object(), "too-late")), "portal_subscription_required");
  // Who has ended may buy again.
  Pay(Open(kOtherPlan, "again"));
  EXPECT_TRUE(Eventually([&] { return PlanOf() == kOtherPlan; }));
  ExpectSettled();
}

TEST_F(CheckoutWritesTest, AddOnsRaiseTheQuotaAndGo) {
  SignIn("add-ons");
  Buy(kPlan);
  ASSERT_EQ(LimitOf("projects"), "100");
  const auto quantity = [&] {
    const json subscription = Subscription();
    for (const json& item : subscription.at("items")) {
      if (item.value("planCode", "") == kAddOn) return item.value("quantity", "");
    }
    return std::string("none");
  };
  const auto set = [&](int64_t count, const std::string& key) {
    const HttpAnswer answer = Post("subscription/add-ons", {{"planCode", kAddOn}, {"quantity", count}}, key);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.json().value("quantity", ""), std::to_string(count));
  };

  const auto expect = [&](const std::string& count, const std::string& limit) {
    EXPECT_TRUE(Eventually([&] { return quantity() == count && LimitOf("projects") == limit; }))
        << Subscription() << Get("entitlements").body;
  };

  AwaitNextSecond();
  set(2, "two");
  expect("2", "200");
  // The next one knows what the last one did, whether its webhook has come or not.
  HoldWebhooks(true);
  set(0, "none");
  set(1, "one");
  AwaitNextSecond();
  set(4, "four");
  EXPECT_EQ(quantity(), "2") << "no webhook came";
  HoldWebhooks(false);
  expect("4", "300");
  EXPECT_EQ(Subscription().at("items").size(), 2u) << "one of the plan, one of the add-on";
  AwaitNextSecond();
  set(0, "none-again");
  expect("none", "100");
  EXPECT_EQ(CodeOf(Post("subscription/add-ons", {{"planCode", kOtherPlan}, {"quantity", 1}}, "no-add-on")),
            "checkout_plan_not_found");
  ExpectSettled();
}

TEST_F(CheckoutWritesTest, TheAccountShowsWhatWasBought) {
  SignIn("account");
  Buy(kPlan);
  ExpectSettled();
  const json account = Get("account").json();
  EXPECT_EQ(account.at("entity").at("entityId"), entity_);
  EXPECT_EQ(account.at("customer").at("provider"), "stripe");
  EXPECT_EQ(account.at("subscription"), Subscription());
  const json invoices = Get("invoices").json().at("invoices");
  ASSERT_EQ(invoices.size(), 1u);
  EXPECT_EQ(invoices.at(0), account.at("invoices").at(0));
  EXPECT_EQ(invoices.at(0).at("totalMinor"), "2900");
  const HttpAnswer methods = Get("payment-methods");
  ASSERT_EQ(methods.status, 200) << methods.body;
  EXPECT_EQ(methods.json().at("paymentMethods"), account.at("paymentMethods"));
}

// Each write, with a body that is right.
struct Write {
  std::string path;
  json body;
};
std::vector<Write> Writes(const std::string& operation) {
  return {{"checkout", CheckoutOf(kPlan)},
          {"checkout/" + operation + "/cancel", json::object()},
          {"portal", {{"returnPath", "/billing"}}},
          {"payment-links", {{"itemCode", kItem}}},
          {"subscription/cancel", {{"timing", "CANCEL_TIMING_AT_PERIOD_END"}}},
          {"subscription/resume", json::object()},
          {"subscription/add-ons", {{"planCode", kAddOn}, {"quantity", 1}}}};
}

TEST_F(CheckoutWritesTest, EachWriteNeedsAnIdempotencyKeyAndTheRight) {
  SignIn("refused");
  const std::string operation = Open(kPlan, "key").at("operation");
  const std::string before = mesh_->Value("SELECT count(*) FROM billing.request_idempotency");
  std::map<std::string, std::string> others;
  for (const std::string role : {"member", "viewer"}) {
    const auto set =
        mesh_->Billctl({"workspace", "member", "--slug", "refused", "--subject", "user_" + role, "--role", role});
    ASSERT_EQ(set.exit_code, 0) << set.output;
    others[role] = mesh_->Token("user_" + role);
    EXPECT_EQ(Get("checkout/" + operation, others[role]).status, 200) << "reading is theirs";
  }
  for (const auto& [path, body] : Writes(operation)) {
    const HttpAnswer keyless = Post(path, body, "");
    EXPECT_EQ(keyless.status, 400) << path << " " << keyless.body;
    EXPECT_EQ(CodeOf(keyless), "idempotency_key_required") << path;
    for (const auto& [role, token] : others) {
      const HttpAnswer denied = Post(path, token, body, "key");
      EXPECT_EQ(denied.status, 403) << role << " " << path << " " << denied.body;
      EXPECT_EQ(CodeOf(denied), "permission_denied") << role << " " << path;
    }
    EXPECT_EQ(Post(path, "", body, "key").status, 401) << path;
  }
  EXPECT_EQ(mesh_->Value("SELECT count(*) FROM billing.request_idempotency"), before) << "nothing of it began";
}

TEST_F(CheckoutWritesTest, WhatNeedsASubscriptionSaysSo) {
  SignIn("without");
  for (const auto& [path, body] : Writes("")) {
    if (path != "portal" && path.rfind("subscription/", 0) != 0) continue;
    const HttpAnswer answer = Post(path, body, "key");
    EXPECT_EQ(answer.status, 409) << path << " " << answer.body;
    EXPECT_EQ(CodeOf(answer), "portal_subscription_required") << path;
  }
}

TEST_F(CheckoutWritesTest, AnAmountOfOnesOwnIsNoUsersToName) {
  SignIn("ad-hoc");
  const json ad_hoc = {{"adHoc", {{"name", "A favour"}, {"unitAmountMinor", 100}, {"currency", "eur"}}}};
  const HttpAnswer answer = Post("payment-links", ad_hoc, "key");
  EXPECT_EQ(answer.status, 403) << answer.body;
  EXPECT_EQ(CodeOf(answer), "permission_denied");
}

TEST_F(CheckoutWritesTest, AnothersOperationLooksLikeNone) {
  SignIn("theirs");
  const json theirs = Open(kPlan, "key");
  SignIn("mine");
  const std::string operation = theirs.at("operation");
  const std::string none = "00000000-0000-7000-8000-000000000000";
  const auto seen = [&](HttpAnswer answer) {
    EXPECT_EQ(answer.status, 404) << answer.body;
    json problem = answer.json();
    problem.erase("requestId");
    return problem;
  };
  EXPECT_EQ(seen(Get("checkout/" + operation)), seen(Get("checkout/" + none)));
  EXPECT_EQ(seen(Post("checkout/" + operation + "/cancel", json::object(), "key")),
            seen(Post("checkout/" + none + "/cancel", json::object(), "key")));
  EXPECT_EQ(
      mesh_->Value("SELECT status FROM billing.checkout_sessions WHERE operation_key = (SELECT operation_key FROM "
                   "billing.request_idempotency WHERE id = '" +
                   operation + "')"),
      "open");
}

TEST_F(CheckoutWritesTest, AnOperationThatItsClientLeftEndsByItself) {
  SignIn("left");
  const WithSettings checkout(*mesh_, "checkout", {{"CHECKOUT_LEASE", "2s"}, {"PROVIDER_TIMEOUT", "1s"}});
  const WithSettings reconciler(*mesh_, "reconciler",
                                {{"FIRST_RUN", "0s"}, {"PENDING_RECENT_PERIOD", "200ms"}, {"RUN_POLL", "100ms"}});
  const std::string faults = mesh_->sim_url() + "/_sim/faults";
  const json reset = {{"match", {{"method", "POST"}, {"path_prefix", "/v1/checkout/sessions"}}},
                      {"action", "reset_after"}};
  ASSERT_EQ(mesh_->Send("POST", faults, reset.dump()).status, 200);
  const HttpAnswer unknown = Post("checkout", CheckoutOf(kPlan), "key");
  EXPECT_EQ(CodeOf(unknown), "request_in_progress") << unknown.body;
  EXPECT_EQ(mesh_->Send("DELETE", faults).status, 200);
  EXPECT_EQ(SessionsMade(), 1) << "made, and nobody heard of it";

  const std::string mine =
      " FROM billing.request_idempotency WHERE action = 'checkout' AND entity_id = '" + entity_ + "'";
  EXPECT_TRUE(Eventually([&] { return mesh_->Value("SELECT status" + mine) == "succeeded"; }))
      << mesh_->Value("SELECT status, recovery_attempts" + mine);
  const json opened = Open(kPlan, "key");
  EXPECT_EQ(SessionsMade(), 1);
  EXPECT_EQ(mesh_->Value("SELECT count(*)" + mine), "1");
  Pay(opened);
  EXPECT_TRUE(Eventually([&] { return PlanOf() == kPlan; }));
  ExpectSettled();
}

}  // namespace
}  // namespace billmesh
