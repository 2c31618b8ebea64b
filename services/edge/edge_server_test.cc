#include "services/edge/edge_server.h"

#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "billing/checkout/v1/checkout.pb.h"
#include "billing/entitlements/v1/entitlements.pb.h"
#include "billing/webhook/v1/webhook.pb.h"
#include "common/auth/file_key_source.h"
#include "common/auth/test_tokens.h"
#include "common/auth/url_key_source.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "common/time/fake_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/edge/authenticator.h"
#include "services/edge/http_metrics.h"
#include "services/edge/webhook_route.h"

namespace billmesh::edge {
namespace {

using billing::webhook::v1::IngestBatchRequest;
using billing::webhook::v1::IngestBatchResponse;
using nlohmann::json;

constexpr int64_t kNowSeconds = 1'800'000'000;
constexpr char kWebhook[] = "/api/billing/webhooks/stripe";
constexpr char kCheckout[] = "/api/billing/checkout";
constexpr char kEntitlements[] = "/api/billing/entitlements";
constexpr char kConsole[] = "/api/console/billing/dead-letters";

// Keeps the calls, and answers with what the test said.
class FakeForwarder : public Forwarder {
 public:
  void Forward(ForwardCall call, ForwardDone done) override {
    calls.push_back(std::move(call));
    done(answer);
  }
  std::vector<ForwardCall> calls;
  absl::StatusOr<std::string> answer = std::string();
};

// "Bearer <subject>" is that user, "Bearer staff" an operator.
class FakeAuthenticator : public Authenticator {
 public:
  void Authenticate(const http::Request& request, AuthenticateDone done) override {
    const std::string value(request.Header("Authorization"));
    if (value.rfind("Bearer ", 0) != 0) return done(Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "no token"));
    auth::UserIdentity user{value.substr(7), {}};
    if (user.subject == "staff") user.permissions.push_back("billing.operator");
    done(user);
  }
};

http::Request MakeRequest(const std::string& verb, const std::string& target, const std::string& body = "",
                          std::vector<std::pair<std::string, std::string>> headers = {}) {
  http::Request request;
  request.method = verb;
  request.target = target;
  request.path = target.substr(0, target.find('?'));
  if (const size_t at = target.find('?'); at != std::string::npos) request.query = target.substr(at + 1);
  request.headers = std::move(headers);
  request.body = body;
  request.peer = "127.0.0.1";
  return request;
}

class EdgeServerTest : public testing::Test {
 protected:
  http::Response Send(http::Request request) {
    int answers = 0;
    http::Response response;
    server_.Handle(std::move(request), [&](http::Response given) {
      ++answers;
      response = std::move(given);
    });
    EXPECT_EQ(answers, 1);
    return response;
  }
  http::Response Api(const std::string& verb, const std::string& target, const std::string& user = "user-1",
                     const std::string& body = "", std::vector<std::pair<std::string, std::string>> headers = {}) {
    if (!user.empty()) headers.emplace_back("Authorization", "Bearer " + user);
    headers.emplace_back("Content-Type", "application/json");
    return Send(MakeRequest(verb, target, body, std::move(headers)));
  }
  http::Response Deliver(const std::string& body, std::vector<std::pair<std::string, std::string>> headers = {
                                                      {"Stripe-Signature", "t=1,v1=ab"}}) {
    return Send(MakeRequest("POST", kWebhook, body, std::move(headers)));
  }
  static std::string OneStored() {
    IngestBatchResponse answer;
    answer.add_results()->set_outcome(billing::webhook::v1::EVENT_OUTCOME_PROCESSED);
    return answer.SerializeAsString();
  }
  static std::string CodeOf(const http::Response& response) { return json::parse(response.body).value("code", ""); }
  static std::string HeaderOf(const http::Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  FakeClock clock_{absl::FromUnixSeconds(kNowSeconds)};
  const RouteTable routes_ = RouteTable::FromLinkedProtos().value();
  FakeAuthenticator authenticator_;
  RateLimiter limiter_{{.per_second = 10, .burst = 3}, clock_};
  FakeForwarder forwarder_;
  EdgeServer server_{{routes_, authenticator_, limiter_, forwarder_, clock_, EdgeTimeouts{}, /*tls=*/true}};
};

TEST_F(EdgeServerTest, ForwardsAReadAndRendersItsAnswer) {
  billing::entitlements::v1::GetEntitlementsResponse answer;
  answer.set_plan_code("pro");
  forwarder_.answer = answer.SerializeAsString();
  const auto response = Api("GET", std::string(kEntitlements) + "?entity.workspace=acme");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(json::parse(response.body)["planCode"], "pro");
  ASSERT_EQ(forwarder_.calls.size(), 1u);
  const ForwardCall& call = forwarder_.calls[0];
  EXPECT_EQ(call.daemon, "entitlements");
  EXPECT_EQ(call.rpc_path, "/billing.entitlements.v1.EntitlementsService/GetEntitlements");
  EXPECT_EQ(call.user->subject, "user-1");
  EXPECT_EQ(call.timeout, EdgeTimeouts().read);
  billing::entitlements::v1::GetEntitlementsRequest request;
  ASSERT_TRUE(request.ParseFromString(call.request));
  EXPECT_EQ(request.entity().workspace(), "acme");
}

TEST_F(EdgeServerTest, ForwardsAWriteWithItsIdempotencyKey) {
  const auto missing = Api("POST", kCheckout, "user-1", R"({"planCode":"pro"})");
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(CodeOf(missing), "idempotency_key_required");
  EXPECT_TRUE(forwarder_.calls.empty());
  EXPECT_EQ(Api("POST", kCheckout, "user-1", R"({"planCode":"pro"})", {{"idempotency-key", "k1"}}).status, 200);
  ASSERT_EQ(forwarder_.calls.size(), 1u);
  billing::checkout::v1::StartCheckoutRequest request;
  ASSERT_TRUE(request.ParseFromString(forwarder_.calls[0].request));
  EXPECT_EQ(request.idempotency_key(), "k1");
  EXPECT_EQ(request.plan_code(), "pro");
  EXPECT_EQ(forwarder_.calls[0].timeout, EdgeTimeouts().write);
}

TEST_F(EdgeServerTest, HintHeadersChangeNothing) {
  Api("GET", kEntitlements);
  clock_.Advance(absl::Seconds(1));
  Api("GET", kEntitlements, "user-1", "",
      {{"x-surface-id", "other"},
       {"x-workspace-id", "other"},
       {"x-billmesh-user-assertion", "forged"},
       {"x-forwarded-user", "user-2"},
       {"cookie", "last_workspace=other"}});
  ASSERT_EQ(forwarder_.calls.size(), 2u);
  EXPECT_EQ(forwarder_.calls[0].request, forwarder_.calls[1].request);
  EXPECT_EQ(forwarder_.calls[1].user->subject, "user-1");
}

TEST_F(EdgeServerTest, WithoutACredentialNothingIsForwarded) {
  const auto none = Api("GET", kEntitlements, "");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(CodeOf(none), "unauthenticated");
  EXPECT_EQ(HeaderOf(none, "WWW-Authenticate"), "Bearer realm=\"billmesh\"");
  const auto bad = Send(MakeRequest("GET", kEntitlements, "", {{"Authorization", "Basic dTpw"}}));
  EXPECT_EQ(bad.status, 401);
  EXPECT_EQ(HeaderOf(bad, "WWW-Authenticate"), "Bearer realm=\"billmesh\", error=\"invalid_token\"");
  EXPECT_TRUE(forwarder_.calls.empty());
}

TEST_F(EdgeServerTest, TheConsoleNeedsAnOperator) {
  const auto refused = Api("GET", kConsole);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(CodeOf(refused), "permission_denied");
  EXPECT_TRUE(forwarder_.calls.empty());
  EXPECT_EQ(Api("GET", kConsole, "staff").status, 200);
  EXPECT_EQ(forwarder_.calls.size(), 1u);
}

TEST_F(EdgeServerTest, UnknownPathsAndVerbsAreRefused) {
  const auto unknown = Api("GET", "/api/billing/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(CodeOf(unknown), "route_not_found");
  const auto verb = Api("DELETE", kCheckout);
  EXPECT_EQ(verb.status, 405);
  EXPECT_EQ(CodeOf(verb), "method_not_allowed");
  EXPECT_EQ(HeaderOf(verb, "Allow"), "POST");
  EXPECT_EQ(Api("OPTIONS", kCheckout).status, 404);
  for (const char* probe : {"/healthz", "/readyz", "/metrics"}) EXPECT_EQ(Api("GET", probe).status, 404) << probe;
}

TEST_F(EdgeServerTest, EveryAnswerHasTheSecurityHeadersAndARequestId) {
  forwarder_.answer = absl::InternalError("boom");
  for (const auto& response :
       {Api("GET", kEntitlements), Api("GET", "/nowhere"), Api("GET", kEntitlements, ""), Deliver("{}"), Deliver("")}) {
    EXPECT_EQ(HeaderOf(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-store");
    EXPECT_EQ(HeaderOf(response, "Referrer-Policy"), "no-referrer");
    EXPECT_THAT(HeaderOf(response, "Content-Security-Policy"), testing::StartsWith("default-src 'none'"));
    EXPECT_FALSE(HeaderOf(response, "Strict-Transport-Security").empty());
    EXPECT_EQ(json::parse(response.body)["requestId"], HeaderOf(response, "X-Request-Id"));
  }
}

TEST_F(EdgeServerTest, TheRequestIdAndTraceGoOn) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto response =
      Api("GET", kEntitlements, "user-1", "", {{"x-request-id", "request-0001"}, {"traceparent", trace}});
  EXPECT_EQ(HeaderOf(response, "X-Request-Id"), "request-0001");
  ASSERT_EQ(forwarder_.calls.size(), 1u);
  EXPECT_EQ(forwarder_.calls[0].trace.request_id, "request-0001");
  EXPECT_EQ(forwarder_.calls[0].trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(EdgeServerTest, ACallerOverItsRateWaitsAndOthersDoNot) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Api("GET", kEntitlements).status, 200);
  const auto limited = Api("GET", kEntitlements);
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(CodeOf(limited), "rate_limited");
  EXPECT_EQ(HeaderOf(limited, "Retry-After"), "1");
  EXPECT_EQ(forwarder_.calls.size(), 3u);
  EXPECT_EQ(Api("GET", kEntitlements, "user-2").status, 200);
  EXPECT_EQ(Api("GET", "/api/billing/plans").status, 200);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Api("GET", kEntitlements).status, 200);
}

TEST_F(EdgeServerTest, FailuresOfDaemonsBecomeProblems) {
  forwarder_.answer = Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity");
  EXPECT_EQ(Api("GET", kEntitlements).status, 404);
  forwarder_.answer = Fail(Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, "host db-1 is away");
  const auto away = Api("GET", kEntitlements);
  EXPECT_EQ(away.status, 503);
  EXPECT_EQ(HeaderOf(away, "Retry-After"), "1");
  EXPECT_EQ(away.body.find("db-1"), std::string::npos);
  forwarder_.answer = std::string("\xff\xff");
  EXPECT_EQ(Api("GET", kEntitlements).status, 500);
}

TEST_F(EdgeServerTest, OversizedRequestsAreRefused) {
  const auto url = Api("GET", std::string(kEntitlements) + "?x=" + std::string(kMaxTargetBytes, 'a'));
  EXPECT_EQ(url.status, 413);
  EXPECT_EQ(CodeOf(url), "request_too_large");
  http::Request flagged = MakeRequest("POST", kCheckout, "", {{"Authorization", "Bearer u"}});
  flagged.body_too_large = true;
  EXPECT_EQ(CodeOf(Send(std::move(flagged))), "request_too_large");
  EXPECT_EQ(CodeOf(Api("POST", kCheckout, "u", std::string(kMaxBodyBytes + 1, ' '))), "request_too_large");
  EXPECT_TRUE(forwarder_.calls.empty());
}

TEST_F(EdgeServerTest, DeliversTheExactBytesOfAWebhookWithoutACredential) {
  IngestBatchResponse answer;
  answer.add_results()->set_duplication(true);
  answer.mutable_results(0)->set_outcome(billing::webhook::v1::EVENT_OUTCOME_PROCESSED);
  forwarder_.answer = answer.SerializeAsString();
  const std::string body = std::string(" {\"a\":\0\xff\r\n", 10) + "} ";
  const auto response = Deliver(body);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json::parse(response.body), (json{{"received", true}, {"duplication", true}, {"outcome", "processed"}}));
  ASSERT_EQ(forwarder_.calls.size(), 1u);
  IngestBatchRequest ingest;
  ASSERT_TRUE(ingest.ParseFromString(forwarder_.calls[0].request));
  ASSERT_EQ(ingest.deliveries_size(), 1);
  EXPECT_EQ(ingest.deliveries(0).body(), body);
  EXPECT_EQ(ingest.deliveries(0).provider(), "stripe");
  EXPECT_EQ(ingest.deliveries(0).signature_header(), "t=1,v1=ab");
  EXPECT_FALSE(ingest.deliveries(0).request_id().empty());
  EXPECT_FALSE(forwarder_.calls[0].user.has_value());
  EXPECT_EQ(forwarder_.calls[0].daemon, "webhook");
}

TEST_F(EdgeServerTest, RefusesDeliveriesBeforeForwardingThem) {
  struct {
    const char* name;
    http::Response response;
    int status;
    const char* code;
  } const cases[] = {
      {"no body", Deliver(""), 400, "webhook_body_missing"},
      {"too large", Deliver(std::string(kMaxWebhookBodyBytes + 1, 'x')), 413, "webhook_body_too_large"},
      {"no signature", Deliver("{}", {}), 400, "webhook_signature_invalid"},
      {"two signatures", Deliver("{}", {{"Stripe-Signature", "a"}, {"stripe-signature", "b"}}), 400,
       "webhook_signature_invalid"},
      {"signature that isn't text", Deliver("{}", {{"Stripe-Signature", "t=1,v1=\xff"}}), 400,
       "webhook_signature_invalid"},
      {"another provider", Send(MakeRequest("POST", "/api/billing/webhooks/other", "{}", {{"Stripe-Signature", "a"}})),
       404, "route_not_found"},
      {"another verb", Send(MakeRequest("GET", kWebhook)), 405, "method_not_allowed"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(one.response.status, one.status) << one.name;
    EXPECT_EQ(CodeOf(one.response), one.code) << one.name;
  }
  http::Request flagged = MakeRequest("POST", kWebhook);
  flagged.body_too_large = true;
  EXPECT_EQ(CodeOf(Send(std::move(flagged))), "webhook_body_too_large");
  EXPECT_TRUE(forwarder_.calls.empty());
  forwarder_.answer = OneStored();
  EXPECT_EQ(Deliver(std::string(kMaxWebhookBodyBytes, 'x')).status, 200) << "256 KiB are allowed";
}

TEST_F(EdgeServerTest, CountsTheSignaturesThatItRefusesByCause) {
  const auto count = [](const std::string& series) {
    const std::string metrics = "\n" + telemetry::RenderMetrics();
    const size_t at = metrics.find("\n" + series + " ");
    return at == std::string::npos ? 0 : std::stoi(metrics.substr(at + series.size() + 2));
  };
  const std::string guardrail = R"(billmesh_guardrail_total{code="BILLING_WEBHOOK_SIGNATURE_FAILURE"})";
  struct {
    const char* cause;
    std::vector<std::pair<std::string, std::string>> headers;
  } const cases[] = {
      {"header_missing", {}},
      {"header_repeated", {{"Stripe-Signature", "t=1,v1=a"}, {"stripe-signature", "t=1,v1=b"}}},
      {"header_malformed", {{"Stripe-Signature", "t=1,v1=\xff"}}},
  };
  for (const auto& [cause, headers] : cases) {
    const std::string series = absl::StrCat("billmesh_webhook_signature_failures_total{cause=\"", cause, "\"}");
    const int before = count(series), guarded = count(guardrail);
    const http::Response refused = Deliver("{}", headers);
    EXPECT_EQ(json::parse(refused.body)["params"].value("cause", ""), cause);
    EXPECT_EQ(count(series), before + 1) << cause;
    EXPECT_EQ(count(guardrail), guarded + 1) << cause;
  }
}

TEST_F(EdgeServerTest, DeliveriesAreNotLimitedInRate) {
  forwarder_.answer = OneStored();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Deliver("{}").status, 200);
}

TEST_F(EdgeServerTest, FaultsAskTheProviderToDeliverAgain) {
  for (const Reason reason : {Reason::FAILURE_REASON_DATABASE_UNAVAILABLE, Reason::FAILURE_REASON_OVERLOADED,
                              Reason::FAILURE_REASON_COMMIT_IN_DOUBT, Reason::FAILURE_REASON_TRANSACTION_CONFLICT,
                              Reason::FAILURE_REASON_PEER_UNAVAILABLE, Reason::FAILURE_REASON_DEADLINE_EXCEEDED,
                              Reason::FAILURE_REASON_REQUEST_IN_PROGRESS}) {
    forwarder_.answer = Fail(reason, "fault");
    const auto response = Deliver("{}");
    EXPECT_EQ(response.status, 503) << billmesh::CodeOf(reason);
    EXPECT_FALSE(HeaderOf(response, "Retry-After").empty()) << billmesh::CodeOf(reason);
  }
  forwarder_.answer = Fail(Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID, "no match");
  EXPECT_EQ(Deliver("{}").status, 400);
  forwarder_.answer = absl::InternalError("bug");
  EXPECT_EQ(Deliver("{}").status, 500);
}

TEST_F(EdgeServerTest, CountsRequestsAndErrorsByRoute) {
  Api("GET", kEntitlements, "metrics-user");
  Api("GET", "/nowhere-at-all");
  const std::string metrics = telemetry::RenderMetrics();
  EXPECT_THAT(metrics, testing::ContainsRegex("billmesh_http_requests_total\\{.*route=\"/api/billing/entitlements\""));
  EXPECT_THAT(metrics, testing::ContainsRegex("code=\"route_not_found\",route=\"unmatched\""));
  EXPECT_THAT(metrics, testing::HasSubstr("billmesh_http_seconds"));
  EXPECT_THAT(metrics, testing::Not(testing::HasSubstr("nowhere-at-all")));
}

class BearerAuthenticatorTest : public testing::Test {
 protected:
  std::string Token(int64_t expires = kNowSeconds + 60) const {
    return key_.Sign({{"iss", "https://login.example"}, {"aud", "billmesh"}, {"sub", "user-1"}, {"exp", expires}});
  }
  absl::StatusOr<auth::UserIdentity> Ask(Authenticator& authenticator,
                                         std::vector<std::pair<std::string, std::string>> headers) {
    std::promise<absl::StatusOr<auth::UserIdentity>> answered;
    authenticator.Authenticate(MakeRequest("GET", "/", "", std::move(headers)),
                               [&](absl::StatusOr<auth::UserIdentity> user) { answered.set_value(std::move(user)); });
    return answered.get_future().get();
  }
  std::unique_ptr<auth::JwtVerifier> VerifierOf(std::unique_ptr<auth::KeySource> source) {
    return auth::JwtVerifier::Create({"https://login.example", "billmesh"}, std::move(source), clock_).value();
  }

