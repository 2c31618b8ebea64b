// The billing portal and payment links: what a key replays, what is refused, what nobody knows, and what a paid link
// carries (PRT-1, PRT-2).
#include "services/checkout/payment_link_action.h"
#include "services/checkout/portal_action.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::SizeIs;

class HostedPagesTest : public CheckoutFixture {
 protected:
  template <typename Order>
  absl::StatusOr<std::string> Run(const Action& action, const std::string& key, const Order& order) {
    WriteRequest request;
    request.entity_id = acme_;
    request.actor = "user:alice";
    request.client_key = key;
    request.canonical_request = *EncodeOrder(order);
    request.fingerprint = Fingerprint(request.canonical_request);
    return kernel_->Run(action, request);
  }
  // The URL of a success, the code of a refusal.
  static std::string UrlOrCode(const absl::StatusOr<std::string>& answer) {
    if (!answer.ok()) return CodeOf(ReasonOf(answer.status()));
    return json::parse(*answer)["url"];
  }
  absl::StatusOr<OperationView> RecoverOperation(const Action& action, const std::string& key) {
    return kernel_->Recover(
        action, acme_, database_.Value("SELECT o.id FROM billing.request_idempotency o WHERE o.client_key = $1", {key}),
        "worker:test");
  }
  std::string Operations() { return Value("SELECT count(*) FROM billing.request_idempotency"); }
};

class PortalTest : public HostedPagesTest {
 protected:
  // A customer that the provider knows, with a subscription as webhook would have projected it.
  void Subscribe(const std::string& status = "active") {
    customer_ = simulator_->Api("POST", "/v1/customers", "name=Acme")["id"];
    ++setup_posts_;
    database_.Admin(
        "INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id) "
        "VALUES (gen_random_uuid(), $1, 'stripe', $2)",
        {acme_, customer_});
    AddSubscription(acme_, status);
  }
  std::string Open(const std::string& key, const std::string& return_path = "/billing") {
    return UrlOrCode(Run(portal_, key, PortalOrder{return_path}));
  }
  std::vector<json> Creates() { return simulator_->Requests("POST", "/v1/billing_portal/sessions"); }

  const json kCreate = {{"method", "POST"}, {"path_prefix", "/v1/billing_portal/sessions"}};
  std::string customer_;
  const PortalAction portal_{{.ids = database_.ids(),
                              .format = format_,
                              .public_base_url = "https://app.example",
                              .replay_window = kMaxReplayWindow}};
};

TEST_F(PortalTest, AKeyGivesTheSameUrlForFiveMinutesThenAnother) {
  Subscribe();
  const std::string first = Open("k1");
  ASSERT_EQ(first.rfind("http", 0), 0u) << first;
  ASSERT_THAT(Creates(), SizeIs(1));
  EXPECT_EQ(Creates()[0]["params"]["customer"], customer_);
  EXPECT_EQ(Creates()[0]["params"]["return_url"], "https://app.example/billing");
  database_.SetClockOffset(kPortalUrlLifetime - absl::Seconds(30));
  EXPECT_EQ(Open("k1"), first);
  EXPECT_THAT(Creates(), SizeIs(1));
  EXPECT_EQ(Audits("BILLING_PORTAL_ACCESSED"), 1);

  database_.SetClockOffset(kPortalUrlLifetime + absl::Seconds(1));
  const std::string second = Open("k1");
  ASSERT_EQ(second.rfind("http", 0), 0u) << second;
  EXPECT_NE(second, first);
  EXPECT_EQ(Open("k1"), second);
  ASSERT_THAT(Creates(), SizeIs(2));
  EXPECT_NE(Creates()[0]["idempotency_key"], Creates()[1]["idempotency_key"]);
  EXPECT_EQ(Operations(), "1");
  EXPECT_EQ(Value("SELECT string_agg(s.ordinal || ' ' || s.outcome, ', ' ORDER BY s.ordinal) "
                  "FROM billing.provider_steps s"),
            "1 succeeded, 2 succeeded");
  EXPECT_EQ(Audits("BILLING_PORTAL_ACCESSED"), 2);
}

