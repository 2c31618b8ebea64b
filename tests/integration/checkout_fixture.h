// The checkout service in this process, on a database of its own and a Stripe simulator of its own.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/auth/identity.h"
#include "common/status/status.h"
#include "common/stripe/client.h"
#include "common/stripe/client_format.h"
#include "common/testing/test_database.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/checkout/actions.h"
#include "services/checkout/checkout_service.h"
#include "services/checkout/operation_kernel.h"
#include "services/checkout/payment_method_sync.h"
#include "services/checkout/projection_peer.h"
#include "services/checkout/session_refresh.h"
#include "tests/support/simulator_process.h"

namespace billmesh::checkout {

using nlohmann::json;
using StatusOrAnswer = absl::StatusOr<CheckoutAnswer>;

inline constexpr char kSecretKey[] = "sk_test_integration";

// A little over the kernel's lease.
inline constexpr absl::Duration kPastLease = absl::Seconds(121);
inline const json kSessionCreate = {{"method", "POST"}, {"path_prefix", "/v1/checkout/sessions"}};
inline const json kSessionRetrieve = {{"method", "GET"}, {"path_prefix", "/v1/checkout/sessions/"}};
inline const json kCustomerCreate = {{"method", "POST"}, {"path_prefix", "/v1/customers"}};
// Faults whose answer tells nothing: the work was done, or it never began.
inline constexpr char kDone[] = "wrong_content_type";
inline constexpr char kLost[] = "error_409";

// A simulator process, and its control API.
class Simulator {
 public:
  const std::string& url() const { return process_.url(); }

  json Control(const std::string& method, const std::string& path, const json& body = nullptr) {
    return Send(method, "/_sim/" + path, body.is_null() ? "" : body.dump(), "application/json");
  }
  json Api(const std::string& method, const std::string& path, const std::string& form = "") {
    return Send(method, path, form, "application/x-www-form-urlencoded");
  }
  void Fault(const json& match, const std::string& action, json more = json::object()) {
    more["match"] = match;
    more["action"] = action;
    Control("POST", "faults", more);
  }
  void ClearFaults() { Control("DELETE", "faults"); }
  // Keeps the next request like this back until Release(), which WaitForHeld() comes before.
  void HoldNext(json match, const json& more = json::object()) {
    match["count"] = 1;
    Fault(match, "hold", more);
  }
  // The request is here: what its sender did before is done, what comes after can't begin.
  bool WaitForHeld() {
    return testing::WaitUntil([this] { return Control("GET", "held")["held"] == 1; });
  }
  void Release() { EXPECT_EQ(Control("DELETE", "held")["released"], 1); }
  int64_t Count(const std::string& name) { return Control("GET", "summary").value(name, int64_t{0}); }
  void AdvanceClock(absl::Duration d) { Control("POST", "clock", {{"advance_s", absl::ToInt64Seconds(d)}}); }

  // The ledger's requests with this verb and path.
  std::vector<json> Requests(const std::string& method, const std::string& path) {
    const json ledger = Control("GET", "ledger?kind=request&limit=10000");
    std::vector<json> found;
    for (const json& entry : ledger["entries"]) {
      if (entry["method"] == method && entry["path"] == path) found.push_back(entry);
    }
    return found;
  }
  std::vector<json> SessionCreates() { return Requests("POST", "/v1/checkout/sessions"); }
  // The id of the one checkout session that was made.
  std::string OnlySession() {
    const json ledger = Control("GET", "ledger?kind=effect&limit=10000");
    std::vector<std::string> made;
    for (const json& effect : ledger["entries"]) {
      if (effect["object"] == "checkout.session" && effect["effect"] == "created") made.push_back(effect["id"]);
    }
    EXPECT_EQ(made.size(), 1u);
    return made.empty() ? "" : made[0];
  }
  // Opens a payment link's page and goes on to the payment: the id of the session that this makes.
  std::string OpenLink(const std::string& url) {
    const http::ClientResponse response = process_.Send("POST", url);
    EXPECT_EQ(response.status, 303) << response.body;
    const std::string location(response.Header("location"));
    return location.substr(location.rfind('/') + 1);
  }
  std::vector<json> CustomerCreates() { return Requests("POST", "/v1/customers"); }

 private:
  json Send(const std::string& method, const std::string& path, const std::string& body, const std::string& type) {
    const http::ClientResponse response = process_.Send(method, path, body, {{"Content-Type", type}});
    EXPECT_LT(response.status, 300) << method << " " << path << ": " << response.body;
    return json::parse(response.body, nullptr, false);
  }

