#include "common/crypto/crypto.h"

#include "gtest/gtest.h"

namespace billmesh::crypto {
namespace {

TEST(CryptoTest, Sha256OfKnownText) {
  for (int i = 0; i < 2; ++i) {  // nothing is left of the one before
    EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  }
}

// RFC 4231, test case 2.
TEST(CryptoTest, HmacOfKnownText) {
  const std::string expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  EXPECT_EQ(HmacSha256Hex("Jefe", "what do ya want for nothing?"), expected);
  EXPECT_EQ(HmacSha256Hex("Jefe", "what do ya ", "want for nothing?"), expected);
}

TEST(CryptoTest, EmptyKeyIsNotThePreviousKey) {
  const std::string with_key = HmacSha256Hex("secret", "x");
  EXPECT_NE(HmacSha256Hex("", "x"), with_key);
  EXPECT_EQ(HmacSha256Hex("", ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(CryptoTest, ConstantTimeEqualsComparesContent) {
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abcd"));
}

TEST(CryptoTest, Base64UrlRoundTripsEveryLength) {
  std::string data;
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(Base64UrlDecode(Base64UrlEncode(data)), data);
    data.push_back(static_cast<char>(i * 37));
  }
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8");
}

TEST(CryptoTest, Base64UrlRefusesWhatIsNotCanonical) {
  for (const char* bad : {"a", "YQ==", "YQ ", "Y+", "Y/", "YR"}) EXPECT_FALSE(Base64UrlDecode(bad).has_value()) << bad;
}

}  // namespace
}  // namespace billmesh::crypto
