#include "services/webhook/webhook_config.h"

#include <cstdio>
#include <fstream>
#include <map>

#include "common/crypto/crypto.h"
#include "common/daemon/test_files.h"
#include "gtest/gtest.h"
#include "services/webhook/secret_reloader.h"

namespace billmesh::webhook {
namespace {

std::map<std::string, std::string> Environment() {
  static const daemon::TestFiles files;
  std::map<std::string, std::string> environment = {{"DATABASE_URL", "postgresql://billmesh_webhook@127.0.0.1/billing"},
                                                    {"BILLING_ENV", "test"},
                                                    {"ENTITLEMENTS_ADDR", "127.0.0.1:1"},
                                                    {"STRIPE_SECRET_KEY", "sk_test_1"},
                                                    {"STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b"}};
  environment.merge(files.Environment());
  return environment;
}

config::Parsed Parse(const std::map<std::string, std::string>& environment) {
  const char* argv[] = {"billmesh-webhook"};
  return config::Parse("billmesh-webhook", "", WebhookSettings(), WebhookChecks(), 1, argv,
                       [&](const char* name) -> const char* {
                         const auto at = environment.find(name);
                         return at == environment.end() ? nullptr : at->second.c_str();
                       });
}

std::string Fault(std::map<std::string, std::string> environment, const std::string& name, const std::string& value) {
  environment[name] = value;
  const config::Parsed parsed = Parse(environment);
  return parsed.config.has_value() ? "" : parsed.message;
}

TEST(WebhookConfigTest, ReadsWhatIsGiven) {
  const config::Parsed parsed = Parse(Environment());
  ASSERT_TRUE(parsed.config.has_value()) << parsed.message;
  const WebhookConfig read = ReadWebhookConfig(*parsed.config, "stripe", "me");
  EXPECT_EQ(read.secrets, (std::vector<std::string>{"whsec_a", "whsec_b"}));
  EXPECT_EQ(read.signature_tolerance, absl::Seconds(300));
  EXPECT_EQ(read.batch.env, "test");
  EXPECT_EQ(read.batch.provider, "stripe");
  EXPECT_FALSE(read.batch.livemode);
  EXPECT_EQ(read.batcher.committers, 2);
  EXPECT_EQ(read.batcher.max_batch_events, 64u);
  EXPECT_EQ(read.worker.owner, "me");
}

TEST(WebhookConfigTest, TheProvidersModeFollowsTheEnvironment) {
  auto environment = Environment();
  environment["BILLING_ENV"] = "live";
  environment["STRIPE_SECRET_KEY"] = "sk_live_1";
  EXPECT_TRUE(ReadWebhookConfig(*Parse(environment).config, "stripe", "me").batch.livemode);
  EXPECT_NE(Fault(environment, "PROVIDER_LIVEMODE", "false").find("contradicts BILLING_ENV"), std::string::npos);
  EXPECT_NE(Fault(Environment(), "PROVIDER_LIVEMODE", "true").find("contradicts BILLING_ENV"), std::string::npos);
  EXPECT_EQ(Fault(Environment(), "PROVIDER_LIVEMODE", "false"), "");
}

TEST(WebhookConfigTest, TakesThinNotificationsOnlyWhereTheirSecretIsGiven) {
  EXPECT_TRUE(ReadWebhookConfig(*Parse(Environment()).config, "stripe", "me").thin_secrets.empty());
  auto environment = Environment();
  environment["STRIPE_THIN_WEBHOOK_SECRET"] = "whsec_c,whsec_d";
  EXPECT_EQ(ReadWebhookConfig(*Parse(environment).config, "stripe", "me").thin_secrets,
            (std::vector<std::string>{"whsec_c", "whsec_d"}));
  EXPECT_NE(Fault(Environment(), "STRIPE_THIN_WEBHOOK_SECRET", "whsec_c,,").find("STRIPE_THIN_WEBHOOK_SECRET"),
            std::string::npos);
}

TEST(WebhookConfigTest, RefusesBlankSecretsAtBootWithoutShowingOthers) {
  for (const char* secrets : {" ", "whsec_a,", ",whsec_a", "whsec_a,  ,whsec_b"}) {
    const std::string fault = Fault(Environment(), "STRIPE_WEBHOOK_SECRET", secrets);
    EXPECT_NE(fault.find("STRIPE_WEBHOOK_SECRET"), std::string::npos) << secrets;
    EXPECT_EQ(fault.find("whsec_a"), std::string::npos) << fault;
  }
}

TEST(WebhookConfigTest, WorkersAndOtherCallsKeepAConnectionEach) {
  EXPECT_NE(Fault(Environment(), "INGEST_COMMITTERS", "11"), "");
  EXPECT_EQ(Fault(Environment(), "INGEST_COMMITTERS", "10"), "");
}

TEST(WebhookConfigTest, TheBackoffGrows) {
  EXPECT_NE(Fault(Environment(), "EVENT_BACKOFF_MAX", "5s").find("--event-backoff-max"), std::string::npos);
  EXPECT_EQ(Fault(Environment(), "EVENT_BACKOFF_MAX", "10s"), "");
}

class SecretReloaderTest : public ::testing::Test {
 protected:
  SecretReloaderTest() {
    path_ = ::testing::TempDir() + "/secrets_" + crypto::HexEncode(crypto::RandomBytes(6));
    verifier_ = *stripe::SignatureVerifier::Create({"whsec_a"});
  }
  ~SecretReloaderTest() override { std::remove(path_.c_str()); }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  bool Accepts(const std::string& secret) {
    const std::string header = "t=1000,v1=" + crypto::HmacSha256Hex(secret, "1000.body");
    return verifier_->Verify("body", header, absl::FromUnixSeconds(1000)).ok();
  }
  std::string path_;
  std::unique_ptr<stripe::SignatureVerifier> verifier_;
};

TEST_F(SecretReloaderTest, TakesNewSecretsAndKeepsTheOldOnesWhenTheFileIsBad) {
  SecretReloader reloader(path_, {"whsec_a"}, *verifier_);
  EXPECT_FALSE(reloader.RunOnce()) << "no file yet";
  Write("whsec_a\n");
  EXPECT_FALSE(reloader.RunOnce()) << "nothing new";
  Write("whsec_a,whsec_b\n");
  EXPECT_TRUE(reloader.RunOnce());
  EXPECT_TRUE(Accepts("whsec_a"));
  EXPECT_TRUE(Accepts("whsec_b"));
  for (const std::string& bad : {std::string(""), std::string(" , "), std::string(20'000, 'x')}) {
    Write(bad);
    EXPECT_FALSE(reloader.RunOnce());
    EXPECT_TRUE(Accepts("whsec_b"));
  }
  Write("whsec_b");
  EXPECT_TRUE(reloader.RunOnce());
  EXPECT_FALSE(Accepts("whsec_a"));
}

TEST_F(SecretReloaderTest, WithoutAFileThereIsNothingToDo) {
  SecretReloader reloader("", {"whsec_a"}, *verifier_);
  EXPECT_FALSE(reloader.RunOnce());
  EXPECT_TRUE(Accepts("whsec_a"));
}

}  // namespace
}  // namespace billmesh::webhook
