// What the integration tests of entitlements share: a database with two plans, a service on it, and projections as
// webhook writes them.
#pragma once

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "billing/entitlements/v1/entitlements.pb.h"
#include "common/rpc/executor.h"
#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"
#include "services/entitlements/entitlements_service.h"

namespace billmesh::entitlements {

namespace pb = billing::entitlements::v1;

// A subscription as the provider reports it.
struct Projection {
  std::string status = "active";
  std::string price = "price_pro";
  absl::Time period_start;
  absl::Time period_end;
  bool cancel_at_period_end = false;
};

class EntitlementsFixture : public ::testing::Test {
 protected:
  EntitlementsFixture() {
    db_.AddPlan("free", 0,
                {{"projects", "entitlement.quota.v1", R"({"limit": 3, "interval": "lifetime", "enforcement": "hard"})"},
                 {"sso", "entitlement.boolean.v1", R"({"enabled": false})"}},
                /*is_default=*/true);
    db_.AddPlan(
        "pro", 2900,
        {{"projects", "entitlement.quota.v1", R"({"limit": 100, "interval": "lifetime", "enforcement": "hard"})"},
         {"sso", "entitlement.boolean.v1", R"({"enabled": true})"}});
    service_ = MakeService();
  }

  // A replica of the daemon, without gRPC. Its clock moves only by Advance; its database time is the database's.
  std::unique_ptr<EntitlementsService> MakeService() {
    ServiceSettings settings;
    settings.env = "test";
    settings.fail_open_keys = {"projects"};
    return std::make_unique<EntitlementsService>(
        EntitlementsService::Deps{db_.Pool("entitlements"), clock_, db_.ids(),
                                  [this](std::function<void()> task) { return executor_.TrySubmit(std::move(task)); }},
        settings);
  }

  std::string AddWorkspace(const std::string& slug, const std::string& owner = "") {
    const std::string id = db_.AddWorkspace(slug, owner);
    db_.LinkCustomer(id, "cus_" + slug);
    customers_[id] = "cus_" + slug;
    return id;
  }

  absl::Time Now() { return db_.Admin("SELECT billing.now()")[0].Time(0); }

  // One that began an hour ago and lasts a month.
  Projection Active() {
    Projection projection;
    projection.period_start = Now() - absl::Hours(1);
    projection.period_end = Now() + absl::Hours(24 * 30);
    return projection;
  }

