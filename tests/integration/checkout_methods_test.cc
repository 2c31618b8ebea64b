// The manual sync of payment methods (PRT-5), on a real PostgreSQL and a Stripe simulator.
#include <set>

#include "services/checkout/payment_method_sync.h"
#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The webhook daemon's place: keeps each call.
class FakeWebhook : public ProjectionPeer {
 public:
  absl::Status Project(const std::string& provider, const std::vector<FetchedObject>& objects,
                       absl::Duration timeout) override {
    EXPECT_EQ(provider, "stripe");
    EXPECT_GT(timeout, absl::ZeroDuration());
    calls.push_back(objects);
    return away ? Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "away") : absl::OkStatus();
  }
  // What was handed over, as "kind id".
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& objects : calls) {
      for (const FetchedObject& object : objects) {
        names.push_back(object.kind + " " + json::parse(object.object_json).at("id").get<std::string>());
      }
    }
    return names;
  }
  std::vector<std::vector<FetchedObject>> calls;
  bool away = false;
};

class CheckoutMethodsTest : public CheckoutFixture {
 protected:
  // The entity becomes a customer of the provider's.
  void Link() {
    customer_ = Post("/v1/customers", "name=acme").at("id");
    database_.LinkCustomer(acme_, customer_);
  }
  std::string Attach() { return Post("/v1/payment_methods/pm_card_visa/attach", "customer=" + customer_).at("id"); }
  json Post(const std::string& path, const std::string& form) {
    ++setup_posts_;
    return simulator_->Api("POST", path, form);
  }
  // As the webhook daemon stored it.
  void Store(const std::string& method, const std::string& detached_at = "") {
    database_.Admin(R"sql(
      INSERT INTO billing.payment_methods (id, env, entity_id, provider, provider_payment_method_id, provider_customer_id,
        type, provider_created_at, detached_at, provider_updated_at, provider_event_id)
      VALUES (gen_random_uuid(), 'test', $1, 'stripe', $2, $3, 'card', billing.now(), nullif($4, '')::timestamptz,
        billing.now(), 'evt_1')
    )sql",
                    {acme_, method, customer_, detached_at});
  }
  absl::StatusOr<SyncedMethods> Sync(absl::Duration timeout = absl::Seconds(15)) {
    return PaymentMethodSync({.pool = *pool_,
                              .clock = database_.clock(),
                              .provider = *client_,
                              .format = format_,
                              .projection = webhook_,
                              .timeout = timeout})
        .Sync(acme_);
  }
  static std::string CodeOfSync(const absl::StatusOr<SyncedMethods>& result) {
    return result.ok() ? "ok" : CodeOf(ReasonOf(result.status()));
  }

  const json kLists = {{"method", "GET"}, {"path_prefix", "/v1/payment_methods"}};
  std::string customer_;
  FakeWebhook webhook_;
};

TEST_F(CheckoutMethodsTest, TheCustomerAndAllItsMethodsAreProjectedDatedByTheProvider) {
  Link();
  const std::string first = Attach(), second = Attach();
  Post("/v1/customers/" + customer_, "invoice_settings%5Bdefault_payment_method%5D=" + first);
  Store(first);
  for (int i = 0; i < 2; ++i) {
    webhook_.calls.clear();
    const auto synced = Sync();
    ASSERT_TRUE(synced.ok()) << synced.status();
    EXPECT_EQ(synced->count, 2);
    EXPECT_TRUE(synced->complete);
    EXPECT_THAT(webhook_.Names(),
                ElementsAre("customer " + customer_, "payment_method " + second, "payment_method " + first));
  }
  const std::vector<FetchedObject>& objects = webhook_.calls.at(0);
  const json customer = json::parse(objects[0].object_json), method = json::parse(objects[2].object_json);
  EXPECT_EQ(customer["invoice_settings"]["default_payment_method"], first);
  EXPECT_EQ(method, simulator_->Api("GET", "/v1/payment_methods/" + first)) << "the whole object, as it is shown alone";
  for (const FetchedObject& object : objects) {
    EXPECT_LT(absl::AbsDuration(object.provider_date - database_.clock().Now()), absl::Minutes(1));
  }
}

TEST_F(CheckoutMethodsTest, AMethodThatIsOnlyStoredIsAskedFor) {
  Link();
  const std::string attached = Attach(), detached = Attach(), known = Attach();
  for (const std::string& method : {detached, known}) Post("/v1/payment_methods/" + method + "/detach", "");
  Store(attached);
  Store(detached);
  Store(known, "2026-01-01T00:00:00Z");
  Store("pm_nobody_knows");
  const auto synced = Sync();
  ASSERT_TRUE(synced.ok()) << synced.status();
  EXPECT_EQ(synced->count, 1);
  EXPECT_TRUE(synced->complete);
  EXPECT_THAT(webhook_.Names(),
              ElementsAre("customer " + customer_, "payment_method " + attached, "payment_method " + detached));
  EXPECT_TRUE(json::parse(webhook_.calls.at(0).at(2).object_json).at("customer").is_null());
}

