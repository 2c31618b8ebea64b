#include "common/stripe/client.h"

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/http/server.h"
#include "common/provider/object_format.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "common/testing/provider_request_check.h"
#include "common/time/fake_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

using provider::CallResult;
using provider::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

http::Response Json(int status, std::string body, std::vector<std::pair<std::string, std::string>> headers = {}) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  response.headers = std::move(headers);
  return response;
}

http::Response Error(int status, std::string type, std::string code = "") {
  return Json(status,
              absl::StrCat(R"({"error":{"type":")", type, R"(","code":")", code, R"(","message":"secret detail"}})"));
}

// A provider that answers from a script and remembers what it was sent.
class ScriptedStripe {
 public:
  ScriptedStripe() {
    http::ServerOptions options;
    options.listen = "127.0.0.1:0";
    auto server = http::Server::Start(options, [this](http::Request request, http::Respond respond) {
      http::Response response = Json(500, "script is over");
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(std::move(request));
        if (!script_.empty()) {
          response = script_.front();
          script_.pop_front();
        }
      }
      respond(std::move(response));
    });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    url_ = absl::StrCat("http://127.0.0.1:", server_->port());
  }
  // Whatever the test was about: each request fits the provider's schemas, where they are.
  ~ScriptedStripe() {
    for (const http::Request& request : requests()) {
      EXPECT_EQ(billmesh::testing::ProviderRequestFault(request.method, request.path,
                                                        request.method == "POST" ? request.body : request.query),
                "");
    }
  }
  void Answer(http::Response response) {
    std::lock_guard lock(mutex_);
    script_.push_back(std::move(response));
  }
  std::vector<http::Request> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  const std::string& url() const { return url_; }
  // Nobody listens there any more.
  void Stop() { server_.reset(); }

 private:
  std::mutex mutex_;
  std::deque<http::Response> script_;    // guarded by mutex_
  std::vector<http::Request> requests_;  // guarded by mutex_
  std::unique_ptr<http::Server> server_;
  std::string url_;
};

class StripeProviderTest : public ::testing::Test {
 protected:
  StripeProviderTest() {
    ClientOptions options;
    options.api_base = stripe_.url();
    options.secret_key = [this] { return key_; };
    options.sleep = [this](absl::Duration d) {
      slept_.push_back(d);
      clock_.Advance(d);
    };
    provider_ = std::make_unique<StripeProvider>(std::move(options), clock_, ids_);
  }

  CallResult Create(bool may_have_been_sent = false, absl::Duration timeout = absl::Seconds(20)) {
    return provider_->Send({.purpose = provider::kCreateCustomer,
                            .idempotency_key = "key-1",
                            .params_json = R"({"metadata":{"a":"b"},"name":"Acme"})",
                            .may_have_been_sent = may_have_been_sent},
                           {.timeout = timeout});
  }

  std::string key_ = "sk_test_1";
  FakeClock clock_{absl::FromUnixSeconds(1790000000)};
  SeededIdGenerator ids_{1};
  std::vector<absl::Duration> slept_;
  ScriptedStripe stripe_;
  std::unique_ptr<StripeProvider> provider_;
};

