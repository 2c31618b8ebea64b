#include "services/edge/transcoder.h"

#include "billing/checkout/v1/account.pb.h"
#include "billing/checkout/v1/checkout.pb.h"
#include "billing/entitlements/v1/entitlements.pb.h"
#include "billing/reconciler/v1/operations.pb.h"
#include "common/status/status.h"
#include "google/protobuf/api.pb.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/type.pb.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/edge/field_json.h"

namespace billmesh::edge {
namespace {

constexpr char kCheckout[] = "/api/billing/checkout";
constexpr char kCancel[] = "/api/billing/checkout/op-1/cancel";
constexpr char kPaymentLinks[] = "/api/billing/payment-links";
constexpr char kEnd[] = "/api/billing/subscription/cancel";
constexpr char kEntitlements[] = "/api/billing/entitlements";
constexpr char kDeadLetters[] = "/api/console/billing/dead-letters";

struct Input {
  const char* verb;
  const char* path;
  std::string query;
  std::string body;
  std::string content_type = "application/json";
  std::string key = "key-1";
  int keys = 1;
};

absl::StatusOr<std::string> Build(const Input& input) {
  static const auto* const table = new RouteTable(RouteTable::FromLinkedProtos().value());
  const auto match = table->Find(input.verb, input.path);
  EXPECT_TRUE(match.ok()) << match.status();
  RequestParts parts;
  parts.variables = match->variables;
  parts.query = input.query;
  parts.body = input.body;
  parts.content_type = input.content_type;
  parts.idempotency_key = input.key;
  parts.idempotency_keys = input.keys;
  return BuildRequest(*match->route, parts);
}

const Route& RouteOf(const char* verb, const char* path) {
  static const auto* const table = new RouteTable(RouteTable::FromLinkedProtos().value());
  return *table->Find(verb, path)->route;
}

template <typename T>
void ExpectMessage(const Input& input, const std::string& text) {
  const auto built = Build(input);
  ASSERT_TRUE(built.ok()) << text << ": " << built.status();
  T got;
  T want;
  ASSERT_TRUE(got.ParseFromString(*built));
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &want));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(got, want)) << got.ShortDebugString();
}

TEST(TranscoderTest, MakesWritesFromBodyHeaderAndPathTogether) {
  using billing::checkout::v1::CancelCheckoutRequest;
  using billing::checkout::v1::CancelSubscriptionRequest;
  using billing::checkout::v1::CreatePaymentLinkRequest;
  using billing::checkout::v1::CreatePortalSessionRequest;
  using billing::checkout::v1::ResumeSubscriptionRequest;
  using billing::checkout::v1::SetAddOnRequest;
  ExpectMessage<CancelCheckoutRequest>({"POST", kCancel, "", R"({"entity":{"workspace":"acme"}})"},
                                       R"pb(entity { workspace: "acme" }
                                            operation: "op-1"
                                            idempotency_key: "key-1")pb");
  ExpectMessage<CancelCheckoutRequest>({"POST", kCancel, "", ""}, R"pb(operation: "op-1" idempotency_key: "key-1")pb");
  ExpectMessage<CreatePortalSessionRequest>({"POST", "/api/billing/portal", "", R"({"returnPath":"/billing"})"},
                                            R"pb(return_path: "/billing" idempotency_key: "key-1")pb");
  ExpectMessage<CreatePaymentLinkRequest>(
      {"POST", kPaymentLinks, "", R"({"adHoc":{"name":"Work","unitAmountMinor":"12000","currency":"eur"}})"},
      R"pb(ad_hoc { name: "Work" unit_amount_minor: 12000 currency: "eur" }
           idempotency_key: "key-1")pb");
  ExpectMessage<CancelSubscriptionRequest>({"POST", kEnd, "", R"({"timing":"CANCEL_TIMING_NOW"})"},
                                           R"pb(timing: CANCEL_TIMING_NOW idempotency_key: "key-1")pb");
  ExpectMessage<ResumeSubscriptionRequest>({"POST", "/api/billing/subscription/resume", "", ""},
                                           R"pb(idempotency_key: "key-1")pb");
  ExpectMessage<SetAddOnRequest>(
      {"POST", "/api/billing/subscription/add-ons", "", R"({"planCode":"extra","quantity":2})"},
      R"pb(plan_code: "extra" quantity: 2 idempotency_key: "key-1")pb");
}

