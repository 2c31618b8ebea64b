#include "common/stripe/object_readers.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

std::string Error(const absl::Status& status) { return std::string(status.message()); }

constexpr char kOldSubscription[] = R"({
  "id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1", "created": 1700000000, "livemode": false,
  "current_period_start": 1700000100, "current_period_end": 1702592100, "cancel_at_period_end": true, "latest_invoice": "in_1",
  "pause_collection": null, "metadata": {"billmesh_operation_key": "op_1", "billmesh_entity_id": "e_1", "billmesh_env": "test",
    "billmesh_plan_code": "pro", "billmesh_plan_version": "2", "other": "x"},
  "items": {"object": "list", "has_more": false, "data": [
    {"id": "si_1", "price": {"id": "price_1"}, "quantity": 3}, {"id": "si_2", "plan": {"id": "price_2"}}]}})";

constexpr char kNewSubscription[] = R"({
  "id": "sub_1", "object": "subscription", "status": "active", "customer": {"id": "cus_1", "object": "customer", "deleted": true},
  "created": 1700000000, "livemode": false, "cancel_at_period_end": true, "latest_invoice": {"id": "in_1", "object": "invoice"},
  "pause_collection": {"behavior": "void"}, "metadata": {}, "some_future_field": [1, {"a": null}],
  "items": {"data": [{"id": "si_1", "price": "price_1", "quantity": 3, "current_period_start": 1700000100,
    "current_period_end": 1702592100}, {"id": "si_2", "price": {"id": "price_2"}, "current_period_start": 1700000100,
    "current_period_end": 1731628100}]}})";

TEST(ObjectReadersTest, ReadsASubscriptionOfTheShapeBefore2025) {
  const auto read = ReadSubscription(kOldSubscription);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, "sub_1");
  EXPECT_EQ(read->status, "active");
  EXPECT_EQ(read->customer_id, "cus_1");
  EXPECT_EQ(read->latest_invoice_id, "in_1");
  EXPECT_TRUE(read->cancel_at_period_end);
  EXPECT_FALSE(read->collection_paused);
  EXPECT_EQ(read->created_at, absl::FromUnixSeconds(1700000000));
  EXPECT_FALSE(read->trial_end.has_value());
  EXPECT_EQ(read->correlation, (provider::Correlation{"op_1", "e_1", "test", "pro", "2"}));
  ASSERT_EQ(read->items.size(), 2u);
  EXPECT_TRUE(read->items_complete);
  EXPECT_EQ(read->items[0].price_id, "price_1");
  EXPECT_EQ(read->items[0].quantity, 3);
  EXPECT_EQ(read->items[1].price_id, "price_2");
  EXPECT_FALSE(read->items[1].quantity.has_value());
  for (const auto& item : read->items) {
    EXPECT_EQ(item.period_start, absl::FromUnixSeconds(1700000100));
    EXPECT_EQ(item.period_end, absl::FromUnixSeconds(1702592100)) << "the subscription's period is copied to each item";
  }
}

TEST(ObjectReadersTest, ReadsASubscriptionOfTheShapeSince2025) {
  const auto read = ReadSubscription(kNewSubscription);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->customer_id, "cus_1") << "expanded";
  EXPECT_EQ(read->latest_invoice_id, "in_1") << "expanded";
  EXPECT_TRUE(read->collection_paused);
  ASSERT_EQ(read->items.size(), 2u);
  EXPECT_EQ(read->items[0].price_id, "price_1");
  EXPECT_EQ(read->items[0].period_end, absl::FromUnixSeconds(1702592100));
  EXPECT_EQ(read->items[1].period_end, absl::FromUnixSeconds(1731628100)) << "items may have different periods";
  EXPECT_FALSE(read->correlation.operation_key.has_value());
}

TEST(ObjectReadersTest, SaysWhenASubscriptionShowsOnlySomeOfItsItems) {
  const auto more =
      ReadSubscription(absl::StrReplaceAll(kOldSubscription, {{"\"has_more\": false", "\"has_more\": true"}}));
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_FALSE(more->items_complete);
  const auto none = ReadSubscription(absl::StrReplaceAll(kOldSubscription, {{"\"items\"", "\"elsewhere\""}}));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->items.empty());
  EXPECT_FALSE(none->items_complete);
}