TEST_F(StripeProviderTest, ACreateIsAFormWithKeyVersionAndAuthorization) {
  stripe_.Answer(
      Json(200, R"({"id":"cus_1"})",
           {{"Request-Id", "req_1"}, {"Date", "Mon, 21 Sep 2026 14:13:20 GMT"}, {"Stripe-Version", kApiVersion}}));
  const CallResult result = Create();
  EXPECT_EQ(result.outcome, Outcome::kSuccess);
  EXPECT_EQ(result.object_json, R"({"id":"cus_1"})");
  EXPECT_EQ(result.http_status, 200);
  EXPECT_EQ(result.request_id, "req_1");
  EXPECT_TRUE(result.provider_date.has_value());
  ASSERT_THAT(stripe_.requests(), SizeIs(1));
  const http::Request request = stripe_.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/customers");
  EXPECT_EQ(request.body, "metadata%5Ba%5D=b&name=Acme");
  EXPECT_EQ(request.Header("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(request.Header("idempotency-key"), "key-1");
  EXPECT_EQ(request.Header("authorization"), "Bearer sk_test_1");
  EXPECT_EQ(request.Header("stripe-version"), "2026-10-28.endive");
}

TEST_F(StripeProviderTest, RetriesWithTheSameKeyAndBody) {
  stripe_.Answer(Error(500, "api_error"));
  stripe_.Answer(Error(409, "invalid_request_error", "idempotency_key_in_use"));
  stripe_.Answer(Json(200, R"({"id":"cus_1"})"));
  EXPECT_EQ(Create().outcome, Outcome::kSuccess);
  const auto requests = stripe_.requests();
  ASSERT_THAT(requests, SizeIs(3));
  for (const http::Request& request : requests) {
    EXPECT_EQ(request.Header("idempotency-key"), "key-1");
    EXPECT_EQ(request.body, requests[0].body);
  }
  ASSERT_THAT(slept_, SizeIs(2));
  EXPECT_GE(slept_[0], absl::Milliseconds(250));
  EXPECT_LE(slept_[0], absl::Milliseconds(500));
  EXPECT_GE(slept_[1], absl::Milliseconds(500));
  EXPECT_LE(slept_[1], absl::Seconds(1));
}

TEST_F(StripeProviderTest, ARefusalOfTheFirstSendingIsDefinite) {
  stripe_.Answer(Error(400, "invalid_request_error", "parameter_unknown"));
  const CallResult result = Create();
  EXPECT_EQ(result.outcome, Outcome::kRejected);
  EXPECT_EQ(result.error_type, "invalid_request_error");
  EXPECT_EQ(result.error_code, "parameter_unknown");
  EXPECT_THAT(stripe_.requests(), SizeIs(1));
}

TEST_F(StripeProviderTest, ARefusalAfterAnUnknownSendingProvesNothing) {
  stripe_.Answer(Error(500, "api_error"));
  stripe_.Answer(Error(400, "invalid_request_error"));
  EXPECT_EQ(Create().outcome, Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), SizeIs(2));
}

TEST_F(StripeProviderTest, ARefusalProvesNothingWhereAnEarlierHolderMayHaveSent) {
  stripe_.Answer(Error(400, "invalid_request_error"));
  EXPECT_EQ(Create(/*may_have_been_sent=*/true).outcome, Outcome::kUnknown);
}

TEST_F(StripeProviderTest, StopsAfterItsAttempts) {
  for (int i = 0; i < 9; ++i) stripe_.Answer(Error(503, "api_error"));
  EXPECT_EQ(Create().outcome, Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), SizeIs(4));
}

TEST_F(StripeProviderTest, AllAttemptsStayWithinTheTimeout) {
  for (int i = 0; i < 9; ++i) stripe_.Answer(Error(503, "api_error"));
  const absl::Duration started = clock_.Monotonic();
  EXPECT_EQ(Create(false, absl::Milliseconds(600)).outcome, Outcome::kUnknown);
  EXPECT_LT(clock_.Monotonic() - started, absl::Milliseconds(600));
  EXPECT_LT(stripe_.requests().size(), 4u);
}

TEST_F(StripeProviderTest, WaitsAsLongAsTheProviderSays) {
  http::Response limited = Error(429, "invalid_request_error", "rate_limit");
  limited.headers = {{"Retry-After", "7"}};
  stripe_.Answer(limited);
  stripe_.Answer(Json(200, R"({"id":"cus_1"})"));
  EXPECT_EQ(Create().outcome, Outcome::kSuccess);
  EXPECT_THAT(slept_, ElementsAre(absl::Seconds(7)));
}

TEST_F(StripeProviderTest, DoesNotWaitLongerThanItMay) {
  http::Response limited = Error(429, "invalid_request_error", "rate_limit");
  limited.headers = {{"Retry-After", "60"}};
  stripe_.Answer(limited);
  EXPECT_EQ(Create().outcome, Outcome::kUnknown);
  EXPECT_THAT(slept_, IsEmpty());
}

TEST_F(StripeProviderTest, ObeysStripeShouldRetry) {
  http::Response no = Error(500, "api_error");
  no.headers = {{"Stripe-Should-Retry", "false"}};
  stripe_.Answer(no);
  EXPECT_EQ(Create().outcome, Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), SizeIs(1));

  http::Response yes = Error(429, "invalid_request_error", "lock_timeout");
  yes.headers = {{"Stripe-Should-Retry", "true"}};
  stripe_.Answer(yes);
  stripe_.Answer(Json(200, R"({"id":"cus_1"})"));
  EXPECT_EQ(Create().outcome, Outcome::kSuccess);
  EXPECT_THAT(stripe_.requests(), SizeIs(3));
}

