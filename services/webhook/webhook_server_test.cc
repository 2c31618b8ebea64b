#include "services/webhook/webhook_server.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/rpc/executor.h"
#include "common/status/status.h"
#include "common/stripe/event_source.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

namespace pb = billing::webhook::v1;

constexpr char kSecret[] = "whsec_test";
constexpr int64_t kNow = 1'700'000'000;
constexpr char kBody[] = R"({"id": "evt_1", "object": "event", "created": 1, "livemode": false, "type": "plan.created",
  "data": {"object": {"id": "price_1", "object": "plan"}}})";

class WebhookServerTest : public ::testing::Test {
 protected:
  static pb::Delivery Delivery(const std::string& body, int64_t at = kNow, const std::string& secret = kSecret) {
    pb::Delivery request;
    request.set_provider("stripe");
    request.set_body(body);
    request.set_signature_header(
        absl::StrCat("t=", at, ",v1=", crypto::HmacSha256Hex(secret, absl::StrCat(at, ".", body))));
    return request;
  }
  std::string Code(const pb::Delivery& request) {
    const auto event = server_.Check(request);
    return event.ok() ? "ok" : CodeOf(ReasonOf(event.status()));
  }

  FakeClock clock_{absl::FromUnixSeconds(kNow)};
  std::unique_ptr<stripe::SignatureVerifier> verifier_ = *stripe::SignatureVerifier::Create({kSecret});
  stripe::StripeEventSource source_{*verifier_};
  rpc::Executor executor_{1, 1};
  rpc::CallHost calls_{clock_, executor_, nullptr};
  IngestBatcher batcher_{{.committers = 1}, clock_, [](const std::vector<Incoming>& events) {
                           return std::vector<absl::StatusOr<EventResult>>(events.size(), EventResult());
                         }};
  WebhookServer server_{{.calls = calls_, .clock = clock_, .source = source_, .batcher = batcher_}};
};

TEST_F(WebhookServerTest, PassesWhatIsSignedAndAnEvent) {
  const auto checked = server_.Check(Delivery(kBody));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->event.id, "evt_1");
  EXPECT_EQ(checked->payload, kBody) << "the exact bytes";
}

// PRT-6: after the signature is checked, and before anything is read.
TEST_F(WebhookServerTest, MasksCardNumbersInWhatIsStoredAndRead) {
  const auto checked = server_.Check(Delivery(
      R"({"id": "evt_1", "object": "event", "created": 1, "livemode": false, "type": "plan.created",
    "request": {"id": "req_1", "idempotency_key": "4242424242424242"},
    "data": {"object": {"id": "price_1", "object": "plan", "amount": 4242424242424242}}})"));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->payload,
            R"({"id": "evt_1", "object": "event", "created": 1, "livemode": false, "type": "plan.created",
    "request": {"id": "req_1", "idempotency_key": "1000000000004242"},
    "data": {"object": {"id": "price_1", "object": "plan", "amount": 1000000000004242}}})");
  EXPECT_EQ(checked->event.idempotency_key, "1000000000004242");
}

TEST_F(WebhookServerTest, RefusesInTheOrderOfSizeSignatureForm) {
  EXPECT_EQ(Code(Delivery("")), "webhook_body_missing");
  EXPECT_EQ(Code(Delivery(std::string(kMaxBodyBytes + 1, 'x'))), "webhook_body_too_large");
  EXPECT_EQ(Code(Delivery(std::string(kMaxBodyBytes, 'x'))), "webhook_payload_malformed")
      << "the largest body is looked at";
  EXPECT_EQ(Code(Delivery(kBody, kNow, "whsec_other")), "webhook_signature_invalid");
  EXPECT_EQ(Code(Delivery(kBody, kNow - 301)), "webhook_signature_invalid");
  EXPECT_EQ(Code(Delivery("{}", kNow, "whsec_other")), "webhook_signature_invalid") << "the signature before the form";
  EXPECT_EQ(Code(Delivery("{}")), "webhook_payload_malformed");
  pb::Delivery unsigned_one = Delivery(kBody);
  unsigned_one.clear_signature_header();
  EXPECT_EQ(Code(unsigned_one), "webhook_signature_invalid");
  pb::Delivery other = Delivery(kBody);
  other.set_provider("paypal");
  EXPECT_EQ(Code(other), "not_found");
}

// A secret is of one kind of endpoint, and each kind sends its own form only.
TEST_F(WebhookServerTest, ThinNotificationsHaveSecretsOfTheirOwn) {
  const std::string thin =
      R"({"id": "evt_2", "object": "v2.core.event", "created": "2026-11-20T10:00:00.000Z", "livemode": false,
    "type": "v1.invoice.paid", "related_object": {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"}})";
  EXPECT_EQ(Code(Delivery(thin)), "webhook_payload_malformed");
  EXPECT_EQ(Code(Delivery(thin, kNow, "whsec_thin")), "webhook_signature_invalid") << "there is no such endpoint";
  const auto thin_verifier = *stripe::SignatureVerifier::Create({"whsec_thin"});
  const stripe::StripeEventSource both(*verifier_, thin_verifier.get());
  WebhookServer server({.calls = calls_, .clock = clock_, .source = both, .batcher = batcher_});
  const auto code = [&](const pb::Delivery& request) {
    const auto event = server.Check(request);
    return event.ok() ? "ok" : CodeOf(ReasonOf(event.status()));
  };
  EXPECT_EQ(code(Delivery(thin, kNow, "whsec_thin")), "ok");
  EXPECT_EQ(code(Delivery(thin)), "webhook_payload_malformed");
  EXPECT_EQ(code(Delivery(kBody, kNow, "whsec_thin")), "webhook_payload_malformed");
  EXPECT_EQ(code(Delivery(kBody)), "ok");
  EXPECT_EQ(code(Delivery(thin, kNow, "whsec_other")), "webhook_signature_invalid");
}

}  // namespace
}  // namespace billmesh::webhook