  FakeClock clock_{absl::FromUnixSeconds(kNowSeconds)};
  auth::TestKey key_ = auth::TestKey::P256("k");
  auth::TestFile jwks_{auth::TestJwks({key_.Jwk()})};
  rpc::Executor executor_{1, 1};
};

TEST_F(BearerAuthenticatorTest, TakesOneBearerTokenAndNothingElse) {
  const auto verifier = VerifierOf(auth::FileKeySource::Create(jwks_.path(), clock_).value());
  BearerAuthenticator authenticator(*verifier, executor_);
  const auto user = Ask(authenticator, {{"authorization", "bearer " + Token()}});
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->subject, "user-1");
  const std::vector<std::vector<std::pair<std::string, std::string>>> refused = {
      {},
      {{"Authorization", Token()}},
      {{"Authorization", "Bearer"}},
      {{"Authorization", "Bearer "}},
      {{"Authorization", "Basic dTpw"}},
      {{"Authorization", "Bearer " + Token()}, {"Authorization", "Bearer " + Token()}},
      {{"Authorization", "Bearer " + Token(kNowSeconds - 3600)}},
      {{"Cookie", "token=" + Token()}},
  };
  for (const auto& headers : refused) {
    EXPECT_EQ(ReasonOf(Ask(authenticator, headers).status()), Reason::FAILURE_REASON_UNAUTHENTICATED);
  }
}

TEST_F(BearerAuthenticatorTest, FetchesMissingKeysOnTheExecutor) {
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id fetched_on;
  const auto verifier = VerifierOf(std::make_unique<auth::UrlKeySource>(
      [&]() -> absl::StatusOr<std::string> {
        fetched_on = std::this_thread::get_id();
        return auth::TestJwks({key_.Jwk()});
      },
      auth::UrlKeySourceOptions{}, clock_));
  BearerAuthenticator authenticator(*verifier, executor_);
  const auto user = Ask(authenticator, {{"Authorization", "Bearer " + Token()}});
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_NE(fetched_on, here);
  EXPECT_NE(fetched_on, std::thread::id());
}

TEST_F(BearerAuthenticatorTest, AFullQueueSaysSoAtOnce) {
  std::promise<void> go;
  std::promise<void> busy;
  // It outlives this function: the executor ends after it.
  ASSERT_TRUE(executor_.TrySubmit([&busy, gone = go.get_future().share()] {
    busy.set_value();
    gone.wait();
  }));
  busy.get_future().wait();
  ASSERT_TRUE(executor_.TrySubmit([] {}));
  const auto verifier = VerifierOf(std::make_unique<auth::UrlKeySource>(
      []() -> absl::StatusOr<std::string> { return absl::UnavailableError("away"); }, auth::UrlKeySourceOptions{},
      clock_));
  BearerAuthenticator authenticator(*verifier, executor_);
  EXPECT_EQ(ReasonOf(Ask(authenticator, {{"Authorization", "Bearer " + Token()}}).status()),
            Reason::FAILURE_REASON_OVERLOADED);
  go.set_value();
}

}  // namespace
}  // namespace billmesh::edge
