#include "common/stripe/whole_items.h"

#include "common/stripe/object_readers.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

constexpr char kPart[] = R"({"id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1", "created": 1700000000,
  "livemode": false, "items": {"object": "list", "has_more": true, "data": [{"id": "si_1", "price": "price_1"}]}})";

TEST(WholeItemsTest, PutsTheWholeListInPlaceOfTheFirstPage) {
  EXPECT_TRUE(HasMoreItems(kPart));
  const auto whole = WithItems(kPart, R"({"object": "list", "has_more": false, "data": [
    {"id": "si_1", "price": "price_1"}, {"id": "si_2", "price": "price_2"}]})");
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_FALSE(HasMoreItems(*whole));
  const auto read = ReadSubscription(*whole);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->items_complete);
  EXPECT_EQ(read->items.size(), 2u);
}

TEST(WholeItemsTest, AListThatGoesOnLeavesItIncomplete) {
  const auto more = WithItems(kPart, R"({"object": "list", "has_more": true, "data": []})");
  ASSERT_TRUE(more.ok());
  EXPECT_FALSE(ReadSubscription(*more)->items_complete);
}

TEST(WholeItemsTest, OtherThingsAreRefused) {
  for (const char* text : {"", "[]", "{}", R"({"items": []})", R"({"items": {"has_more": "yes"}})", "not json"}) {
    EXPECT_FALSE(HasMoreItems(text)) << text;
  }
  EXPECT_FALSE(WithItems(kPart, "[]").ok());
  EXPECT_FALSE(WithItems(kPart, R"({"data": {}})").ok());
  EXPECT_FALSE(WithItems("nothing", R"({"data": []})").ok());
}

}  // namespace
}  // namespace billmesh::stripe