  // Inside a transaction of webhook: entity lock and revision, projection, change feed. Returns the revision.
  absl::StatusOr<int64_t> ProjectIn(db::Tx& tx, const std::string& entity_id, const Projection& p) {
    ASSIGN_OR_RETURN(const db::Result bumped, tx.Exec(R"sql(
      UPDATE billing.entities SET revision = revision + 1 WHERE id = $1 RETURNING revision
    )sql",
                                                      {entity_id}));
    const bool current = p.status != "canceled" && p.status != "incomplete_expired";
    const std::string provider_id = "sub_" + entity_id;
    ASSIGN_OR_RETURN(const db::Result rows,
                     tx.Exec(R"sql(
      INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status,
                                         is_current, cancel_at_period_end, provider_subscription_created_at,
                                         provider_updated_at, provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, $5, $6, $7, billing.now(), billing.now(), 'evt_1')
      ON CONFLICT (provider, provider_subscription_id) DO UPDATE
      SET status = excluded.status, is_current = excluded.is_current, cancel_at_period_end = excluded.cancel_at_period_end
      RETURNING id
    )sql",
                             {db_.ids().NewId(), entity_id, provider_id, customers_.at(entity_id), p.status, current,
                              p.cancel_at_period_end}));
    const std::string subscription_id = rows[0].Text(0);
    RETURN_IF_ERROR(tx.Exec(R"sql(
      INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id,
                                              quantity, current_period_start, current_period_end)
      VALUES ($1, $2, $3, 'stripe', $4, $5, 1, $6, $7)
      ON CONFLICT (provider, provider_item_id) DO UPDATE
      SET provider_price_id = excluded.provider_price_id, current_period_start = excluded.current_period_start,
          current_period_end = excluded.current_period_end
    )sql",
                            {db_.ids().NewId(), entity_id, subscription_id, "si_" + entity_id, p.price, p.period_start,
                             p.period_end})
                        .status());
    const int64_t revision = bumped[0].Int(0);
    RETURN_IF_ERROR(
        tx.Exec("INSERT INTO billing.change_feed (entity_id, revision) VALUES ($1, $2)", {entity_id, revision})
            .status());
    return revision;
  }

  int64_t Project(const std::string& entity_id, const Projection& projection) {
    const absl::StatusOr<int64_t> revision = db::RunInTransaction(
        webhook_, db::Scope::System("test.project"), [&](db::Tx& tx) { return ProjectIn(tx, entity_id, projection); });
    EXPECT_TRUE(revision.ok()) << revision.status();
    return revision.value_or(0);
  }

  // Calls and waits for the answer.
  template <typename Response, typename Start>
  static absl::StatusOr<Response> Await(Start start) {
    auto response = std::make_shared<Response>();
    auto promise = std::make_shared<std::promise<absl::Status>>();
    std::future<absl::Status> future = promise->get_future();
    start(*response, [promise, response](absl::Status status) { promise->set_value(std::move(status)); });
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      return absl::DeadlineExceededError("no answer within 20 s");
    }
    const absl::Status status = future.get();
    if (!status.ok()) return status;
    return *response;
  }

  absl::StatusOr<pb::CheckResponse> Check(EntitlementsService& service, const std::string& entity_id,
                                          const std::string& key, int64_t min_revision = 0,
                                          absl::Duration deadline = absl::InfiniteDuration()) {
    pb::CheckRequest request;
    request.set_entity_id(entity_id);
    request.set_key(key);
    request.set_min_revision(min_revision);
    return Await<pb::CheckResponse>([&](pb::CheckResponse& response, const EntitlementsService::Done& done) {
      service.Check(request, deadline, response, done);
    });
  }
  absl::StatusOr<pb::CheckResponse> Check(const std::string& entity_id, const std::string& key,
                                          int64_t min_revision = 0) {
    return Check(*service_, entity_id, key, min_revision);
  }
  bool Granted(EntitlementsService& service, const std::string& entity_id, const std::string& key) {
    const auto response = Check(service, entity_id, key);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() && response->granted();
  }
  bool Granted(const std::string& entity_id, const std::string& key) { return Granted(*service_, entity_id, key); }
  // The reason of a check that must fail.
  Reason CheckReason(const std::string& entity_id, const std::string& key) {
    const auto response = Check(entity_id, key);
    EXPECT_FALSE(response.ok());
    return ReasonOf(response.status());
  }

  absl::StatusOr<pb::GetEntitlementsResponse> GetEntitlements(const auth::Caller& caller,
                                                              const billing::types::v1::EntitySelector& selector) {
    pb::GetEntitlementsRequest request;
    *request.mutable_entity() = selector;
    return Await<pb::GetEntitlementsResponse>(
        [&](pb::GetEntitlementsResponse& response, const EntitlementsService::Done& done) {
          service_->GetEntitlements(caller, request, absl::InfiniteDuration(), response, done);
        });
  }

  // Passes of the service until nothing is left to do.
  void Poll(EntitlementsService& service) {
    while (service.PollOnce()) {
    }
  }
  void Poll() { Poll(*service_); }

  testing::TestDatabase db_;
  db::Pool& webhook_ = db_.Pool("webhook");  // projections may come from several threads
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  rpc::Executor executor_{4, 1000};
  std::map<std::string, std::string> customers_;  // by entity
  std::unique_ptr<EntitlementsService> service_;
};

}  // namespace billmesh::entitlements
