#include "common/telemetry/card_numbers.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::telemetry {
namespace {

std::string Masked(std::string_view text) {
  std::string out(text);
  MaskCardNumbers(out);
  std::string twice = out;
  MaskCardNumbers(twice);
  EXPECT_EQ(twice, out) << "something was left to mask";
  return out;
}

struct MaskCase {
  std::string_view text, expected;
};

TEST(CardNumbersTest, MasksAllButTheLastFourDigits) {
  const MaskCase kCases[] = {
      {R"({"description":"paid by 4242424242424242"})", R"({"description":"paid by 1000000000004242"})"},
      {R"({"metadata":{"card":"4242 4242 4242 4242"}})", R"({"metadata":{"card":"1000 0000 0000 4242"}})"},
      {R"({"a":"4242-4242-4242-4242"})", R"({"a":"1000-0000-0000-4242"})"},
      {R"({"a":"3782 822463 10005"})", R"({"a":"1000 000000 00005"})"},
      {R"({"a":4242424242424242})", R"({"a":1000000000004242})"},
      {R"({"a":-4242424242424242,"b":[378282246310005]})", R"({"a":-1000000000004242,"b":[100000000000005]})"},
      {R"({"4242424242424242":1})", R"({"1000000000004242":1})"},
      {R"({"a":"x4242424242424242y"})", R"({"a":"x1000000000004242y"})"},
      {R"({"a":"card_4242424242424242"})", R"({"a":"card_1000000000004242"})"},
      {R"({"a":"see in_abc4242424242424242 there"})", R"({"a":"see in_abc1000000000004242 there"})"},
      {R"({"a":"line\n4242424242424242"})", R"({"a":"line\n1000000000004242"})"},
      {R"({"a":"\u00a04242424242424242"})", R"({"a":"\u00a01000000000004242"})"},
      {R"({"a":"\u00264242424242424242"})", R"({"a":"\u00261000000000004242"})"},
      {R"({"a":"\\u4242424242424242"})", R"({"a":"\\u1000000000004242"})"},
      {R"({"a":"4242 4242 4242 4242 4242 4242 4242"})", R"({"a":"1000 0000 0000 1000 0000 0000 4242"})"},
      {R"(["5555555555554444","2223003122003222","6011111111111117","30569309025904","3566002020360505"])",
       R"(["1000000000004444","1000000000003222","1000000000001117","10000000005904","1000000000000505"])"},
      {R"({"a":"01aa4295-7012-7412-8007-abcdef01234"})", R"({"a":"01aa1000-0000-0000-8007-abcdef01234"})"},
      {R"({"a":"x01aa4295-7012-7412-8007-abcdef012345"})", R"({"a":"x01aa1000-0000-0000-8007-abcdef012345"})"},
      {"6205500000000000004", "1000000000000000004"},
      {"4222222222222", "1000000002222"},
  };
  for (const MaskCase& c : kCases) EXPECT_EQ(Masked(c.text), c.expected);
}

// Wherever it stands: the text is stepped over in strides.
TEST(CardNumbersTest, FindsOneAtEachOffset) {
  for (size_t before = 0; before < 20; ++before) {
    for (size_t after = 0; after < 5; ++after) {
      const std::string head(before, ' '), tail(after, ' ');
      EXPECT_EQ(Masked(head + "4242 4242 4242 4242" + tail), head + "1000 0000 0000 4242" + tail);
      EXPECT_EQ(Masked(head + "378282246310005" + tail), head + "100000000000005" + tail);
      EXPECT_EQ(Masked("12 " + head + "123 " + head + "4222222222222" + tail),
                "12 " + head + "123 " + head + "1000000002222" + tail);
    }
  }
}

TEST(CardNumbersTest, LeavesTheRestAlone) {
  for (
      std::string_view text : {
          "",
          "4",
          "424",
          "4242",
          R"({"a":4242424242424243})",
          R"({"a":"42424242424242424242"})",
          R"({"created":1790000000,"at_ms":1790000000000,"at_us":1790000000000000})",
          R"({"id":"in_1Mt4242424242424242ab","url":"https://pay.example/i/acct_1x4242424242424242/test_a4242424242424242?s=ap"})",
          R"({"id":"4242-4242-4242-424242424242","trace":"ab4242424242424242cdefabcdefabcdef0123456789"})",
          R"({"id":"0197f3a0-1234-7123-8123-123456789012"})",
          R"({"id":"018f3a2c-4012-7412-8345-002abcdef012"})",
          R"({"id":"01aa4295-7012-7412-8007-abcdef012345","op":"checkout 01AA4295-7012-7412-8007-ABCDEF012345."})",
          "018f3a2c-4012-7412-8345-002abcdef012",
          R"({"a":"7000000000000005"})",
      }) {
    EXPECT_EQ(Masked(text), text);
  }
}

// Hostile texts: no valid JSON, cut off anywhere, nothing but digits.
TEST(CardNumbersTest, StaysWithinTheText) {
  const std::string text = R"({"a":"\u00a04242 4242 4242 4242","b":4242424242424242,"c":"\\u4242424242424242"})";
  for (size_t length = 0; length <= text.size(); ++length) {
    EXPECT_EQ(Masked(text.substr(0, length)).size(), length);
    EXPECT_EQ(Masked(text.substr(length)).size(), text.size() - length);
  }
  EXPECT_TRUE(nlohmann::json::accept(Masked(text)));
  EXPECT_EQ(Masked(std::string(100'000, '4')), std::string(100'000, '4'));
  std::string word;
  while (word.size() < 250'000) word += "4242424242424242x";
  EXPECT_EQ(Masked(word).find("4242424242"), std::string::npos) << "in linear time";
}

}  // namespace
}  // namespace billmesh::telemetry
