#include "common/stripe/client_config.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

TEST(KeyFaultTest, LiveKeysBelongToTheLiveEnvironmentOnly) {
  struct Case {
    const char* key;
    const char* env;
    bool fits;
  };
  const Case cases[] = {
      {"sk_test_1", "test", true},     {"rk_test_1", "test", true},    {"sk_test_1", "staging", true},
      {"sk_live_1", "live", true},     {"rk_live_1", "live", true},    {"sk_live_1", "test", false},
      {"rk_live_1", "staging", false}, {"sk_test_1", "live", false},   {"rk_test_1", "live", false},
      {"pk_test_1", "test", false},    {"whsec_1", "test", false},     {"", "test", false},
      {"sk_test_ 1", "test", false},   {"sk_test_1\n", "test", false},
  };
  for (const Case& c : cases) {
    const std::string fault = KeyFault(c.key, c.env);
    EXPECT_EQ(fault.empty(), c.fits) << c.key << " in " << c.env << ": " << fault;
    if (*c.key != '\0') {
      EXPECT_EQ(fault.find(c.key), std::string::npos) << "a fault must not hold the key";
    }
  }
}

TEST(ApiBaseFaultTest, LiveIsReachedByHttpsOnly) {
  EXPECT_EQ(ApiBaseFault("https://api.stripe.com", "live"), "");
  EXPECT_EQ(ApiBaseFault("https://127.0.0.1:1/base", "test"), "");
  EXPECT_EQ(ApiBaseFault("http://127.0.0.1:1", "test"), "");
  EXPECT_NE(ApiBaseFault("http://api.stripe.com", "live"), "");
  EXPECT_NE(ApiBaseFault("http://127.0.0.1:1", "live"), "") << "a proxy on this machine is no exception";
}

TEST(ClientChecksTest, ALiveKeyOverHttpIsRefusedAtBoot) {
  const auto fault = [](const char* env, const char* key, const char* base) {
    const std::string env_flag = std::string("--billing-env=") + env,
                      key_flag = std::string("--stripe-secret-key=") + key,
                      base_flag = std::string("--stripe-api-base=") + base;
    const char* argv[] = {"x", env_flag.c_str(), key_flag.c_str(), base_flag.c_str()};
    auto settings = ClientSettings();
    settings.push_back({.flag = "billing-env", .env = "BILLING_ENV"});
    return config::Parse("x", "", settings, ClientChecks(), 4, argv, [](const char*) { return nullptr; }).message;
  };
  EXPECT_EQ(fault("live", "sk_live_1", "http://api.stripe.com"),
            "x: STRIPE_API_BASE must be https:// where BILLING_ENV is live");
  EXPECT_EQ(fault("live", "sk_live_1", "https://api.stripe.com"), "");
  EXPECT_EQ(fault("test", "sk_test_1", "http://127.0.0.1:1"), "");
}

class RotatingSecretTest : public ::testing::Test {
 protected:
  RotatingSecretTest()
      : path_(std::filesystem::temp_directory_path() / ("billmesh_secret_" + std::to_string(::getpid()))) {
    Write("first\n");
  }
  ~RotatingSecretTest() override { std::filesystem::remove(path_); }

  // Each write has a time of its own, however fast they follow each other.
  void Write(const std::string& content) {
    std::ofstream(path_, std::ios::trunc) << content;
    std::filesystem::last_write_time(path_, std::filesystem::file_time_type() + std::chrono::seconds(++writes_));
  }
  std::function<std::string()> Secret() {
    return RotatingSecret("first", path_.string(),
                          [](std::string_view secret) { return secret == "bad" ? "it is bad" : ""; });
  }

  std::filesystem::path path_;
  int writes_ = 0;
};

TEST_F(RotatingSecretTest, WithoutAFileItStays) {
  const auto secret = RotatingSecret("only", "", [](std::string_view) { return ""; });
  EXPECT_EQ(secret(), "only");
}

TEST_F(RotatingSecretTest, FollowsItsFile) {
  const auto secret = Secret();
  EXPECT_EQ(secret(), "first");
  Write("second\n");
  EXPECT_EQ(secret(), "second");
  Write("third");
  EXPECT_EQ(secret(), "third");
}

TEST_F(RotatingSecretTest, KeepsTheLastGoodOne) {
  const auto secret = Secret();
  Write("bad\n");
  EXPECT_EQ(secret(), "first");
  Write("");
  EXPECT_EQ(secret(), "first");
  std::filesystem::remove(path_);
  EXPECT_EQ(secret(), "first");
  Write("good");
  EXPECT_EQ(secret(), "good");
}

}  // namespace
}  // namespace billmesh::stripe
