#include "services/webhook/signed_endpoints.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

constexpr int64_t kNow = 1'790'000'000;
constexpr char kThin[] =
    R"({"id":"evt_1","object":"v2.core.event","created":"2026-11-20T10:00:00.000Z","livemode":false,)"
    R"("type":"v1.invoice.paid","related_object":{"id":"in_1","type":"invoice","url":"/v1/invoices/in_1"}})";

class SignedEndpointsTest : public ::testing::Test {
 protected:
  SignedEndpointsTest() : path_(::testing::TempDir() + "/thin_" + crypto::HexEncode(crypto::RandomBytes(6))) {}
  ~SignedEndpointsTest() override { std::remove(path_.c_str()); }

  static bool Takes(const SignedEndpoints& endpoints, const std::string& secret) {
    const std::string header =
        absl::StrCat("t=", kNow, ",v1=", crypto::HmacSha256Hex(secret, absl::StrCat(kNow, ".", kThin)));
    return endpoints.source().Verify(kThin, header, absl::FromUnixSeconds(kNow)).ok();
  }
  void Write(const std::string& secrets) { std::ofstream(path_, std::ios::trunc) << secrets; }

  const std::string path_;
};

TEST_F(SignedEndpointsTest, ThinSecretsRotateWithoutARestartAndLeaveTheOthersAlone) {
  WebhookConfig config;
  config.secrets = {"whsec_whole"};
  config.thin_secrets = {"whsec_old"};
  config.thin_secret_file = path_;
  config.signature_tolerance = absl::Minutes(5);
  auto made = SignedEndpoints::Create(config);
  ASSERT_TRUE(made.ok()) << made.status();
  SignedEndpoints& endpoints = **made;
  EXPECT_TRUE(Takes(endpoints, "whsec_old"));
  EXPECT_FALSE(Takes(endpoints, "whsec_new"));
  Write("whsec_old,whsec_new\n");
  endpoints.Reload();
  EXPECT_TRUE(Takes(endpoints, "whsec_old"));
  EXPECT_TRUE(Takes(endpoints, "whsec_new"));
  Write("whsec_new\n");
  endpoints.Reload();
  EXPECT_FALSE(Takes(endpoints, "whsec_old"));
  Write("whsec_new,\n");
  endpoints.Reload();
  EXPECT_TRUE(Takes(endpoints, "whsec_new")) << "a file that can't be meant changes nothing";
}

TEST_F(SignedEndpointsTest, WithoutAThinSecretNothingThinIsTaken) {
  WebhookConfig config;
  config.secrets = {"whsec_whole"};
  config.signature_tolerance = absl::Minutes(5);
  auto made = SignedEndpoints::Create(config);
  ASSERT_TRUE(made.ok()) << made.status();
  (*made)->Reload();
  EXPECT_FALSE(Takes(**made, "whsec_old"));
  EXPECT_FALSE(Takes(**made, ""));
}

}  // namespace
}  // namespace billmesh::webhook