std::string Invoice(const std::string& subscription_part) {
  return absl::StrCat(
      R"({"id": "in_1", "object": "invoice", "status": "paid", "customer": "cus_1", "currency": "eur", "total": 1900,
    "amount_due": 1900, "amount_paid": 1900, "amount_remaining": 0, "attempt_count": 1, "created": 1700000000, "livemode": true,
    "number": "A-1", "billing_reason": "subscription_cycle", "period_start": 1, "period_end": 2, "hosted_invoice_url": null)",
      subscription_part, "}");
}

TEST(ObjectReadersTest, FindsAnInvoicesSubscriptionInBothShapes) {
  const auto old_shape = ReadInvoice(Invoice(R"(, "subscription": "sub_1", "subscription_details":
    {"metadata": {"billmesh_operation_key": "op_1"}})"));
  ASSERT_TRUE(old_shape.ok()) << old_shape.status();
  EXPECT_EQ(old_shape->subscription_id, "sub_1");
  EXPECT_EQ(old_shape->correlation.operation_key, "op_1");
  const auto new_shape = ReadInvoice(Invoice(R"(, "parent": {"type": "subscription_details", "subscription_details":
    {"subscription": {"id": "sub_1"}, "metadata": {"billmesh_operation_key": "op_1"}}})"));
  ASSERT_TRUE(new_shape.ok()) << new_shape.status();
  EXPECT_EQ(new_shape->subscription_id, "sub_1");
  EXPECT_EQ(new_shape->correlation.operation_key, "op_1");
  const auto quote =
      ReadInvoice(Invoice(R"(, "subscription": null, "parent": {"type": "quote_details", "subscription_details":
    {"subscription": "sub_9"}})"));
  ASSERT_TRUE(quote.ok()) << quote.status();
  EXPECT_FALSE(quote->subscription_id.has_value()) << "a parent of another type doesn't make it a subscription's";
}

TEST(ObjectReadersTest, ReadsAnInvoice) {
  const auto read =
      ReadInvoice(Invoice(R"(, "metadata": {"billmesh_entity_id": "own"}, "parent": {"type": "subscription_details",
    "subscription_details": {"subscription": "sub_1", "metadata": {"billmesh_entity_id": "inherited"}}})"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->status, "paid");
  EXPECT_EQ(read->currency, "eur");
  EXPECT_EQ(read->total_minor, 1900);
  EXPECT_EQ(read->amount_remaining_minor, 0);
  EXPECT_EQ(read->attempt_count, 1);
  EXPECT_EQ(read->number, "A-1");
  EXPECT_TRUE(read->livemode);
  EXPECT_EQ(read->period_end, absl::FromUnixSeconds(2));
  EXPECT_FALSE(read->hosted_url.has_value());
  EXPECT_EQ(read->correlation.entity_id, "own");
}

constexpr char kSession[] =
    R"({"id": "cs_1", "object": "checkout.session", "mode": "subscription", "status": "complete",
  "payment_status": "paid", "customer": "cus_1", "subscription": "sub_1", "invoice": null, "url": null, "created": 1700000000,
  "expires_at": 1700086400, "livemode": false, "metadata": {"billmesh_operation_key": "op_1"}})";

TEST(ObjectReadersTest, ReadsACheckoutSession) {
  const auto read = ReadCheckoutSession(kSession);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, "cs_1");
  EXPECT_EQ(read->mode, "subscription");
  EXPECT_EQ(read->status, "complete");
  EXPECT_EQ(read->payment_status, "paid");
  EXPECT_EQ(read->subscription_id, "sub_1");
  EXPECT_FALSE(read->invoice_id.has_value());
  EXPECT_EQ(read->expires_at, absl::FromUnixSeconds(1700086400));
  EXPECT_EQ(read->correlation.operation_key, "op_1");
}

TEST(ObjectReadersTest, AcceptsWordsThatItDoesNotKnow) {
  EXPECT_EQ(ReadCheckoutSession(absl::StrReplaceAll(kSession, {{"\"complete\"", "\"half_done\""}}))->status,
            "half_done");
  EXPECT_EQ(ReadSubscription(absl::StrReplaceAll(kOldSubscription, {{"\"active\"", "\"dormant\""}}))->status,
            "dormant");
}