  testing::SimulatorProcess process_{kSecretKey};
};

// What the webhook daemon would be asked to project. Its own tests show what it does with it.
class KeptObjects : public ProjectionPeer {
 public:
  absl::Status Project(const std::string&, const std::vector<FetchedObject>& objects, absl::Duration) override {
    std::lock_guard lock(mutex_);
    kept_.insert(kept_.end(), objects.begin(), objects.end());
    return absl::OkStatus();
  }
  std::vector<FetchedObject> All() {
    std::lock_guard lock(mutex_);
    return kept_;
  }

 private:
  std::mutex mutex_;
  std::vector<FetchedObject> kept_;
};

// Whoever provides: the simulator through our client, or a port fake.
class CheckoutFixture : public ::testing::Test {
 protected:
  explicit CheckoutFixture(provider::PaymentProvider* fake = nullptr, Clock* clock = nullptr) {
    pool_ = &database_.Pool("checkout", 12);
    provider::PaymentProvider* provider = fake;
    if (provider == nullptr) {
      simulator_ = std::make_unique<Simulator>();
      stripe::ClientOptions options;
      options.api_base = simulator_->url();
      options.secret_key = [] { return std::string(kSecretKey); };
      // One sending a call: what the client's own retries would heal is what these tests are about.
      options.max_attempts = 1;
      client_ = std::make_unique<stripe::StripeProvider>(options, database_.clock(), database_.ids());
      provider = client_.get();
    }
    kernel_ = std::make_unique<OperationKernel>(
        OperationKernel::Deps{.pool = *pool_,
                              .clock = clock != nullptr ? *clock : database_.clock(),
                              .ids = database_.ids(),
                              .provider = *provider,
                              .format = format_,
                              .env = "test",
                              .operation_key_secret = "a secret that is long enough for us",
                              .holder = "checkout/test",
                              .times = {.call_timeout = absl::Seconds(15)}});
    actions_ = std::make_unique<Actions>(Actions::Deps{.ids = database_.ids(),
                                                       .format = format_,
                                                       .currency = "eur",
                                                       .public_base_url = "https://app.example",
                                                       .times = {}});
    action_ = &actions_->checkout;
    refresher_ = std::make_unique<SessionRefresher>(SessionRefresher::Deps{.pool = *pool_,
                                                                           .clock = database_.clock(),
                                                                           .ids = database_.ids(),
                                                                           .provider = *provider,
                                                                           .format = format_,
                                                                           .projection = projection_,
                                                                           .env = "test",
                                                                           .times = {}});
    methods_ = std::make_unique<PaymentMethodSync>(PaymentMethodSync::Deps{.pool = *pool_,
                                                                           .clock = database_.clock(),
                                                                           .provider = *provider,
                                                                           .format = format_,
                                                                           .projection = projection_});
    service_ = std::make_unique<CheckoutService>(CheckoutService::Deps{.pool = *pool_,
                                                                       .kernel = *kernel_,
                                                                       .actions = *actions_,
                                                                       .refresher = *refresher_,
                                                                       .methods = *methods_,
                                                                       .env = "test"});
    AddSellablePlan("pro", 2900);
    acme_ = database_.AddWorkspace("acme", "alice");
  }

  ~CheckoutFixture() override {
    if (simulator_ == nullptr) return;
    // Invariants 2 and 3 of every run, whatever it was about.
    const json summary = simulator_->Control("GET", "summary");
    EXPECT_EQ(summary["keyless_posts"], setup_posts_) << "a POST without its idempotency key";
    EXPECT_EQ(summary["max_same_key_different_body"], 0) << "one key with two bodies";
  }

  // A plan whose price exists at the simulator too.
  void AddSellablePlan(const std::string& code, int64_t amount_minor) {
    database_.AddPlan(code, amount_minor, {});
    if (simulator_ == nullptr) return;
    const json product = simulator_->Api("POST", "/v1/products", "name=" + code);
    const json price =
        simulator_->Api("POST", "/v1/prices",
                        absl::StrCat("currency=eur&unit_amount=", amount_minor,
                                     "&recurring%5Binterval%5D=month&product=", product["id"].get<std::string>()));
    setup_posts_ += 2;
    database_.Admin("UPDATE billing.plan_prices SET provider_price_id = $1 WHERE provider_price_id = $2",
                    {price["id"].get<std::string>(), "price_" + code});
  }

