#include "common/stripe/form.h"

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

TEST(EncodeFormTest, NestsWithBrackets) {
  const auto form = EncodeForm(R"({
    "mode": "subscription",
    "line_items": [{"price": "price_1", "quantity": 2}, {"price": "price_2"}],
    "metadata": {"plan": "pro", "a b": "ü&="},
    "allow_promotion_codes": true,
    "expires_at": 1790000000
  })");
  ASSERT_TRUE(form.ok()) << form.status();
  EXPECT_EQ(*form,
            "allow_promotion_codes=true&expires_at=1790000000"
            "&line_items%5B0%5D%5Bprice%5D=price_1&line_items%5B0%5D%5Bquantity%5D=2"
            "&line_items%5B1%5D%5Bprice%5D=price_2"
            "&metadata%5Ba%20b%5D=%C3%BC%26%3D&metadata%5Bplan%5D=pro&mode=subscription");
}

TEST(EncodeFormTest, EqualParametersInAnyOrderGiveEqualBodies) {
  EXPECT_EQ(*EncodeForm(R"({"b":1,"a":{"d":"x","c":"y"}})"), *EncodeForm(R"({"a":{"c":"y","d":"x"},"b":1})"));
}

TEST(EncodeFormTest, KeepsNegativeAndLargeIntegersAndEmptyStrings) {
  EXPECT_EQ(*EncodeForm(R"({"a":-5,"b":9007199254740993,"c":"","d":false})"), "a=-5&b=9007199254740993&c=&d=false");
}

TEST(EncodeFormTest, NoParametersGiveNoBody) { EXPECT_EQ(*EncodeForm("{}"), ""); }

TEST(EncodeFormTest, RefusesWhatHasNoForm) {
  for (const char* params : {"", "[]", "1", "\"x\"", "null", R"({"a":null})", R"({"a":1.5})", R"({"a":[]})",
                             R"({"a":{}})", R"({"a[b]":1})", R"({"":1})", R"({"a":{"b]":1}})", R"({"a":1,"a":2})"}) {
    EXPECT_FALSE(EncodeForm(params).ok()) << params;
  }
}

TEST(EncodeQueryTest, EncodesNamesAndValues) {
  EXPECT_EQ(EncodeQuery({{"created[gte]", "5"}, {"customer", "cus_1"}, {"email", "a+b@x.y"}}),
            "created%5Bgte%5D=5&customer=cus_1&email=a%2Bb%40x.y");
  EXPECT_EQ(EncodeQuery({}), "");
}

}  // namespace
}  // namespace billmesh::stripe
