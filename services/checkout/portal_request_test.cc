#include "services/checkout/portal_request.h"

#include "common/status/status.h"
#include "gtest/gtest.h"
#include "services/checkout/checkout_request.h"

namespace billmesh::checkout {
namespace {

TEST(PortalOrderTest, NeedsAPathBelowTheBase) {
  const auto fault = [](const std::string& path) {
    const absl::Status status = CheckOrder(PortalOrder{path});
    return status.ok() ? "" : CodeOf(ReasonOf(status)) + ":" + MetadataOf(status)["field"];
  };
  EXPECT_EQ(fault("/billing"), "");
  EXPECT_EQ(fault(""), "invalid_argument:return_path");
  EXPECT_EQ(fault("//evil.example"), "redirect_path_invalid:return_path");
  EXPECT_EQ(fault("https://evil.example"), "redirect_path_invalid:return_path");
}

TEST(PortalOrderTest, OrdersAndAnswersRoundTrip) {
  EXPECT_EQ(*EncodeOrder(PortalOrder{"/billing"}), R"({"return_path":"/billing"})");
  EXPECT_EQ(DecodePortalOrder(*EncodeOrder(PortalOrder{"/billing"}))->return_path, "/billing");
  EXPECT_NE(Fingerprint(*EncodeOrder(PortalOrder{"/a"})), Fingerprint(*EncodeOrder(PortalOrder{"/b"})));
  const auto answer = DecodePortalAnswer(*EncodeAnswer(PortalAnswer{"op-1", "https://pay.example/bps_1"}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->operation, "op-1");
  EXPECT_EQ(answer->url, "https://pay.example/bps_1");
  EXPECT_FALSE(DecodePortalAnswer("{").ok());
}

}  // namespace
}  // namespace billmesh::checkout