TEST_F(StripeProviderTest, AnUnreadableSuccessIsUnknown) {
  for (int i = 0; i < 4; ++i) stripe_.Answer(Json(200, "<html>welcome</html>"));
  const CallResult result = Create();
  EXPECT_EQ(result.outcome, Outcome::kUnknown);
  EXPECT_EQ(result.object_json, "");
}

TEST_F(StripeProviderTest, AProxysErrorPageProvesNothing) {
  stripe_.Answer(Json(400, "<html>bad request</html>"));
  EXPECT_EQ(Create().outcome, Outcome::kUnknown);
}

TEST_F(StripeProviderTest, NobodyThereIsUnknown) {
  stripe_.Stop();
  const CallResult result = Create();
  EXPECT_EQ(result.outcome, Outcome::kUnknown);
  EXPECT_EQ(result.http_status, 0);
}

TEST_F(StripeProviderTest, ACreateWithoutKeyOrOfAnUnknownPurposeIsNotSent) {
  EXPECT_EQ(provider_->Send({.purpose = provider::kCreateCustomer, .params_json = "{}"}, {}).outcome,
            Outcome::kUnknown);
  EXPECT_EQ(provider_->Send({.purpose = "x", .idempotency_key = "k", .params_json = "{}"}, {}).outcome,
            Outcome::kUnknown);
  EXPECT_EQ(provider_->ExpireCheckoutSession("cs_1", "", {}).outcome, Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), IsEmpty());
}

TEST_F(StripeProviderTest, EachPurposeHasItsPlace) {
  const struct {
    const char* purpose;
    const char* params;
    const char* method;
    const char* target;
    const char* body;
  } cases[] = {
      {provider::kCreatePortalSession, R"({"customer":"cus_1"})", "POST", "/v1/billing_portal/sessions",
       "customer=cus_1"},
      {provider::kCreatePaymentLink, R"({"line_items":[{"price":"price_1","quantity":1}]})", "POST",
       "/v1/payment_links", "line_items%5B0%5D%5Bprice%5D=price_1&line_items%5B0%5D%5Bquantity%5D=1"},
      {provider::kUpdateSubscription, R"({"$object":"sub_1","cancel_at_period_end":true})", "POST",
       "/v1/subscriptions/sub_1", "cancel_at_period_end=true"},
      {provider::kExpireCheckoutSession, R"({"$object":"cs_1"})", "POST", "/v1/checkout/sessions/cs_1/expire", ""},
      {provider::kCancelSubscription, R"({"$object":"sub_1"})", "DELETE", "/v1/subscriptions/sub_1", ""},
      // Stripe's own clients put what a DELETE has to say into the query.
      {provider::kCancelSubscription, R"({"$object":"sub_1","prorate":true})", "DELETE",
       "/v1/subscriptions/sub_1?prorate=true", ""},
  };
  for (const auto& test : cases) {
    stripe_.Answer(Json(200, R"({"id":"x_1"})"));
    const CallResult result =
        provider_->Send({.purpose = test.purpose, .idempotency_key = "k1", .params_json = test.params}, {});
    EXPECT_EQ(result.outcome, Outcome::kSuccess) << test.purpose << ": " << result.error_message;
    const http::Request request = stripe_.requests().back();
    EXPECT_EQ(request.method, test.method);
    EXPECT_EQ(request.target, test.target);
    EXPECT_EQ(request.body, test.body);
    const bool keyed = request.method == "POST";
    EXPECT_EQ(request.HeaderCount("idempotency-key"), keyed ? 1 : 0) << test.purpose;
  }
  EXPECT_THAT(telemetry::RenderMetrics(),
              HasSubstr("endpoint=\"/v1/subscriptions/{id}\",method=\"DELETE\",outcome=\"success\""));
}