TEST_F(PortalTest, AnotherRequestUnderTheKeyConflicts) {
  Subscribe();
  ASSERT_EQ(Open("k1").rfind("http", 0), 0u);
  EXPECT_EQ(Open("k1", "/elsewhere"), "idempotency_conflict");
  EXPECT_THAT(Creates(), SizeIs(1));
}

TEST_F(PortalTest, NeedsACurrentSubscriptionAndStoresNoRefusal) {
  EXPECT_EQ(Open("k1"), "portal_subscription_required");
  EXPECT_EQ(Operations(), "0");
  EXPECT_EQ(Audits("BILLING_PORTAL_REFUSED", "portal_subscription_required"), 1);
  Subscribe("canceled");
  EXPECT_EQ(Open("k1"), "portal_subscription_required");
  AddSubscription(acme_, "past_due");
  EXPECT_EQ(Open("k1").rfind("http", 0), 0u);
  EXPECT_THAT(Creates(), SizeIs(1));
}

TEST_F(PortalTest, AnOldUrlIsNotMadeAnewForWhoeverHasNoSubscriptionAnyMore) {
  Subscribe();
  ASSERT_EQ(Open("k1").rfind("http", 0), 0u);
  database_.Admin("UPDATE billing.subscriptions SET status = 'canceled', is_current = false", {});
  database_.SetClockOffset(kPortalUrlLifetime + absl::Seconds(1));
  EXPECT_EQ(Open("k1"), "portal_subscription_required");
  EXPECT_THAT(Creates(), SizeIs(1));
}

TEST_F(PortalTest, ADefiniteRejectionIsRecordedAndReplayed) {
  Subscribe();
  simulator_->Fault(kCreate, "error_400");
  EXPECT_EQ(Open("k1"), "checkout_provider_error");
  simulator_->ClearFaults();
  EXPECT_EQ(Open("k1"), "checkout_provider_error");
  EXPECT_EQ(OperationStatusOf("k1"), "failed checkout_provider_error");
  EXPECT_THAT(Creates(), SizeIs(1));
}

TEST_F(PortalTest, AnUnknownOutcomeEndsInAFreshPageAndNotInAStaleOne) {
  Subscribe();
  simulator_->Fault(kCreate, kDone);
  EXPECT_EQ(Open("k1"), "request_in_progress");
  simulator_->ClearFaults();
  EXPECT_EQ(Open("k1"), "request_in_progress");
  database_.SetClockOffset(kPastLease);
  EXPECT_EQ(Open("k1").rfind("http", 0), 0u);
  ASSERT_THAT(Creates(), SizeIs(2));
  EXPECT_NE(Creates()[0]["idempotency_key"], Creates()[1]["idempotency_key"]);
}

TEST_F(PortalTest, AStepPastItsWindowIsReplacedByAnother) {
  Subscribe();
  simulator_->Fault(kCreate, kDone);
  EXPECT_EQ(Open("k1"), "request_in_progress");
  simulator_->ClearFaults();
  MoveBothClocks(absl::Hours(25));
  EXPECT_EQ(Open("k1").rfind("http", 0), 0u);
  EXPECT_EQ(Value("SELECT string_agg(s.outcome, ', ' ORDER BY s.ordinal) FROM billing.provider_steps s"),
            "superseded, succeeded");
  ASSERT_THAT(Creates(), SizeIs(2));
  EXPECT_NE(Creates()[0]["idempotency_key"], Creates()[1]["idempotency_key"]);
}

