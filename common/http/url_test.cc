#include "absl/strings/str_cat.h"
#include "common/http/server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(UrlTest, DecodesEscapes) {
  EXPECT_EQ(PercentDecode("a%2Fb%c3%A9+c", false), "a/bé+c");
  EXPECT_EQ(PercentDecode("a+b%2B", true), "a b+");
  EXPECT_EQ(PercentDecode("", true), "");
  for (std::string_view bad : {"%", "%4", "a%4", "%zz", "%4g", "%00", "a%-1"})
    EXPECT_EQ(PercentDecode(bad, true), std::nullopt) << bad;
  EXPECT_EQ(PercentDecode(std::string_view("a\0b", 3), false), std::nullopt);
}

TEST(UrlTest, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(PercentEncode("aZ09-._~ /+%é"), "aZ09-._~%20%2F%2B%25%C3%A9");
}

TEST(UrlTest, DecodingUndoesEncodingForEveryByte) {
  std::string all;
  for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(PercentDecode(PercentEncode(all), true), all);
}

TEST(UrlTest, ParsesQueriesInOrder) {
  EXPECT_THAT(*ParseQuery("b=1&a=x+y%26&b=2&flag&=v&e=a=b&&"),
              ElementsAre(Pair("b", "1"), Pair("a", "x y&"), Pair("b", "2"), Pair("flag", ""), Pair("", "v"),
                          Pair("e", "a=b")));
  EXPECT_THAT(*ParseQuery(""), ElementsAre());
  EXPECT_EQ(ParseQuery("a=1&b=%"), std::nullopt);
  EXPECT_EQ(ParseQuery("%g=1"), std::nullopt);
}

TEST(UrlTest, BoundsTheNumberOfPairs) {
  std::string query;
  for (int i = 0; i < 256; ++i) absl::StrAppend(&query, "k=", i, "&");
  EXPECT_EQ(ParseQuery(query)->size(), 256u);
  EXPECT_EQ(ParseQuery(query + "k=x"), std::nullopt);
}

}  // namespace
}  // namespace billmesh::http