TEST(TranscoderTest, MakesMessagesFromBodyHeaderQueryAndPath) {
  using billing::checkout::v1::GetCheckoutRequest;
  using billing::checkout::v1::StartCheckoutRequest;
  using billing::entitlements::v1::GetEntitlementsRequest;
  using billing::reconciler::v1::ListDeadLettersRequest;
  ExpectMessage<StartCheckoutRequest>(
      {"POST", kCheckout, "", R"({"entity":{"workspace":"acme"},"planCode":"pro","successPath":"/ok","seats":"3"})"},
      R"pb(entity { workspace: "acme" }
           plan_code: "pro"
           success_path: "/ok"
           seats: 3
           idempotency_key: "key-1")pb");
  // Names as in the proto, and numbers as numbers, are the same.
  ExpectMessage<StartCheckoutRequest>({"POST", kCheckout, "", R"({"plan_code":"pro","seats":3,"entity":null})"},
                                      R"pb(plan_code: "pro" seats: 3 idempotency_key: "key-1")pb");
  ExpectMessage<StartCheckoutRequest>({"POST", kCheckout, "", "", ""}, R"pb(idempotency_key: "key-1")pb");
  ExpectMessage<StartCheckoutRequest>({"POST", kCheckout, "", "{}", "Application/JSON; charset=utf-8"},
                                      R"pb(idempotency_key: "key-1")pb");
  ExpectMessage<GetCheckoutRequest>({"GET", "/api/billing/checkout/op-1", "entity.workspace=acme"},
                                    R"pb(operation: "op-1"
                                         entity { workspace: "acme" })pb");
  ExpectMessage<GetCheckoutRequest>({"GET", "/api/billing/checkout/%C3%A9", ""}, "operation: \"\303\251\"");
  ExpectMessage<GetEntitlementsRequest>({"GET", kEntitlements, "entity.entityId=7&minRevision=12"},
                                        R"pb(entity { entity_id: "7" }
                                             min_revision: 12)pb");
  ExpectMessage<GetEntitlementsRequest>({"GET", kEntitlements, "entity.entity_id=a%20b+c&min_revision=-1"},
                                        R"pb(entity { entity_id: "a b c" }
                                             min_revision: -1)pb");
  ExpectMessage<GetEntitlementsRequest>({"GET", kEntitlements, ""}, "");
  ExpectMessage<ListDeadLettersRequest>({"GET", kDeadLetters, "pageSize=20&pageToken=x"}, R"pb(page_size: 20
                                                                                               page_token: "x")pb");
}

struct RefusalCase {
  const char* name;
  Input input;
  Reason reason;
  const char* field;  // metadata `field`, "" for none
};

