#include "common/stripe/event_reader.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

constexpr char kEvent[] =
    R"({"id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1700000000,
  "livemode": false, "type": "checkout.session.expired", "request": {"id": "req_1", "idempotency_key": "key_1"},
  "data": {"object": {"id": "cs_1", "object": "checkout.session", "mode": "subscription", "status": "expired",
    "payment_status": "unpaid", "customer": {"id": "cus_1"}, "created": 1699990000, "expires_at": 1700000000, "livemode": false}}})";

std::string Cause(const std::string& body) {
  const auto read = ReadEvent(body);
  if (read.ok()) return "ok";
  EXPECT_EQ(ReasonOf(read.status()), Reason::FAILURE_REASON_WEBHOOK_PAYLOAD_MALFORMED);
  return MetadataOf(read.status())["cause"];
}

std::string With(const std::string& from, const std::string& to) { return absl::StrReplaceAll(kEvent, {{from, to}}); }

TEST(EventReaderTest, ReadsTheEnvelopeAndTheObjectAtOnce) {
  const auto event = ReadEvent(kEvent);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id, "evt_1");
  EXPECT_EQ(event->type, "checkout.session.expired");
  EXPECT_EQ(event->api_version, "2026-10-28.endive");
  EXPECT_EQ(event->created_at, absl::FromUnixSeconds(1700000000));
  EXPECT_FALSE(event->livemode);
  EXPECT_FALSE(event->thin);
  EXPECT_FALSE(event->account.has_value());
  EXPECT_EQ(event->idempotency_key, "key_1");
  EXPECT_EQ(event->object_kind, "checkout.session");
  EXPECT_EQ(event->object_id, "cs_1");
  EXPECT_EQ(event->customer_id, "cus_1");
  ASSERT_TRUE(std::holds_alternative<provider::CheckoutSession>(event->object));
  EXPECT_EQ(std::get<provider::CheckoutSession>(event->object).status, "expired");
  EXPECT_EQ(event->object_error, "");
}

TEST(EventReaderTest, TheEndOfACustomerIsToldByTheEventsType) {
  const auto read = [](const std::string& type) {
    const auto event = ReadEvent(absl::StrReplaceAll(
        R"({"id": "evt_1", "object": "event", "created": 1700000000, "livemode": false, "type": "TYPE",
          "data": {"object": {"id": "cus_1", "object": "customer", "created": 1690000000, "livemode": false,
            "metadata": {}, "invoice_settings": {"default_payment_method": "pm_1"}}}})",
        {{"TYPE", type}}));
    return std::get<provider::Customer>(event->object);
  };
  EXPECT_TRUE(read("customer.deleted").deleted);
  EXPECT_EQ(read("customer.deleted").default_payment_method_id, std::nullopt);
  EXPECT_FALSE(read("customer.updated").deleted);
  EXPECT_EQ(read("customer.updated").default_payment_method_id, "pm_1");
}

TEST(EventReaderTest, OldRequestsAreAPlainIdAndConnectedAccountsAreNoted) {
  EXPECT_FALSE(
      ReadEvent(With(R"({"id": "req_1", "idempotency_key": "key_1"})", "\"req_1\""))->idempotency_key.has_value());
  EXPECT_EQ(ReadEvent(With("\"livemode\": false, \"type\"", "\"account\": \"acct_9\", \"livemode\": false, \"type\""))
                ->account,
            "acct_9");
}

TEST(EventReaderTest, AnObjectThatCannotBeReadLeavesTheEventSound) {
  const auto event = ReadEvent(With("\"mode\": \"subscription\"", "\"mode\": 5"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->object_error, "mode: not a string");
  EXPECT_EQ(event->object_id, "cs_1");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(event->object));
}

TEST(EventReaderTest, NotedIdsOfAStrangeTypeCountAsAbsent) {
  const std::string other = With("\"checkout.session\"", "\"thing\"");
  EXPECT_EQ(ReadEvent(other)->object_id, "cs_1");
  const auto strange =
      ReadEvent(absl::StrReplaceAll(other, {{"\"cs_1\"", "[1]"}, {"{\"id\": \"cus_1\"}", "\"a\\u0000b\""}}));
  ASSERT_TRUE(strange.ok()) << strange.status();
  EXPECT_FALSE(strange->object_id.has_value());
  EXPECT_FALSE(strange->customer_id.has_value());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(strange->object));
}

