#include "common/json/json.h"

#include <limits>
#include <string>

#include "common/json/escape.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::json {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendQuoted(out, text);
  return out;
}

std::string CanonicalOf(std::string_view text) {
  auto value = Parse(text);
  if (!value.ok()) return std::string("parse: ") + std::string(value.status().message());
  auto canonical = Canonical(*value);
  return canonical.ok() ? *canonical : std::string("canonical: ") + std::string(canonical.status().message());
}

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(EscapeTest, UsesTheShortestEscapes) {
  EXPECT_EQ(Quoted("a\"b\\c/\b\t\n\f\r\x01\x1f\x7f"), "\"a\\\"b\\\\c/\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"");
  EXPECT_EQ(Quoted(std::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(EscapeTest, LeavesValidUtf8AsItIs) {
  for (std::string_view text : {"é", "€", "\xE2\x80\xA8", "😀", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    std::string out;
    EXPECT_TRUE(AppendQuoted(out, text));
    EXPECT_EQ(out, "\"" + std::string(text) + "\"");
  }
}

TEST(EscapeTest, ReplacesEachInvalidByteAndSaysSo) {
  // A lone continuation, overlong forms, a surrogate, above U+10FFFF, a cut sequence, bytes that never occur.
  for (std::string_view text : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82",
                                "\xF0\x9F\x98", "\xFF", "\xF5"}) {
    std::string out, expected = "\"";
    EXPECT_FALSE(AppendQuoted(out, text));
    for (size_t i = 0; i < text.size(); ++i) expected += "\xEF\xBF\xBD";
    EXPECT_EQ(out, expected + "\"");
  }
  EXPECT_EQ(Quoted("a\xE2\x82"
                   "b€"),
            "\"a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b€\"");
}

TEST(ParseTest, TakesPlainJson) {
  auto value = Parse(R"( {"a": [1, -2, true, null, "x\u00e9"], "b": {}} )");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ((*value)["a"][1], -2);
  EXPECT_EQ((*value)["a"][4], "xé");
}

TEST(ParseTest, RefusesMalformedTextWithoutQuotingIt) {
  for (std::string_view text : {"", "{", "{\"a\":1,}", "[1] x", "nul", "'a'", "{\"secret\" 1}", "\"\xFF\"",
                                "\"\\ud800\"", "1e999", "NaN", "01", "\"a\nb\""}) {
    auto value = Parse(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(value.status().message()), Not(HasSubstr("secret")));
  }
}

TEST(ParseTest, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_FALSE(Parse(R"({"a":1,"a":1})").ok());
  EXPECT_FALSE(Parse(R"([{"b":{"a":1,"c":[{"a":2}],"a":1}}])").ok());
  EXPECT_FALSE(Parse(R"({"a":1,"\u0061":2})").ok());
  EXPECT_TRUE(Parse(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})").ok());
}

TEST(ParseTest, BoundsDepthAndSize) {
  EXPECT_TRUE(Parse(Nested(kMaxDepth)).ok());
  EXPECT_FALSE(Parse(Nested(kMaxDepth + 1)).ok());
  EXPECT_FALSE(Parse(Nested(400'000)).ok());
  EXPECT_TRUE(Parse("\"" + std::string(kMaxBytes - 2, 'a') + "\"").ok());
  EXPECT_FALSE(Parse("\"" + std::string(kMaxBytes - 1, 'a') + "\"").ok());
}

TEST(CanonicalTest, SortsKeysAndDropsWhiteSpace) {
  EXPECT_EQ(
      CanonicalOf(R"({ "b" : [ 1 , {"z":null, "y":true} ], "a" : "x\u000a\/", "A": -5, "é": 1, "aa": {} , "": []})"),
      R"({"":[],"A":-5,"a":"x\n/","aa":{},"b":[1,{"y":true,"z":null}],"é":1})");
}

TEST(CanonicalTest, KeepsIntegersExactly) {
  EXPECT_EQ(CanonicalOf("[9223372036854775807,-9223372036854775808,18446744073709551615,9007199254740993]"),
            "[9223372036854775807,-9223372036854775808,18446744073709551615,9007199254740993]");
}

TEST(CanonicalTest, EqualValuesGiveEqualBytes) {
  EXPECT_EQ(CanonicalOf(R"({"amount":1000,"currency":"usd"})"),
            CanonicalOf("{\"currency\":\"\\u0075sd\",\n\"amount\":1000}"));
  EXPECT_NE(CanonicalOf(R"({"amount":1000})"), CanonicalOf(R"({"amount":"1000"})"));
}

TEST(CanonicalTest, RefusesWhatHasNoCanonicalForm) {
  EXPECT_FALSE(Canonical(nlohmann::json(1.0)).ok());
  EXPECT_FALSE(Canonical(nlohmann::json::array({nlohmann::json::object({{"a", 0.5}})})).ok());
  EXPECT_FALSE(Canonical(nlohmann::json("\xFF")).ok());
  EXPECT_FALSE(Canonical(nlohmann::json::object({{"\xFF", 1}})).ok());
  EXPECT_FALSE(Canonical(nlohmann::json(nlohmann::json::value_t::discarded)).ok());
  nlohmann::json deep = 1;
  for (int i = 0; i < kMaxDepth; ++i) deep = nlohmann::json::array({deep});
  EXPECT_TRUE(Canonical(deep).ok());
  EXPECT_FALSE(Canonical(nlohmann::json::array({deep})).ok());
}

}  // namespace
}  // namespace billmesh::json