TEST_F(StripeProviderTest, AChangeNamesItsObjectAndACreateNone) {
  const auto send = [&](const char* purpose, const std::string& params) {
    return provider_->Send({.purpose = purpose, .idempotency_key = "k1", .params_json = params}, {}).outcome;
  };
  for (const char* params : {R"({})", R"({"$object":1})", R"({"$object":""})", R"({"$object":"../v1/charges"})",
                             R"({"$object":"sub_1?x=1"})", R"([])", R"("sub_1")"}) {
    EXPECT_EQ(send(provider::kCancelSubscription, params), Outcome::kUnknown) << params;
    EXPECT_EQ(send(provider::kUpdateSubscription, params), Outcome::kUnknown) << params;
  }
  EXPECT_EQ(send(provider::kCreateCustomer, R"({"$object":"cus_1"})"), Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), IsEmpty());
}

TEST_F(StripeProviderTest, ACancellationOfWhatIsGoneProvesNothingWhereItMayHaveBeenSent) {
  const auto cancel = [&](bool may_have_been_sent) {
    stripe_.Answer(Error(404, "invalid_request_error", "resource_missing"));
    return provider_->Send({.purpose = provider::kCancelSubscription,
                            .idempotency_key = "k1",
                            .params_json = R"({"$object":"sub_1"})",
                            .may_have_been_sent = may_have_been_sent},
                           {});
  };
  EXPECT_EQ(cancel(false).outcome, Outcome::kRejected);
  EXPECT_EQ(cancel(true).outcome, Outcome::kUnknown);
  // The first sending got no answer: the second one's refusal may be its work.
  stripe_.Answer(Error(500, "api_error"));
  EXPECT_EQ(cancel(false).outcome, Outcome::kUnknown);
}

TEST_F(StripeProviderTest, TellsAnAnswerThatWasStoredUnderTheKey) {
  stripe_.Answer(Json(200, R"({"id":"cus_1"})", {{"Idempotent-Replayed", "true"}}));
  stripe_.Answer(Json(200, R"({"id":"cus_1"})"));
  EXPECT_TRUE(Create().replayed);
  EXPECT_FALSE(Create().replayed);
  http::Response failed = Error(400, "invalid_request_error");
  failed.headers = {{"Idempotent-Replayed", "true"}};
  stripe_.Answer(failed);
  EXPECT_TRUE(Create(/*may_have_been_sent=*/true).replayed);
}

TEST_F(StripeProviderTest, SubscriptionsAndLinksAreRetrievedAndListed) {
  for (int i = 0; i < 2; ++i) stripe_.Answer(Json(200, R"({"id":"x_1"})"));
  provider_->Retrieve(provider::kSubscriptionKind, "sub_1", {});
  provider_->Retrieve(provider::kPaymentLinkKind, "plink_1", {});
  for (int i = 0; i < 2; ++i) stripe_.Answer(Json(200, R"({"object":"list","data":[],"has_more":false})"));
  provider_->List(provider::kSubscriptionKind, {.filters = {{"customer", "cus_1"}}}, {});
  provider_->List(provider::kPaymentLinkKind, {.filters = {{"active", "true"}}, .starting_after = "plink_1"}, {});
  const auto requests = stripe_.requests();
  ASSERT_THAT(requests, SizeIs(4));
  EXPECT_EQ(requests[0].target, "/v1/subscriptions/sub_1");
  EXPECT_EQ(requests[1].target, "/v1/payment_links/plink_1");
  EXPECT_EQ(requests[2].target, "/v1/subscriptions?customer=cus_1&limit=100");
  EXPECT_EQ(requests[3].target, "/v1/payment_links?active=true&limit=100&starting_after=plink_1");
}

TEST_F(StripeProviderTest, ARetrieveTellsWhatIsNotThere) {
  stripe_.Answer(Error(404, "invalid_request_error", "resource_missing"));
  const CallResult result = provider_->Retrieve("checkout_session", "cs_1", {});
  EXPECT_EQ(result.outcome, Outcome::kRejected);
  EXPECT_TRUE(result.not_found);
  ASSERT_THAT(stripe_.requests(), SizeIs(1));
  EXPECT_EQ(stripe_.requests()[0].target, "/v1/checkout/sessions/cs_1");
  EXPECT_EQ(stripe_.requests()[0].HeaderCount("idempotency-key"), 0);
}

TEST_F(StripeProviderTest, ARefusedReadIsDefiniteAlsoAfterAnUnknownOne) {
  stripe_.Answer(Error(500, "api_error"));
  stripe_.Answer(Error(404, "invalid_request_error", "resource_missing"));
  EXPECT_TRUE(provider_->Retrieve("customer", "cus_1", {}).not_found);
}