TEST(EventReaderTest, ObjectsWithoutIdAndUnknownTypesAreEvents) {
  const auto upcoming =
      ReadEvent(R"({"id": "evt_2", "object": "event", "created": 1, "livemode": true, "type": "invoice.upcoming",
    "data": {"object": {"object": "invoice", "customer": "cus_1"}}})");
  ASSERT_TRUE(upcoming.ok()) << upcoming.status();
  EXPECT_FALSE(upcoming->object_id.has_value());
  EXPECT_FALSE(upcoming->api_version.has_value());
  EXPECT_EQ(upcoming->object_error, "") << "an upcoming invoice isn't read as one";
  const auto unknown =
      ReadEvent(R"({"id": "evt_3", "object": "event", "created": 1, "livemode": true, "type": "moon.landed",
    "data": {"object": {}}})");
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_EQ(unknown->object_kind, "");
}

TEST(EventReaderTest, ReadsThinNotifications) {
  const auto event =
      ReadEvent(R"({"id": "evt_4", "object": "v2.core.event", "type": "v1.invoice.paid", "livemode": true,
    "created": "2026-10-01T12:00:00.250Z", "context": "acct_1", "related_object": {"id": "in_1", "type": "invoice", "url": "/x"}})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_TRUE(event->thin);
  EXPECT_EQ(event->type, "v1.invoice.paid");
  EXPECT_EQ(event->object_kind, "invoice");
  EXPECT_EQ(event->object_id, "in_1");
  EXPECT_EQ(event->account, "acct_1");
  EXPECT_EQ(absl::FormatTime("%Y-%m-%dT%H:%M:%E3S", event->created_at, absl::UTCTimeZone()), "2026-10-01T12:00:00.250");
  EXPECT_EQ(Cause(R"({"id": "evt_4", "object": "v2.core.event", "type": "x", "created": "yesterday"})"),
            "not_an_event");
}

TEST(EventReaderTest, RefusesWhatIsNotAnEvent) {
  const struct {
    std::string body;
    const char* cause;
  } kCases[] = {
      {"", "not_json"},
      {"hello", "not_json"},
      {"[]", "not_an_event"},
      {"null", "not_an_event"},
      {"{}", "not_an_event"},
      {With("\"event\"", "\"list\""), "not_an_event"},
      {With("\"object\": \"event\"", "\"object\": 4"), "not_an_event"},
      {With("\"evt_1\"", "null"), "not_an_event"},
      {With("\"evt_1\"", "\"evt\\u0000\""), "not_an_event"},
      {With("\"evt_1\"", "\"evt 1\""), "not_an_event"},
      {With("\"evt_1\"", "\"\xC3\xA9\""), "not_an_event"},
      {With("\"evt_1\"", absl::StrCat("\"", std::string(256, 'e'), "\"")), "not_an_event"},
      {With("\"checkout.session.expired\"", "\"\""), "not_an_event"},
      {With("\"created\": 1700000000", "\"created\": \"1700000000\""), "not_an_event"},
      {With("\"created\": 1700000000", "\"created\": 99999999999999"), "not_an_event"},
      {With("\"created\": 1700000000", "\"created\": 1e400"), "not_json"},
      {With("\"livemode\": false, \"type\"", "\"livemode\": 0, \"type\""), "not_an_event"},
      {With("\"data\"", "\"date\""), "not_an_event"},
      {With("\"data\": {\"object\": {", "\"data\": {\"thing\": {"), "not_an_event"},
      {With("evt_1", "evt_\xff"), "not_json"},
      {std::string(kEvent).substr(0, 100), "not_json"},
      {absl::StrCat(std::string(2000, '['), std::string(2000, ']')), "too_deep"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Cause(c.body), c.cause) << c.body.substr(0, 120);
}

// Every prefix and every flipped byte of an event is either read or refused; nothing crashes.
TEST(EventReaderTest, SurvivesDamagedBodies) {
  const std::string whole = kEvent;
  int read = 0, refused = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char flip : {'\x01', '\x20', '\x80'}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      ReadEvent(damaged).ok() ? ++read : ++refused;
    }
    EXPECT_FALSE(ReadEvent(whole.substr(0, i)).ok()) << i;
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace billmesh::stripe