class PaymentLinkTest : public HostedPagesTest {
 protected:
  // A one-off item whose price exists at the simulator too.
  void AddItem(const std::string& code, const std::string& currency = "eur", const std::string& applies_to = "any") {
    const json price = simulator_->Api(
        "POST", "/v1/prices", absl::StrCat("currency=", currency, "&unit_amount=500&product_data%5Bname%5D=", code));
    ++setup_posts_;
    database_.Admin(R"sql(
      INSERT INTO billing.catalog_items (id, code, name, applies_to, provider, provider_product_id, provider_price_id,
                                         currency, unit_amount_minor, content_sha256)
      VALUES (gen_random_uuid(), $1, $1, $4, 'stripe', 'prod_' || $1, $2, $3, 500, repeat('0', 64))
    )sql",
                    {code, price["id"].get<std::string>(), currency, applies_to});
  }
  std::string Make(const std::string& key, const PaymentLinkOrder& order) { return UrlOrCode(Run(links_, key, order)); }
  static PaymentLinkOrder AdHoc(int64_t amount = 1250) {
    return {.ad_hoc = AdHocItem{"Setup", amount, "eur"}, .quantity = 2, .success_path = "/paid"};
  }
  std::vector<json> Creates() { return simulator_->Requests("POST", "/v1/payment_links"); }
  size_t Links() { return simulator_->Api("GET", "/v1/payment_links?limit=100")["data"].size(); }
  void LeaveLinkPending(const std::string& key, const std::string& fault) {
    simulator_->Fault(kCreate, fault);
    ASSERT_EQ(Make(key, AdHoc()), "request_in_progress");
    simulator_->ClearFaults();
  }

  const json kCreate = {{"method", "POST"}, {"path_prefix", "/v1/payment_links"}};
  const PaymentLinkAction links_{{.ids = database_.ids(),
                                  .format = format_,
                                  .currency = "eur",
                                  .public_base_url = "https://app.example",
                                  .replay_window = kMaxReplayWindow}};
};

TEST_F(PaymentLinkTest, SellsAnItemOfTheCatalogOnceForAKey) {
  AddItem("credits");
  const PaymentLinkOrder order{.item_code = "credits", .quantity = 3};
  const std::string url = Make("k1", order);
  ASSERT_EQ(url.rfind("http", 0), 0u) << url;
  EXPECT_EQ(Make("k1", order), url);
  PaymentLinkOrder other = order;
  other.quantity = 4;
  EXPECT_EQ(Make("k1", other), "idempotency_conflict");
  ASSERT_THAT(Creates(), SizeIs(1));
  const json link = simulator_->Api("GET", "/v1/payment_links?limit=1")["data"][0];
  EXPECT_EQ(link["metadata"]["billmesh_item_code"], "credits");
  EXPECT_EQ(link["metadata"]["billmesh_entity_id"], acme_);
  EXPECT_EQ(link["metadata"]["billmesh_env"], "test");
  EXPECT_EQ(link["metadata"]["billmesh_operation_key"],
            Value("SELECT o.operation_key FROM billing.request_idempotency o"));
  EXPECT_EQ(Audits("BILLING_PAYMENT_LINK_STARTED"), 1);
  EXPECT_EQ(Audits("BILLING_PAYMENT_LINK_CREATED"), 1);
}

TEST_F(PaymentLinkTest, WhatIsPaidCarriesOurMetadata) {
  const std::string url = Make("k1", AdHoc());
  ASSERT_EQ(url.rfind("http", 0), 0u) << url;
  const std::string session = simulator_->OpenLink(url);
  simulator_->Control("POST", absl::StrCat("sessions/", session, "/pay"));
  const json paid = simulator_->Api("GET", absl::StrCat("/v1/checkout/sessions/", session));
  EXPECT_EQ(paid["amount_total"], 2500);
  const std::string key = Value("SELECT o.operation_key FROM billing.request_idempotency o");
  for (const std::string& path : {absl::StrCat("/v1/checkout/sessions/", session),
                                  absl::StrCat("/v1/invoices/", paid["invoice"].get<std::string>()),
                                  absl::StrCat("/v1/payment_intents/", paid["payment_intent"].get<std::string>())}) {
    const json object = simulator_->Api("GET", path);
    EXPECT_EQ(object["metadata"]["billmesh_operation_key"], key) << path;
    EXPECT_EQ(object["metadata"]["billmesh_entity_id"], acme_) << path;
    EXPECT_EQ(object["metadata"]["billmesh_env"], "test") << path;
  }
  EXPECT_EQ(simulator_->Count("charges"), 1);
  // It is paid once.
  EXPECT_EQ(simulator_->Api("GET", "/v1/payment_links?active=true")["data"].size(), 0u);
}