TEST_F(StripeProviderTest, AnIdThatIsNoneIsNotSent) {
  for (const std::string id : {"", "../v1/charges", "a/b", "a?b", "a b", "a%2fb"}) {
    EXPECT_EQ(provider_->Retrieve("customer", id, {}).outcome, Outcome::kUnknown) << id;
    EXPECT_EQ(provider_->ExpireCheckoutSession(id, "k", {}).outcome, Outcome::kUnknown) << id;
  }
  EXPECT_EQ(provider_->Retrieve("customer", std::string(256, 'a'), {}).outcome, Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), IsEmpty());
}

TEST_F(StripeProviderTest, AListTranslatesItsFilters) {
  stripe_.Answer(Json(200, R"({"object":"list","data":[],"has_more":false})"));
  const CallResult result = provider_->List(
      "checkout_session",
      {.filters = {{"customer", "cus_1"}, {"created_gte", "5"}}, .limit = 500, .starting_after = "cs_9"}, {});
  EXPECT_EQ(result.outcome, Outcome::kSuccess);
  ASSERT_THAT(stripe_.requests(), SizeIs(1));
  EXPECT_EQ(stripe_.requests()[0].target,
            "/v1/checkout/sessions?created%5Bgte%5D=5&customer=cus_1&limit=100&starting_after=cs_9");
  EXPECT_EQ(provider_->List("checkout_session", {.filters = {{"nonsense", "1"}}}, {}).outcome, Outcome::kUnknown);
  EXPECT_THAT(stripe_.requests(), SizeIs(1));
}

TEST_F(StripeProviderTest, AnExpiryOfAnEndedSessionIsRejected) {
  stripe_.Answer(Error(400, "invalid_request_error"));
  EXPECT_EQ(provider_->ExpireCheckoutSession("cs_1", "k1", {}).outcome, Outcome::kRejected);
  ASSERT_THAT(stripe_.requests(), SizeIs(1));
  EXPECT_EQ(stripe_.requests()[0].target, "/v1/checkout/sessions/cs_1/expire");
  EXPECT_EQ(stripe_.requests()[0].Header("idempotency-key"), "k1");
  EXPECT_EQ(stripe_.requests()[0].body, "");
}

TEST_F(StripeProviderTest, ProvenanceIsAskedOnceForEachKey) {
  stripe_.Answer(Json(200, R"({"id":"acct_1","object":"account"})"));
  stripe_.Answer(Json(200, R"({"id":"acct_2","object":"account"})"));
  for (int i = 0; i < 3; ++i) {
    const auto provenance = provider_->GetProvenance();
    ASSERT_TRUE(provenance.ok()) << provenance.status();
    EXPECT_EQ(provenance->provider, "stripe");
    EXPECT_EQ(provenance->account_id, "acct_1");
    EXPECT_EQ(provenance->api_version, "2026-10-28.endive");
  }
  EXPECT_THAT(stripe_.requests(), SizeIs(1));
  key_ = "sk_test_2";
  EXPECT_EQ(provider_->GetProvenance()->account_id, "acct_2");
  EXPECT_EQ(stripe_.requests()[1].Header("authorization"), "Bearer sk_test_2");
}

TEST_F(StripeProviderTest, ProvenanceIsUnavailableWhileTheProviderIs) {
  stripe_.Answer(Error(401, "invalid_request_error"));
  EXPECT_EQ(ReasonOf(provider_->GetProvenance().status()), Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE);
  stripe_.Answer(Json(200, R"({"id":"acct_1"})"));
  EXPECT_TRUE(provider_->GetProvenance().ok());
}

TEST_F(StripeProviderTest, CountsCallsByEndpointAndOutcomeAndWatchesTheVersion) {
  stripe_.Answer(Json(200, R"({"id":"in_1"})", {{"Stripe-Version", "2020-01-01"}}));
  provider_->Retrieve("invoice", "in_1", {});
  const std::string metrics = telemetry::RenderMetrics();
  EXPECT_THAT(metrics, HasSubstr("endpoint=\"/v1/invoices/{id}\",method=\"GET\",outcome=\"success\""));
  EXPECT_THAT(metrics, HasSubstr("BILLING_STRIPE_SDK_API_BASELINE_DRIFT"));
}

}  // namespace
}  // namespace billmesh::stripe
