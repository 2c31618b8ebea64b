// Job expire_checkout_session from the queue to the Stripe simulator: the session is closed there, exactly once and
// whatever it had become meanwhile.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/http/client.h"
#include "common/outbox/outbox_store.h"
#include "common/stripe/client.h"
#include "common/stripe/client_format.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/reconciler/expire_session_job.h"
#include "services/reconciler/outbox_worker.h"
#include "tests/support/simulator_process.h"

namespace billmesh::reconciler {
namespace {

using nlohmann::json;

constexpr char kSecretKey[] = "sk_test_outbox";

class OutboxExpireTest : public ::testing::Test {
 protected:
  OutboxExpireTest() { entity_ = database_.AddWorkspace("acme"); }
  http::ClientResponse Send(const std::string& method, const std::string& path, const std::string& body = "") {
    std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    if (method == "POST") headers.emplace_back("Idempotency-Key", database_.ids().NewId());
    return sim_.Send(method, path, body, std::move(headers));
  }
  json Post(const std::string& path, const std::string& body) {
    const http::ClientResponse response = Send("POST", path, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body);
  }
  // An open session at the provider.
  json OpenSession() {
    const json price =
        Post("/v1/prices", "currency=eur&unit_amount=100&recurring[interval]=month&product_data[name]=Pro");
    const json customer = Post("/v1/customers", "name=Acme");
    return Post(
        "/v1/checkout/sessions",
        absl::StrCat("mode=subscription&success_url=https://example.com/&customer=", customer["id"].get<std::string>(),
                     "&line_items[0][quantity]=1&line_items[0][price]=", price["id"].get<std::string>()));
  }
  std::string StateOf(const json& session) {
    return json::parse(Send("GET", "/v1/checkout/sessions/" + session["id"].get<std::string>()).body)
        .value("status", "");
  }
  void Enqueue(const std::string& session_id) {
    const auto queued = db::RunInTransaction(database_.Pool("checkout"), db::Scope::Tenant(entity_), [&](db::Tx& tx) {
      const json payload = {{"provider", "stripe"}, {"provider_session_id", session_id}, {"operation_key", "op_1"}};
      return outbox::Enqueue(tx, database_.ids(),
                             {"test", entity_, outbox::kExpireCheckoutSession, session_id, payload.dump()});
    });
    ASSERT_TRUE(queued.ok() && *queued) << queued.status();
  }
  void RunOnce() {
    const stripe::StripeFormat format;
    ExpireSessionJob job({.provider = provider_, .format = format, .clock = database_.clock()});
    OutboxWorker worker({.pool = database_.Pool("reconciler"),
                         .clock = database_.clock(),
                         .ids = database_.ids(),
                         .handlers = {{outbox::kExpireCheckoutSession, &job}}},
                        {.env = "test",
                         .owner = "worker",
                         .lease = absl::Seconds(60),
                         .max_attempts = 12,
                         .backoff = {absl::Seconds(2), absl::Minutes(15)}});
    const auto ran = worker.RunOnce();
    ASSERT_TRUE(ran.ok() && *ran) << ran.status();
  }
  std::string Outcome() {
    return database_.Value(
        "SELECT j.status || ' ' || coalesce((SELECT a.detail->>'outcome' FROM billing.audit_log a "
        "WHERE a.action = 'BILLING_CHECKOUT_SESSION_EXPIRED' AND a.operation_key = 'op_1'), 'unaudited') "
        "FROM billing.outbox_jobs j");
  }

  testing::TestDatabase database_;
  testing::SimulatorProcess sim_{kSecretKey};
  stripe::StripeProvider provider_{
      {.api_base = sim_.url(), .secret_key = [] { return std::string(kSecretKey); }, .max_attempts = 1},
      database_.clock(),
      database_.ids()};
  std::string entity_;
};

TEST_F(OutboxExpireTest, AnOpenSessionIsClosedAtTheProvider) {
  const json session = OpenSession();
  Enqueue(session["id"]);
  RunOnce();
  EXPECT_EQ(StateOf(session), "expired");
  EXPECT_EQ(Outcome(), "done expired");
}

TEST_F(OutboxExpireTest, OneThatIsExpiredAlreadyIsDoneToo) {
  const json session = OpenSession();
  Post("/v1/checkout/sessions/" + session["id"].get<std::string>() + "/expire", "");
  Enqueue(session["id"]);
  RunOnce();
  EXPECT_EQ(Outcome(), "done expired");
}

TEST_F(OutboxExpireTest, OneThatWasPaidFirstIsSaidToBe) {
  const json session = OpenSession();
  EXPECT_EQ(Send("POST", session["url"].get<std::string>() + "/pay").status, 303);
  Enqueue(session["id"]);
  RunOnce();
  EXPECT_EQ(StateOf(session), "complete");
  EXPECT_EQ(Outcome(), "done completed");
}

// Another account's key, say: the session may still be paid there, so the job must not look done.
TEST_F(OutboxExpireTest, OneThatTheProviderDoesNotKnowIsTriedAgain) {
  Enqueue("cs_test_of_another_account");
  RunOnce();
  EXPECT_EQ(Outcome(), "ready unaudited");
  EXPECT_NE(database_.Value("SELECT last_error FROM billing.outbox_jobs"), "");
}

TEST_F(OutboxExpireTest, AProviderThatIsAwayMeansLater) {
  const json session = OpenSession();
  Enqueue(session["id"]);
  sim_.Kill();
  RunOnce();
  EXPECT_EQ(Outcome(), "ready unaudited");
  EXPECT_NE(database_.Value("SELECT last_error FROM billing.outbox_jobs"), "");
}

}  // namespace
}  // namespace billmesh::reconciler
