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
                                                    {"STRIPE_SECRET_KEY", "sk_test_51AbCdEfGhIjKlMnOpQrStUv"}};
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