TEST(TranscoderTest, RefusesWhatTheMessageDoesNotHaveByName) {
  constexpr auto kInvalid = Reason::FAILURE_REASON_INVALID_ARGUMENT;
  const RefusalCase cases[] = {
      {"unknown parameter", {"GET", kEntitlements, "surface=1"}, kInvalid, "surface"},
      {"unknown nested parameter", {"GET", kEntitlements, "entity.plan=1"}, kInvalid, "entity.plan"},
      {"parameter below a scalar", {"GET", kEntitlements, "minRevision.x=1"}, kInvalid, "minRevision.x"},
      {"message as a parameter", {"GET", kEntitlements, "entity=acme"}, kInvalid, "entity"},
      {"parameter twice", {"GET", kEntitlements, "minRevision=1&minRevision=2"}, kInvalid, "minRevision"},
      {"parameter under both names", {"GET", kEntitlements, "minRevision=1&min_revision=2"}, kInvalid, "min_revision"},
      {"number with letters", {"GET", kEntitlements, "minRevision=1x"}, kInvalid, "minRevision"},
      {"empty number", {"GET", kEntitlements, "minRevision="}, kInvalid, "minRevision"},
      {"number with a space", {"GET", kEntitlements, "minRevision=+1"}, kInvalid, "minRevision"},
      {"number out of range", {"GET", kDeadLetters, "pageSize=3000000000"}, kInvalid, "pageSize"},
      {"invalid UTF-8", {"GET", kDeadLetters, "pageToken=%ff"}, kInvalid, "pageToken"},
      {"overlong UTF-8", {"GET", kDeadLetters, "pageToken=%c0%80"}, kInvalid, "pageToken"},
      {"invalid UTF-8 in a name", {"GET", kDeadLetters, "%ff=1"}, kInvalid, ""},
      {"NUL", {"GET", kDeadLetters, "pageToken=%00"}, kInvalid, ""},
      {"malformed escape", {"GET", kDeadLetters, "pageToken=%4"}, kInvalid, ""},
      {"path variable as a parameter", {"GET", "/api/billing/checkout/op", "operation=other"}, kInvalid, "operation"},
      {"invalid UTF-8 in the path", {"GET", "/api/billing/checkout/%ff", ""}, kInvalid, "operation"},
      {"body on GET", {"GET", kEntitlements, "", "{}"}, kInvalid, ""},
      {"query beside a body", {"POST", kCheckout, "planCode=pro", "{}"}, kInvalid, "planCode"},
      {"unknown member", {"POST", kCheckout, "", R"({"planCod":"pro"})"}, kInvalid, "planCod"},
      {"unknown nested member", {"POST", kCheckout, "", R"({"entity":{"slug":"a"}})"}, kInvalid, "entity.slug"},
      {"a provider's id", {"POST", kCheckout, "", R"({"priceId":"price_1"})"}, kInvalid, "priceId"},
      {"member under both names",
       {"POST", kCheckout, "", R"({"planCode":"a","plan_code":"b"})"},
       kInvalid,
       "plan_code"},
      {"duplicate member", {"POST", kCheckout, "", R"({"planCode":"a","planCode":"b"})"}, kInvalid, ""},
      {"number for a string", {"POST", kCheckout, "", R"({"planCode":7})"}, kInvalid, "planCode"},
      {"list for a string", {"POST", kCheckout, "", R"({"planCode":["pro"]})"}, kInvalid, "planCode"},
      {"string for a message", {"POST", kCheckout, "", R"({"entity":"acme"})"}, kInvalid, "entity"},
      {"fraction for a number", {"POST", kCheckout, "", R"({"seats":1.5})"}, kInvalid, "seats"},
      {"text for a number", {"POST", kCheckout, "", R"({"seats":"many"})"}, kInvalid, "seats"},
      {"number beyond 64 bits", {"POST", kCheckout, "", R"({"seats":99999999999999999999})"}, kInvalid, "seats"},
      {"bool for a number", {"POST", kCheckout, "", R"({"seats":true})"}, kInvalid, "seats"},
      {"NUL in a string", {"POST", kCheckout, "", R"({"planCode":"a\u0000b"})"}, kInvalid, "planCode"},
      {"the key in the body", {"POST", kCheckout, "", R"({"idempotencyKey":"k"})"}, kInvalid, "idempotencyKey"},
      {"the key by its other name", {"POST", kCheckout, "", R"({"idempotency_key":"k"})"}, kInvalid, "idempotencyKey"},
      {"a null key in the body", {"POST", kCheckout, "", R"({"idempotencyKey":null})"}, kInvalid, "idempotencyKey"},
      {"the path's variable in the body", {"POST", kCancel, "", R"({"operation":"other"})"}, kInvalid, "operation"},
      {"both of a choice",
       {"POST", kPaymentLinks, "", R"({"itemCode":"setup","adHoc":{"name":"Work"}})"},
       kInvalid,
       ""},
      {"unknown word of an enum", {"POST", kEnd, "", R"({"timing":"CANCEL_TIMING_SOON"})"}, kInvalid, "timing"},
      {"list as body", {"POST", kCheckout, "", "[]"}, kInvalid, ""},
      {"text as body", {"POST", kCheckout, "", "planCode=pro"}, kInvalid, ""},
      {"two bodies", {"POST", kCheckout, "", "{}{}"}, kInvalid, ""},
      {"deep body", {"POST", kCheckout, "", std::string(1000, '[')}, kInvalid, ""},
      {"form",
       {"POST", kCheckout, "", "{}", "application/x-www-form-urlencoded"},
       Reason::FAILURE_REASON_UNSUPPORTED_MEDIA_TYPE,
       ""},
      {"no content type", {"POST", kCheckout, "", "{}", ""}, Reason::FAILURE_REASON_UNSUPPORTED_MEDIA_TYPE, ""},
      {"no key",
       {"POST", kCheckout, "", "{}", "application/json", "", 0},
       Reason::FAILURE_REASON_IDEMPOTENCY_KEY_REQUIRED,
       ""},
      {"empty key",
       {"POST", kCheckout, "", "{}", "application/json", "", 1},
       Reason::FAILURE_REASON_IDEMPOTENCY_KEY_REQUIRED,
       ""},
      {"two keys", {"POST", kCheckout, "", "{}", "application/json", "a", 2}, kInvalid, "Idempotency-Key"},
      {"key that isn't UTF-8",
       {"POST", kCheckout, "", "{}", "application/json", "\xff", 1},
       kInvalid,
       "idempotencyKey"},
  };
  for (const RefusalCase& one : cases) {
    const auto built = Build(one.input);
    EXPECT_EQ(ReasonOf(built.status()), one.reason) << one.name << ": " << built.status();
    Metadata metadata = MetadataOf(built.status());
    EXPECT_EQ(metadata["field"], one.field) << one.name;
  }
}

