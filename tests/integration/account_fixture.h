// AccountService on real PostgreSQL, with the rows that the webhook daemon would have written.
#pragma once

#include <string>

#include "common/auth/identity.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "services/checkout/account_service.h"

namespace billmesh::checkout {

class AccountFixture : public ::testing::Test {
 protected:
  AccountFixture() {
    operator_.certificate_name = "spiffe://billmesh/operator/ada";
    operator_.kind = auth::CallerKind::kOperator;
  }

  static NewEntity Workspace(const std::string& ref, const std::string& slug = "", const std::string& owner = "") {
    return {.kind = "workspace", .ref = ref, .slug = slug, .display_name = ref, .owner_subject = owner};
  }
  static billing::types::v1::EntitySelector ById(const std::string& id) {
    billing::types::v1::EntitySelector selector;
    selector.set_entity_id(id);
    return selector;
  }
  static auth::Caller User(const std::string& subject) {
    auth::Caller caller;
    caller.certificate_name = "spiffe://billmesh/edge";
    caller.kind = auth::CallerKind::kEdge;
    caller.user = auth::UserIdentity{subject, {}};
    return caller;
  }
  std::string Ensure(const NewEntity& entity) {
    const auto ensured = service_.EnsureEntity(operator_, entity);
    EXPECT_TRUE(ensured.ok()) << ensured.status();
    return ensured.ok() ? ensured->entity.id : "";
  }
  std::string AuditCount(const std::string& action, const std::string& entity_id) {
    return database_.Value("SELECT count(*) FROM billing.audit_log WHERE action = $1 AND entity_id = $2",
                           {action, entity_id});
  }
  std::string RoleOf(const std::string& entity_id, const std::string& subject) {
    return database_.Value("SELECT role FROM billing.entity_members WHERE entity_id = $1 AND subject = $2",
                           {entity_id, subject});
  }

  // A projection as the webhook daemon writes it.
  std::string AddSubscription(const std::string& entity_id, const std::string& name, bool current,
                              const std::string& status) {
    const std::string id = database_.ids().NewId();
    database_.Admin(R"sql(
      INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status,
                                         is_current, cancel_at_period_end, trial_end, provider_subscription_created_at,
                                         provider_updated_at, provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, $5, $6, true, '2027-01-15 00:00:00+00', now(), now(), 'evt_1')
    )sql",
                    {id, entity_id, "sub_" + name, "cus_" + entity_id, status, current});
    return id;
  }
  void AddItem(const std::string& entity_id, const std::string& subscription_id, const std::string& price,
               int64_t quantity) {
    database_.Admin(R"sql(
      INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id,
                                              quantity, current_period_start, current_period_end)
      VALUES ($1, $2, $3, 'stripe', gen_random_uuid()::text, $4, $5, '2027-01-01 00:00:00+00', '2027-02-01 00:00:00+00')
    )sql",
                    {database_.ids().NewId(), entity_id, subscription_id, price, quantity});
  }

  testing::TestDatabase database_;
  auth::Caller operator_;
  AccountService service_{{.pool = database_.Pool("checkout", 16), .ids = database_.ids(), .env = "test"}};
};

}  // namespace billmesh::checkout
