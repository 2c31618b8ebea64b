#include "services/checkout/checkout_config.h"

#include <map>

#include "common/daemon/test_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

using ::testing::HasSubstr;

class CheckoutConfigTest : public ::testing::Test {
 protected:
  CheckoutConfigTest() { environment_.merge(files_.Environment()); }

  config::Parsed Parse() {
    static const std::map<std::string, std::string>* current = nullptr;
    current = &environment_;
    const char* argv[] = {"billmesh-checkout"};
    return config::Parse("billmesh-checkout", "", CheckoutSettings(), CheckoutChecks(), 1, argv,
                         [](const char* name) -> const char* {
                           const auto it = current->find(name);
                           return it == current->end() ? nullptr : it->second.c_str();
                         });
  }
  std::string FaultWith(const std::string& name, const std::string& value) {
    const std::string before = environment_[name];
    environment_[name] = value;
    const config::Parsed parsed = Parse();
    environment_[name] = before;
    return parsed.config.has_value() ? "" : parsed.message;
  }

  const daemon::TestFiles files_;
  std::map<std::string, std::string> environment_ = {
      {"BILLING_ENV", "test"},
      {"DATABASE_URL", "postgresql://x@127.0.0.1/x"},
      {"STRIPE_SECRET_KEY", "sk_test_1"},
      {"BILLING_CURRENCY", "EUR"},
      {"PUBLIC_BASE_URL", "http://127.0.0.1:8080/"},
      {"OPERATION_KEY_SECRET", std::string(32, 's')},
      {"WEBHOOK_ADDR", "127.0.0.1:7102"},
  };
};

TEST_F(CheckoutConfigTest, ReadsWhatItIsGiven) {
  const config::Parsed parsed = Parse();
  ASSERT_TRUE(parsed.config.has_value()) << parsed.message;
  const CheckoutConfig config = ReadCheckoutConfig(*parsed.config);
  EXPECT_EQ(config.env, "test");
  EXPECT_EQ(config.currency, "eur");
  EXPECT_EQ(config.public_base_url, "http://127.0.0.1:8080");
  EXPECT_EQ(config.kernel_times.lease, absl::Seconds(120));
  EXPECT_EQ(config.kernel_times.call_timeout, absl::Seconds(20));
  EXPECT_EQ(config.checkout_times.session_lifetime, absl::Hours(23) + absl::Minutes(50));
  EXPECT_EQ(config.checkout_times.replay_window, absl::Hours(23));
  EXPECT_EQ(config.checkout_times.expiry_grace, absl::Seconds(90));
  EXPECT_EQ(config.refresh_times.pause, absl::Seconds(3));
  EXPECT_EQ(config.refresh_times.timeout, absl::Seconds(5));
  EXPECT_EQ(config.webhook_addr, "127.0.0.1:7102");
}

TEST_F(CheckoutConfigTest, NamesWhatIsWrong) {
  EXPECT_THAT(FaultWith("STRIPE_SECRET_KEY", "sk_live_1"), HasSubstr("live key"));
  EXPECT_THAT(FaultWith("STRIPE_SECRET_KEY", "pk_test_1"), HasSubstr("not a secret key"));
  EXPECT_THAT(FaultWith("BILLING_CURRENCY", "euro"), HasSubstr("BILLING_CURRENCY"));
  EXPECT_THAT(FaultWith("OPERATION_KEY_SECRET", "short"), HasSubstr("OPERATION_KEY_SECRET"));
  EXPECT_THAT(FaultWith("PUBLIC_BASE_URL", "https://app.example/?x=1"), HasSubstr("PUBLIC_BASE_URL"));
  EXPECT_THAT(FaultWith("CHECKOUT_LEASE", "30s"), HasSubstr("PROVIDER_TIMEOUT"));
  EXPECT_THAT(FaultWith("CHECKOUT_SESSION_LIFETIME", "24h"), HasSubstr("CHECKOUT_SESSION_LIFETIME"));
  EXPECT_THAT(FaultWith("PROVIDER_REPLAY_WINDOW", "24h"), HasSubstr("PROVIDER_REPLAY_WINDOW"));
  EXPECT_THAT(FaultWith("CHECKOUT_REFRESH_PAUSE", "0s"), HasSubstr("CHECKOUT_REFRESH_PAUSE"));
  EXPECT_THAT(FaultWith("CHECKOUT_REFRESH_TIMEOUT", "2m"), HasSubstr("CHECKOUT_REFRESH_TIMEOUT"));
  EXPECT_THAT(FaultWith("WEBHOOK_ADDR", "webhook"), HasSubstr("WEBHOOK_ADDR"));
}

TEST_F(CheckoutConfigTest, LiveNeedsALiveKeyAndHttps) {
  environment_["BILLING_ENV"] = "live";
  const std::string faults = Parse().message;
  EXPECT_THAT(faults, HasSubstr("is not a live key"));
  EXPECT_THAT(faults, HasSubstr("https://"));
}

TEST(BaseUrlTest, IsAHostAndAPath) {
  for (const char* good : {"https://app.example", "https://app.example/base", "http://127.0.0.1:8080/"}) {
    EXPECT_EQ(BaseUrlFault(good, "test"), "") << good;
  }
  for (const char* bad : {"https://", "https:///x", "https://a@b.example", "https://a.example#x", "https://a.example?x",
                          "https://a.example//x", "https://a.example/\\x"}) {
    EXPECT_NE(BaseUrlFault(bad, "test"), "") << bad;
  }
}

}  // namespace
}  // namespace billmesh::checkout