TEST_F(PaymentLinkTest, FailsClosedInAnotherCurrencyAndStoresNoRefusal) {
  AddItem("dollars", "usd");
  EXPECT_EQ(Make("k1", {.item_code = "dollars"}), "checkout_configuration_invalid");
  EXPECT_EQ(Make("k1", {.ad_hoc = AdHocItem{"Setup", 1, "usd"}}), "invalid_argument");
  EXPECT_EQ(Operations(), "0");
  EXPECT_THAT(Creates(), SizeIs(0));
  EXPECT_EQ(Audits("BILLING_PAYMENT_LINK_REFUSED", "checkout_configuration_invalid"), 1);
  EXPECT_EQ(Audits("BILLING_PAYMENT_LINK_REFUSED", "invalid_argument"), 1);
}

TEST_F(PaymentLinkTest, SellsOnlyWhatTheCatalogHasForTheEntity) {
  EXPECT_EQ(Make("k1", {.item_code = "nothing"}), "checkout_plan_not_found");
  AddItem("for-users", "eur", "user");
  EXPECT_EQ(Make("k1", {.item_code = "for-users"}), "checkout_plan_not_found");
  AddItem("old");
  database_.Admin("UPDATE billing.catalog_items SET active = false", {});
  EXPECT_EQ(Make("k1", {.item_code = "old"}), "checkout_plan_not_found");
  EXPECT_EQ(Operations(), "0");
}

TEST_F(PaymentLinkTest, AnUnknownOutcomeEndsInOneLink) {
  for (const char* fault : {kDone, kLost}) {
    const std::string key = absl::StrCat("k-", fault);
    const size_t before = Links();
    database_.SetClockOffset(absl::ZeroDuration());
    LeaveLinkPending(key, fault);
    EXPECT_EQ(Make(key, AdHoc()), "request_in_progress") << fault;
    database_.SetClockOffset(kPastLease);
    EXPECT_EQ(Make(key, AdHoc()).rfind("http", 0), 0u) << fault;
    EXPECT_EQ(Links(), before + 1) << fault;
  }
  EXPECT_EQ(simulator_->Control("GET", "summary")["max_same_key_different_body"], 0);
}

TEST_F(PaymentLinkTest, RecoveryEndsItWithoutAClient) {
  LeaveLinkPending("k1", kDone);
  database_.SetClockOffset(kPastLease);
  const auto recovered = RecoverOperation(links_, "k1");
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->status, OperationStatus::kSucceeded);
  EXPECT_EQ(Links(), 1u);
}

TEST_F(PaymentLinkTest, PastTheWindowALinkIsLookedForAndNotMadeAgain) {
  LeaveLinkPending("made", kDone);
  LeaveLinkPending("lost", kLost);
  const size_t sent = Creates().size();
  MoveBothClocks(absl::Hours(25));
  EXPECT_EQ(Make("made", AdHoc()).rfind("http", 0), 0u);
  EXPECT_EQ(Make("lost", AdHoc()), "checkout_recovery_window_elapsed");
  EXPECT_EQ(OperationStatusOf("lost"), "expired checkout_recovery_window_elapsed");
  EXPECT_THAT(Creates(), SizeIs(sent));
  EXPECT_EQ(Links(), 1u);
}

TEST_F(PaymentLinkTest, NeverStandsInTheWayOfACheckoutNorTheOtherWayRound) {
  LeaveLinkPending("pending", kLost);
  EXPECT_TRUE(Start("checkout").ok());
  // With the session open, and the other link pending.
  EXPECT_EQ(Make("another", AdHoc(99)).rfind("http", 0), 0u);
  EXPECT_EQ(CodeOfResult(Start("checkout-2")), "checkout_session_open");
}

}  // namespace
}  // namespace billmesh::checkout
