#include "services/reconciler/page_token.h"

#include "common/crypto/crypto.h"
#include "gtest/gtest.h"

namespace billmesh::reconciler {
namespace {

constexpr char kId[] = "0190a7a0-0000-7000-8000-000000000001";

TEST(PageTokenTest, ComesBackToTheMicrosecond) {
  const RowPlace place{absl::FromUnixMicros(1'700'000'000'123'456), kId};
  const auto decoded = DecodePageToken(EncodePageToken(place));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->at, place.at);
  EXPECT_EQ(decoded->id, kId);
}

TEST(PageTokenTest, RefusesWhatItDidNotMake) {
  const std::string id(kId);
  for (const std::string& text : {std::string(), std::string("/"), "1700000000123456" + id, "x/" + id, "-1/" + id,
                                  "1 /" + id, "99999999999999999999/" + id, "253402300800000000/" + id,
                                  std::string("1700000000123456/not-a-uuid"), "1700000000123456/" + id + "/"}) {
    EXPECT_FALSE(DecodePageToken(crypto::Base64UrlEncode(text)).has_value()) << text;
  }
  EXPECT_FALSE(DecodePageToken("not base64!").has_value());
}

}  // namespace
}  // namespace billmesh::reconciler