  static auth::Caller User(const std::string& subject) {
    auth::Caller caller;
    caller.certificate_name = "spiffe://billmesh/edge";
    caller.kind = auth::CallerKind::kEdge;
    caller.user = auth::UserIdentity{.subject = subject};
    return caller;
  }
  static billing::types::v1::EntitySelector Workspace(const std::string& slug) {
    billing::types::v1::EntitySelector selector;
    selector.set_workspace(slug);
    return selector;
  }
  StatusOrAnswer Start(const std::string& key, const std::string& plan = "pro", const std::string& workspace = "acme",
                       const std::string& user = "alice") {
    return service_->StartCheckout(User(user), Workspace(workspace), key, {plan, "/done", "/back", 0});
  }
  absl::StatusOr<CheckoutView> Get(const std::string& operation, const std::string& workspace = "acme",
                                   const std::string& user = "alice") {
    return service_->GetCheckout(User(user), Workspace(workspace), operation);
  }
  // The code of a refusal; "ok" for none.
  static std::string CodeOfResult(const StatusOrAnswer& result) {
    return result.ok() ? "ok" : CodeOf(ReasonOf(result.status()));
  }

  std::string Value(const std::string& sql) { return database_.Value(sql.c_str()); }
  int64_t Audits(const std::string& action, const std::string& code = "") {
    return std::stoll(database_.Value(
        "SELECT count(*) FROM billing.audit_log a WHERE a.action = $1 AND ($2 = '' OR a.detail->>'code' = $2)",
        {action, code}));
  }
  std::string OperationStatusOf(const std::string& key) {
    return database_.Value(
        "SELECT o.status || coalesce(' ' || o.failure_code, '') FROM billing.request_idempotency o WHERE o.client_key "
        "= $1",
        {key});
  }
  // A subscription as webhook would have projected it; with `operation_key` it is that operation's own.
  void AddSubscription(const std::string& entity_id, const std::string& status, const std::string& operation_key = "") {
    database_.Admin(R"sql(
      INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id)
      VALUES (gen_random_uuid(), $1, 'stripe', $2) ON CONFLICT DO NOTHING
    )sql",
                    {entity_id, "cus_of_" + entity_id});
    database_.Admin(R"sql(
      INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id,
        operation_key, status, is_current, provider_subscription_created_at, provider_updated_at, provider_event_id)
      SELECT gen_random_uuid(), 'test', c.entity_id, 'stripe', 'sub_' || gen_random_uuid(), c.provider_customer_id, nullif($3, ''),
             $2, $4, billing.now(), billing.now(), 'evt_1'
      FROM billing.entity_customers c WHERE c.entity_id = $1 AND c.ended_at IS NULL
    )sql",
                    {entity_id, status, operation_key, status != "canceled" && status != "incomplete_expired"});
  }

  // Starts a checkout whose provider call ends in this fault, and so stays pending.
  void LeavePending(const std::string& key, const json& match, const std::string& action) {
    simulator_->Fault(match, action);
    const auto result = Start(key);
    ASSERT_EQ(CodeOfResult(result), "request_in_progress") << result.status();
    ASSERT_EQ(OperationStatusOf(key), "pending");
    simulator_->ClearFaults();
  }
  // The database's clock and the simulator's, together.
  void MoveBothClocks(absl::Duration d) {
    database_.SetClockOffset(d);
    simulator_->AdvanceClock(d);
  }
  // What the reconciler asks for, once the lease has ended.
  absl::StatusOr<OperationView> Recover(const std::string& key) {
    const std::string id =
        database_.Value("SELECT o.id FROM billing.request_idempotency o WHERE o.client_key = $1", {key});
    return kernel_->Recover(*action_, acme_, id, "worker:test");
  }

  // Runs `meanwhile` while a checkout under `key` waits for the provider to create its session.
  template <typename F>
  StatusOrAnswer StartWith(const std::string& key, F meanwhile) {
    simulator_->HoldNext(kSessionCreate);
    StatusOrAnswer result = absl::InternalError("not run");
    std::thread call([&] { result = Start(key); });
    EXPECT_TRUE(simulator_->WaitForHeld());
    meanwhile();
    simulator_->Release();
    call.join();
    return result;
  }

  testing::TestDatabase database_;
  std::unique_ptr<Simulator> simulator_;
  stripe::StripeFormat format_;
  db::Pool* pool_ = nullptr;
  std::unique_ptr<stripe::StripeProvider> client_;
  std::unique_ptr<OperationKernel> kernel_;
  KeptObjects projection_;
  std::unique_ptr<Actions> actions_;
  const CheckoutAction* action_ = nullptr;  // of actions_
  std::unique_ptr<SessionRefresher> refresher_;
  std::unique_ptr<PaymentMethodSync> methods_;
  std::unique_ptr<CheckoutService> service_;
  std::string acme_;
  int64_t setup_posts_ = 0;
};

}  // namespace billmesh::checkout
