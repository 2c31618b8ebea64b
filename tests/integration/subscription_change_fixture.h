// A workspace with a paid subscription and an add-on that it may have, on real PostgreSQL and the Stripe simulator.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/checkout_fixture.h"

namespace billmesh::checkout {

using StatusOrChange = absl::StatusOr<SubscriptionChangeAnswer>;

inline constexpr char kResetAfter[] = "reset_after";
inline constexpr char kResetBefore[] = "reset_before";

class SubscriptionChangeTest : public CheckoutFixture {
 protected:
  SubscriptionChangeTest() {
    AddSellablePlan("extra", 900);
    database_.Admin("UPDATE billing.plans SET kind = 'add_on' WHERE code = 'extra'");
    database_.Admin(R"sql(
      UPDATE billing.plan_prices r SET component = 'add_on' FROM billing.plans p WHERE p.id = r.plan_id AND p.code = 'extra'
    )sql");
  }

  // Buys the plan, pays, and projects the subscription.
  void Subscribe() {
    ASSERT_TRUE(Start("buy").ok());
    const json session = simulator_->Control("POST", "sessions/" + simulator_->OnlySession() + "/pay", json::object());
    subscription_ = session.value("subscription", "");
    ASSERT_NE(subscription_, "");
    Project();
  }
  json Subscription() { return simulator_->Api("GET", "/v1/subscriptions/" + subscription_); }
  // Writes the subscription as it is at the provider, as webhook would after its events.
  void Project() {
    const json now = Subscription();
    database_.Admin("DELETE FROM billing.subscription_items");
    database_.Admin(R"sql(
      INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id,
        status, is_current, cancel_at_period_end, provider_subscription_created_at, provider_updated_at, provider_event_id)
      VALUES (gen_random_uuid(), 'test', $1, 'stripe', $2, $3, $4, $4 <> 'canceled', $5, billing.now(),
        date_trunc('second', billing.now()), 'evt_1')
      ON CONFLICT (provider, provider_subscription_id) DO UPDATE
      SET status = excluded.status, is_current = excluded.is_current, provider_updated_at = excluded.provider_updated_at,
          cancel_at_period_end = excluded.cancel_at_period_end
    )sql",
                    {acme_, subscription_, now["customer"].get<std::string>(), now["status"].get<std::string>(),
                     now["cancel_at_period_end"].get<bool>()});
    for (const json& item : now["items"]["data"]) {
      database_.Admin(
          R"sql(
        INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id,
          provider_price_id, quantity)
        SELECT gen_random_uuid(), s.entity_id, s.id, 'stripe', $1, $2, $3 FROM billing.subscriptions s
      )sql",
          {item["id"].get<std::string>(), item["price"]["id"].get<std::string>(), item["quantity"].get<int64_t>()});
    }
  }

  StatusOrChange Cancel(const std::string& key, CancelTiming timing = CancelTiming::kAtPeriodEnd) {
    return service_->CancelSubscription(User("alice"), Workspace("acme"), key, {timing});
  }
  StatusOrChange Resume(const std::string& key) {
    return service_->ResumeSubscription(User("alice"), Workspace("acme"), key, {});
  }
  StatusOrChange SetAddOn(const std::string& key, int64_t quantity, const std::string& plan = "extra") {
    return service_->SetAddOn(User("alice"), Workspace("acme"), key, {plan, quantity});
  }
  // "status at-period-end quantity" of an answer, or the code of a refusal.
  static std::string Tell(const StatusOrChange& result) {
    if (!result.ok()) return CodeOf(ReasonOf(result.status()));
    return absl::StrCat(result->status, result->cancel_at_period_end ? " ending " : " going on ", result->quantity);
  }
  std::string ProjectedStatus() {
    return Value(
        "SELECT status || CASE WHEN cancel_at_period_end THEN ' ending' ELSE ' going on' END FROM "
        "billing.subscriptions");
  }
  std::vector<json> Updates() { return simulator_->Requests("POST", "/v1/subscriptions/" + subscription_); }
  // A connection that breaks may make the client send once more, under the same key.
  std::set<std::string> KeysOfUpdates() {
    std::set<std::string> keys;
    for (const json& update : Updates()) keys.insert(update["idempotency_key"].get<std::string>());
    return keys;
  }
  std::vector<json> Deletes() { return simulator_->Requests("DELETE", "/v1/subscriptions/" + subscription_); }
  // Quantities of the add-on's items at the provider.
  std::vector<int64_t> AddOns() {
    const std::string price = AddOnPrice();
    const json subscription = Subscription();
    std::vector<int64_t> found;
    for (const json& item : subscription["items"]["data"]) {
      if (item["price"]["id"] == price) found.push_back(item["quantity"].get<int64_t>());
    }
    return found;
  }
  // What somebody does in the provider's console or portal, of which no event has come yet.
  json ByOtherHands(const std::string& form) {
    ++setup_posts_;
    return simulator_->Api("POST", "/v1/subscriptions/" + subscription_, form);
  }
  std::string AddOnPrice() {
    return Value("SELECT provider_price_id FROM billing.plan_prices WHERE component = 'add_on'");
  }
  // The id of the add-on's first item at the provider.
  std::string AddOnItem() {
    const std::string price = AddOnPrice();
    const json subscription = Subscription();
    for (const json& item : subscription["items"]["data"]) {
      if (item["price"]["id"] == price) return item["id"];
    }
    return "";
  }
  int64_t Operations() {
    return std::stoll(Value("SELECT count(*) FROM billing.request_idempotency WHERE action <> 'checkout'"));
  }
  // What matches every write to the subscription.
  json Writes(const std::string& method = "POST") {
    return {{"method", method}, {"path_prefix", "/v1/subscriptions/"}};
  }

  std::string subscription_;
};

}  // namespace billmesh::checkout
