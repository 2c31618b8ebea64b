#include "services/reconciler/reconciler_config.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/daemon/test_files.h"
#include "gtest/gtest.h"

namespace billmesh::reconciler {
namespace {

config::Parsed Parse(const std::vector<const char*>& flags) {
  const daemon::TestFiles files;
  std::map<std::string, std::string> environment = {{"BILLING_ENV", "test"},
                                                    {"DATABASE_URL", "postgresql://billmesh_reconciler@127.0.0.1/x"},
                                                    {"STRIPE_SECRET_KEY", "sk_test_51AbCdEfGhIjKlMnOpQrStUv"},
                                                    {"CHECKOUT_ADDR", "127.0.0.1:7001"},
                                                    {"WEBHOOK_ADDR", "127.0.0.1:7002"}};
  environment.merge(files.Environment());
  std::vector<const char*> argv = {"billmesh-reconciler"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return config::Parse("billmesh-reconciler", "", Settings(), Checks(), static_cast<int>(argv.size()), argv.data(),
                       [&](const char* name) -> const char* {
                         const auto it = environment.find(name);
                         return it == environment.end() ? nullptr : it->second.c_str();
                       });
}

TEST(ReconcilerConfigTest, DefaultsAreThoseOfTheRequirements) {
  const config::Parsed parsed = Parse({});
  ASSERT_TRUE(parsed.config.has_value()) << parsed.message;
  const OutboxWorker::Options options = OutboxOptions(*parsed.config, "me");
  EXPECT_EQ(options.max_attempts, 12);
  EXPECT_EQ(options.env, "test");
  EXPECT_EQ(options.owner, "me");
  EXPECT_EQ(options.lease, absl::Seconds(60));
  EXPECT_LT(options.backoff.base, options.backoff.max);
  const ScopeRunner::Options runs = PendingRecentRuns(*parsed.config, "stripe", "me");
  EXPECT_EQ(runs.period, absl::Minutes(15));
  EXPECT_EQ(runs.provider, "stripe");
  const PendingRecentScope::Options scope = PendingRecentOptions(*parsed.config, "stripe");
  EXPECT_LT(scope.call_timeout, runs.lease / 2);
  EXPECT_EQ(scope.fault_wait, absl::Seconds(1));
  const WatchLimits limits = CheckoutWatchLimits(*parsed.config);
  EXPECT_EQ(limits.checkout_lease, absl::Seconds(120));
  EXPECT_EQ(limits.session_grace, absl::Seconds(90));
  EXPECT_EQ(limits.completion_within, absl::Minutes(5));
}

TEST(ReconcilerConfigTest, RefusesARunLeaseInWhichARecoveryHardlyFits) {
  for (const char* timeout : {"--recover-timeout=1001ms", "--recover-timeout=1s", "--recover-timeout=910ms"}) {
    const config::Parsed parsed = Parse({"--run-lease=2s", timeout});
    EXPECT_EQ(parsed.exit_code, 2) << timeout;
    EXPECT_NE(parsed.message.find("--recover-timeout"), std::string::npos) << parsed.message;
  }
  EXPECT_TRUE(Parse({"--run-lease=2s", "--recover-timeout=900ms"}).config.has_value());
}

TEST(ReconcilerConfigTest, EveryPeriodAndLeaseTakesAHundredthOfItsDefault) {
  const config::Parsed parsed =
      Parse({"--outbox-lease=600ms", "--recover-timeout=600ms", "--run-lease=1800ms", "--run-poll=10ms",
             "--first-run=300ms", "--pending-recent-period=9s", "--checkout-watch=150ms", "--checkout-lease=1200ms",
             "--replay-deadline-near=36s", "--completion-within=3s"});
  EXPECT_TRUE(parsed.config.has_value()) << parsed.message;
}

TEST(ReconcilerConfigTest, RefusesABackoffThatShrinks) {
  const config::Parsed parsed = Parse({"--outbox-backoff-base=10s", "--outbox-backoff-max=1s"});
  EXPECT_FALSE(parsed.config.has_value());
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_NE(parsed.message.find("--outbox-backoff-base"), std::string::npos) << parsed.message;
}

TEST(ReconcilerConfigTest, EachSettingHasItsOwnFlagAndVariable) {
  std::set<std::string> flags, variables;
  for (const config::Setting& setting : Settings()) {
    EXPECT_TRUE(flags.insert(setting.flag).second) << setting.flag;
    EXPECT_TRUE(variables.insert(setting.env).second) << setting.env;
    EXPECT_NE(setting.help, "");
  }
}

}  // namespace
}  // namespace billmesh::reconciler