TEST(TranscoderTest, BoundsTheQueryAndWhatItRepeats) {
  std::string many = "pageSize=1";
  for (size_t i = 0; i < kMaxQueryParameters; ++i) many += "&pageToken=x";
  EXPECT_EQ(ReasonOf(Build({"GET", kDeadLetters, many}).status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  const auto refused = Build({"GET", kDeadLetters, std::string(5000, 'a') + "=1"});
  EXPECT_LT(MetadataOf(refused.status())["field"].size(), 200u);
}

TEST(TranscoderTest, RendersResponsesWithDefaultsInLowerCamelCase) {
  billing::entitlements::v1::GetEntitlementsResponse response;
  response.set_plan_code("pro");
  response.set_status(billing::entitlements::v1::ENTITLEMENT_STATUS_ACTIVE);
  response.set_revision(9007199254740993);
  response.mutable_current_period_end()->set_seconds(1'800'000'000);
  (*response.mutable_entitlements())["sso"].mutable_value()->mutable_boolean();
  const auto rendered = RenderResponse(RouteOf("GET", kEntitlements), response.SerializeAsString());
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  const auto json = nlohmann::json::parse(*rendered);
  EXPECT_EQ(json["planCode"], "pro");
  EXPECT_EQ(json["status"], "ENTITLEMENT_STATUS_ACTIVE");
  EXPECT_EQ(json["revision"], "9007199254740993") << "64-bit numbers are strings: JavaScript can't hold them";
  EXPECT_EQ(json["currentPeriodEnd"], "2027-01-15T08:00:00Z");
  EXPECT_EQ(json["comped"], false);
  EXPECT_EQ(json["entityId"], "");
  EXPECT_EQ(json["entitlements"]["sso"]["value"]["boolean"]["enabled"], false);
  EXPECT_FALSE(json.contains("updatedAt"));
}

TEST(TranscoderTest, AnAnswerThatCannotBeReadIsAFault) {
  EXPECT_EQ(RenderResponse(RouteOf("GET", kEntitlements), "\xff\xff").status().code(), absl::StatusCode::kInternal);
}

// Types that our requests don't have yet, on messages of protobuf itself.
TEST(FieldJsonTest, ReadsTextByTheFieldsType) {
  const auto field = [](const char* name) { return google::protobuf::Field::descriptor()->FindFieldByName(name); };
  EXPECT_EQ(*FieldFromText(*field("packed"), "packed", "true"), true);
  EXPECT_FALSE(FieldFromText(*field("packed"), "packed", "1").ok());
  EXPECT_EQ(*FieldFromText(*field("kind"), "kind", "TYPE_STRING"), "TYPE_STRING");
  EXPECT_TRUE(FieldFromText(*field("kind"), "kind", "9").ok());
  EXPECT_FALSE(FieldFromText(*field("kind"), "kind", "TYPE_NONE").ok());
  EXPECT_FALSE(FieldFromText(*field("kind"), "kind", "999").ok());
}

TEST(FieldJsonTest, ChecksListsAndEnums) {
  const auto& type = *google::protobuf::EnumValue::descriptor();
  EXPECT_TRUE(CheckMembers(type, {{"name", "a"}, {"number", 3}}, "").ok());
  EXPECT_EQ(MetadataOf(CheckMembers(type, {{"options", "x"}}, "at"))["field"], "at.options");
  EXPECT_FALSE(CheckMembers(type, {{"options", {nullptr}}}, "").ok());
  const auto& api = *google::protobuf::Api::descriptor();
  EXPECT_TRUE(CheckMembers(api, {{"syntax", "SYNTAX_PROTO3"}}, "").ok());
  EXPECT_EQ(MetadataOf(CheckMembers(api, {{"syntax", "SYNTAX_4"}}, ""))["field"], "syntax");
}

}  // namespace
}  // namespace billmesh::edge