TEST(ObjectReadersTest, NamesTheFieldThatIsWrongAndNeverItsValue) {
  const std::string long_id(256, 'x');
  const struct {
    const char* from;
    std::string to;
    const char* error;
  } kCases[] = {
      {"\"sub_1\"", "null", "id: missing"},
      {"\"sub_1\"", "7", "id: not a string"},
      {"\"sub_1\"", "\"\"", "id: empty"},
      {"\"sub_1\"", "\"" + long_id + "\"", "id: too long"},
      {"\"cus_1\"", "\"cus\\u0000\"", "customer: holds a NUL"},
      {"\"cus_1\"", "[1]", "customer: not a string"},
      {"\"cus_1\"", "{\"object\": \"customer\"}", "customer.id: missing"},
      {"1702592100", "1.5", "current_period_end: not a 64-bit integer"},
      {"1702592100", "18446744073709551615", "current_period_end: not a 64-bit integer"},
      {"1702592100", "-1", "current_period_end: not a time"},
      {"1702592100", "999999999999", "current_period_end: not a time"},
      {"\"cancel_at_period_end\": true", "\"cancel_at_period_end\": \"yes\"", "cancel_at_period_end: not a boolean"},
      {"\"livemode\": false", "\"livemode\": null", "livemode: missing"},
      {"\"op_1\"", "{}", "metadata.billmesh_operation_key: not a string"},
      {"{\"id\": \"price_1\"}", "null", "items.data[0].price: missing"},
      {"\"quantity\": 3", "\"quantity\": -3", "items.data[0].quantity: negative"},
      {"{\"id\": \"si_2\", \"plan\": {\"id\": \"price_2\"}}", "17", "items.data[1]: not an object"},
  };
  for (const auto& c : kCases) {
    const auto read = ReadSubscription(absl::StrReplaceAll(kOldSubscription, {{c.from, c.to}}));
    ASSERT_FALSE(read.ok()) << c.from << " → " << c.to;
    EXPECT_EQ(Error(read.status()), c.error);
  }
}

TEST(ObjectReadersTest, RefusesAmountsAndCurrenciesThatCannotBeStored) {
  EXPECT_EQ(Error(ReadInvoice(absl::StrReplaceAll(Invoice(""), {{"\"total\": 1900", "\"total\": 19.5"}})).status()),
            "total: not a 64-bit integer");
  EXPECT_EQ(Error(ReadInvoice(absl::StrReplaceAll(Invoice(""), {{"\"eur\"", "\"e1r\""}})).status()),
            "currency: not a currency code");
  EXPECT_EQ(
      Error(ReadInvoice(absl::StrReplaceAll(Invoice(""), {{"\"attempt_count\": 1", "\"attempt_count\": 4294967296"}}))
                .status()),
      "attempt_count: out of range");
}

TEST(ObjectReadersTest, BoundsDepthSizeAndLists) {
  const std::string deep = absl::StrCat("{\"id\": ", std::string(1000, '['), std::string(1000, ']'), "}");
  EXPECT_EQ(Error(ReadSubscription(deep).status()), "too_deep");
  EXPECT_EQ(Error(ReadSubscription(std::string(kMaxJsonBytes + 1, ' ')).status()), "too_large");
  EXPECT_EQ(Error(ReadSubscription("[]").status()), "not an object");
  for (const char* bad :
       {"", "{", "nul", "{\"a\": 01}", "{\"a\": \"\x80\"}", "{\"a\": \"\\ud800\"}", "{} x", "{\"a\": 1e999}"}) {
    EXPECT_EQ(Error(ReadSubscription(bad).status()), "not_json") << bad;
  }
  std::string many;
  for (size_t i = 0; i <= kMaxItems; ++i)
    absl::StrAppend(&many, i ? "," : "", "{\"id\": \"si_", i, "\", \"price\": \"p\"}");
  EXPECT_EQ(
      Error(ReadSubscription(absl::StrCat(R"({"id": "s", "status": "active", "created": 1, "livemode": false, "items":
              {"data": [)",
                                          many, "]}}"))
                .status()),
      "items.data: too many items");
  EXPECT_TRUE(ReadSubscription(kOldSubscription).ok()) << "the parser is as good as before";
}

}  // namespace
}  // namespace billmesh::stripe