TEST_F(CheckoutMethodsTest, ManyAreTakenPageByPageAndHandedOnInBoundedCalls) {
  Link();
  std::set<std::string> expected = {"customer " + customer_};
  for (int i = 0; i < 105; ++i) expected.insert("payment_method " + Attach());
  const auto synced = Sync();
  ASSERT_TRUE(synced.ok()) << synced.status();
  EXPECT_EQ(synced->count, 105);
  EXPECT_TRUE(synced->complete);
  const std::vector<std::string> names = webhook_.Names();
  EXPECT_EQ(names.size(), expected.size());
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), expected);
  EXPECT_THAT(webhook_.calls, ElementsAre(SizeIs(64), SizeIs(42)));
}

TEST_F(CheckoutMethodsTest, BeyondTheBoundTheRestIsSaidToBeMissing) {
  Link();
  for (int i = 0; i < PaymentMethodSync::kMaxAskedFor + 1; ++i) Store(absl::StrCat("pm_gone_", i));
  const auto synced = Sync();
  ASSERT_TRUE(synced.ok()) << synced.status();
  EXPECT_FALSE(synced->complete);
  int asked = 0;
  for (int i = 0; i < PaymentMethodSync::kMaxAskedFor + 1; ++i) {
    asked += static_cast<int>(simulator_->Requests("GET", absl::StrCat("/v1/payment_methods/pm_gone_", i)).size());
  }
  EXPECT_EQ(asked, PaymentMethodSync::kMaxAskedFor);
}

TEST_F(CheckoutMethodsTest, WhoIsNoCustomerHasNothingToSync) {
  const auto synced = service_->SyncPaymentMethods(User("alice"), Workspace("acme"));
  ASSERT_TRUE(synced.ok()) << synced.status();
  EXPECT_EQ(synced->count, 0);
  EXPECT_TRUE(synced->complete);
  EXPECT_THAT(simulator_->Requests("GET", "/v1/payment_methods"), IsEmpty());
  EXPECT_THAT(projection_.All(), IsEmpty());
}

TEST_F(CheckoutMethodsTest, ADeletedCustomerIsProjectedAsSuch) {
  Link();
  simulator_->Api("DELETE", "/v1/customers/" + customer_);
  const auto synced = Sync();
  ASSERT_TRUE(synced.ok()) << synced.status();
  EXPECT_EQ(synced->count, 0);
  EXPECT_THAT(webhook_.Names(), ElementsAre("customer " + customer_));
  EXPECT_EQ(json::parse(webhook_.calls.at(0).at(0).object_json).value("deleted", false), true);
}

TEST_F(CheckoutMethodsTest, WithTheProviderAwayItFailsAndNothingIsProjected) {
  Link();
  Attach();
  for (const char* fault : {"reset_before", "error_500_before", "error_429", "wrong_content_type"}) {
    simulator_->Fault(kLists, fault);
    EXPECT_EQ(CodeOfSync(Sync()), "provider_unavailable") << fault;
    simulator_->ClearFaults();
  }
  simulator_->Fault(kLists, "error_400");
  EXPECT_EQ(CodeOfSync(Sync()), "checkout_provider_error");
  simulator_->ClearFaults();
  simulator_->Fault(kLists, "delay_ms", {{"ms", 10'000}});
  EXPECT_EQ(CodeOfSync(Sync(absl::Milliseconds(500))), "provider_unavailable");
  simulator_->ClearFaults();
  EXPECT_THAT(webhook_.calls, IsEmpty());
  webhook_.away = true;
  EXPECT_EQ(CodeOfSync(Sync()), "peer_unavailable");
}

TEST_F(CheckoutMethodsTest, NoTransactionIsOpenWhileTheProviderIsAsked) {
  Link();
  simulator_->HoldNext(kLists);
  std::thread call([&] { EXPECT_TRUE(Sync().ok()); });
  EXPECT_TRUE(simulator_->WaitForHeld());
  EXPECT_EQ(Value(R"sql(
      SELECT count(*) FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.usename = 'billmesh_checkout' AND a.xact_start IS NOT NULL
    )sql"),
            "0");
  simulator_->Release();
  call.join();
}

TEST_F(CheckoutMethodsTest, OnlyWhoManagesBillingMaySync) {
  Link();
  Attach();
  EXPECT_TRUE(service_->SyncPaymentMethods(User("alice"), Workspace("acme")).ok());
  EXPECT_THAT(projection_.All(), SizeIs(2));
  database_.Admin("UPDATE billing.entity_members SET role = 'member'");
  EXPECT_EQ(CodeOfSync(service_->SyncPaymentMethods(User("alice"), Workspace("acme"))), "permission_denied");
  EXPECT_EQ(CodeOfSync(service_->SyncPaymentMethods(User("mallory"), Workspace("acme"))), "entity_not_found");
  EXPECT_THAT(projection_.All(), SizeIs(2));
}

}  // namespace
}  // namespace billmesh::checkout
