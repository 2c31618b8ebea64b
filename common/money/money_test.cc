#include "common/money/money.h"

#include <limits>

#include "gtest/gtest.h"

namespace billmesh {
namespace {

Currency Eur() { return *Currency::Parse("EUR"); }

TEST(MoneyTest, CurrencyIsThreeLettersFoldedToLowerCase) {
  EXPECT_EQ(Eur().code(), "eur");
  for (const char* bad : {"", "eu", "euro", "e1r", "e r", "€"}) EXPECT_FALSE(Currency::Parse(bad).ok()) << bad;
}

TEST(MoneyTest, AddsWithinOneCurrency) {
  EXPECT_EQ(Add({150, Eur()}, {50, Eur()})->amount_minor, 200);
  EXPECT_FALSE(Add({1, Eur()}, {1, *Currency::Parse("usd")}).ok());
}

TEST(MoneyTest, OverflowIsAnError) {
  const int64_t max = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(Add({max, Eur()}, {1, Eur()}).ok());
  EXPECT_FALSE(Multiply({max, Eur()}, 2).ok());
  EXPECT_EQ(Multiply({999, Eur()}, 3)->amount_minor, 2997);
}

}  // namespace
}  // namespace billmesh
