#include "common/config/config.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Env = std::map<std::string, std::string>;

Parsed ParseWith(const std::vector<Setting>& settings, std::vector<const char*> arguments, const Env& env = {},
                 const std::vector<CrossCheck>& checks = {}) {
  arguments.insert(arguments.begin(), "prog");
  return Parse("billmesh-test", "tests things", settings, checks, static_cast<int>(arguments.size()), arguments.data(),
               [&env](const char* name) -> const char* {
                 const auto it = env.find(name);
                 return it == env.end() ? nullptr : it->second.c_str();
               });
}

std::string FaultsOf(const Setting& setting, const std::string& value) {
  const std::string argument = "--" + setting.flag + "=" + value;
  const Parsed parsed = ParseWith({setting}, {argument.c_str()});
  EXPECT_EQ(parsed.config.has_value(), parsed.exit_code == 0);
  return parsed.message;
}

// A file that lives as long as this object.
class TempFile {
 public:
  explicit TempFile(std::string_view content) {
    path_ = ::testing::TempDir() + "billmesh_config_test_XXXXXX";
    ::close(::mkstemp(path_.data()));
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TempFile() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const Setting kListen{
    .flag = "listen", .env = "LISTEN_ADDR", .type = Type::kAddress, .fallback = "127.0.0.1:1", .help = "Where."};
const Setting kKey{.flag = "stripe-secret-key",
                   .env = "STRIPE_SECRET_KEY",
                   .type = Type::kSecret,
                   .help = "Key.",
                   .alias_env = "STRIPE_API_KEY"};

TEST(ConfigTest, FlagWinsOverEnvironmentAndEnvironmentOverFallback) {
  EXPECT_EQ(ParseWith({kListen}, {}).config->Get("listen"), "127.0.0.1:1");
  const Env env = {{"LISTEN_ADDR", "a:2"}};
  EXPECT_EQ(ParseWith({kListen}, {}, env).config->Get("listen"), "a:2");
  EXPECT_EQ(ParseWith({kListen}, {"--listen=b:3"}, env).config->Get("listen"), "b:3");
  EXPECT_EQ(ParseWith({kListen}, {"--listen", "c:4"}, env).config->Get("listen"), "c:4");
  EXPECT_EQ(ParseWith({kListen}, {}, {{"LISTEN_ADDR", ""}}).config->Get("listen"), "127.0.0.1:1");
}

TEST(ConfigTest, NamesEveryFaultInOneLine) {
  const Setting url{.flag = "url", .env = "THE_URL", .type = Type::kUrl, .help = "U."};
  const Parsed parsed = ParseWith({kKey, kListen, url}, {"--listen=x", "--nope=1", "extra"}, {{"THE_URL", "ftp://h\n"}},
                                  {[](const Config&) { return std::string("A and B don't go together"); }});
  EXPECT_FALSE(parsed.config.has_value());
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.message,
            "billmesh-test: unknown flag \"--nope\"; argument 3 is not a flag; "
            "STRIPE_SECRET_KEY is required (--stripe-secret-key); --listen: \"x\" is not host:port; "
            "THE_URL: \"ftp://h?\" is not an http:// or https:// URL without a user; A and B don't go together");
}

TEST(ConfigTest, RefusesEmptyRequiredAndRepeatedAndIncompleteFlags) {
  EXPECT_EQ(ParseWith({kKey}, {"--stripe-secret-key="}).message, "billmesh-test: --stripe-secret-key is empty");
  EXPECT_EQ(ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY", ""}}).message,
            "billmesh-test: STRIPE_SECRET_KEY is required (--stripe-secret-key)");
  EXPECT_EQ(ParseWith({kListen}, {"--listen="}).message, "billmesh-test: --listen is empty");
  EXPECT_EQ(ParseWith({kListen}, {"--listen=a:1", "--listen=a:1"}).message, "billmesh-test: --listen is given twice");
  EXPECT_EQ(ParseWith({kListen}, {"--listen"}).message, "billmesh-test: --listen has no value");
  EXPECT_EQ(ParseWith({kListen, kKey}, {"--listen", "--stripe-secret-key=k"}).message,
            "billmesh-test: --listen has no value");
  EXPECT_EQ(ParseWith({}, {"-h"}).message, "billmesh-test: argument 1 is not a flag");
  EXPECT_EQ(ParseWith({}, {"--"}).message, "billmesh-test: argument 1 is not a flag");
  EXPECT_EQ(ParseWith({kListen, kListen}, {}).message, "billmesh-test: --listen is declared twice");
}

TEST(ConfigTest, NeverPrintsSecrets) {
  const Setting with_default{.flag = "s", .env = "S", .type = Type::kSecret, .fallback = "sk_default", .help = "S."};
  for (const Parsed& parsed :
       {ParseWith({kKey, kListen}, {"--stripe-secret-key=sk_a", "sk_b", "--stripe-secret-keyy=sk_c", "--listen=x"}),
        ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY", "sk_d"}, {"STRIPE_API_KEY", "sk_e"}}),
        ParseWith({with_default}, {"--help"})}) {
    EXPECT_NE(parsed.message, "");
    EXPECT_THAT(parsed.message, Not(HasSubstr("sk_")));
  }
}

TEST(ConfigTest, AliasMayRepeatTheValueButNotContradictIt) {
  EXPECT_EQ(ParseWith({kKey}, {}, {{"STRIPE_API_KEY", "k"}}).config->Get("stripe-secret-key"), "k");
  EXPECT_EQ(
      ParseWith({kKey}, {}, {{"STRIPE_API_KEY", "k"}, {"STRIPE_SECRET_KEY", "k"}}).config->Get("stripe-secret-key"),
      "k");
  EXPECT_EQ(ParseWith({kKey}, {}, {{"STRIPE_API_KEY", "k"}, {"STRIPE_SECRET_KEY", "l"}}).message,
            "billmesh-test: STRIPE_SECRET_KEY and STRIPE_API_KEY are both set and differ");
}

TEST(ConfigTest, ReadsSecretsFromFiles) {
  const TempFile file("s3cret\r\n\n"), empty("\n"), large(std::string((64 << 10) + 1, 'x'));
  const Parsed parsed = ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY_FILE", file.path()}});
  ASSERT_TRUE(parsed.config.has_value()) << parsed.message;
  EXPECT_EQ(parsed.config->Get("stripe-secret-key"), "s3cret");
  EXPECT_EQ(parsed.config->SecretFile("stripe-secret-key"), file.path());
  EXPECT_EQ(ParseWith({kKey}, {}, {{"STRIPE_API_KEY_FILE", file.path()}}).config->Get("stripe-secret-key"), "s3cret");
  EXPECT_EQ(ParseWith({kKey}, {"--stripe-secret-key=f"}, {{"STRIPE_SECRET_KEY_FILE", file.path()}})
                .config->SecretFile("stripe-secret-key"),
            "");

  EXPECT_THAT(ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY_FILE", empty.path()}}).message, HasSubstr("is empty"));
  EXPECT_THAT(ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY_FILE", large.path()}}).message,
              HasSubstr("is not a readable file"));
  EXPECT_THAT(ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY_FILE", "/nonexistent/x"}}).message,
              HasSubstr("STRIPE_SECRET_KEY_FILE: \"/nonexistent/x\""));
  EXPECT_THAT(ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY_FILE", "/"}}).message, HasSubstr("is not a readable file"));
  EXPECT_EQ(ParseWith({kKey}, {}, {{"STRIPE_SECRET_KEY_FILE", file.path()}, {"STRIPE_SECRET_KEY", "k"}}).message,
            "billmesh-test: STRIPE_SECRET_KEY and STRIPE_SECRET_KEY_FILE are both set");
}

TEST(ConfigTest, ChecksIntegersAndTheirBounds) {
  Setting setting{.flag = "n", .env = "N", .type = Type::kInt, .help = "N.", .min = 1, .max = 9};
  for (const char* good : {"1", "9"}) EXPECT_EQ(FaultsOf(setting, good), "");
  EXPECT_THAT(FaultsOf(setting, "10"), HasSubstr("--n: \"10\" is not in the range: 1 to 9"));
  for (const char* bad : {"0", "-1", "x", "1x", " 1", "1.5", "99999999999999999999"})
    EXPECT_NE(FaultsOf(setting, bad), "") << bad;
  setting.max = 0;
  EXPECT_EQ(FaultsOf(setting, "9223372036854775807"), "");
  EXPECT_THAT(FaultsOf(setting, "0"), HasSubstr("at least 1"));
  setting.min = 0;
  EXPECT_EQ(FaultsOf(setting, "-5"), "");
  EXPECT_EQ(ParseWith({setting}, {"--n", "-5"}).config->GetInt("n"), -5);
}

TEST(ConfigTest, ChecksDurationsAndTheirBounds) {
  const Setting setting{.flag = "d", .env = "D", .type = Type::kDuration, .help = "D.", .min = 10, .max = 3'600'000};
  for (const char* good : {"10ms", "2s", "15m", "1h", "1.5s", "1m30s"}) EXPECT_EQ(FaultsOf(setting, good), "") << good;
  for (const char* bad : {"9ms", "61m", "-2s", "2", "inf", "s", "2 s", "2d"})
    EXPECT_NE(FaultsOf(setting, bad), "") << bad;
  EXPECT_THAT(FaultsOf(setting, "9ms"), HasSubstr("10ms to 1h"));
  EXPECT_EQ(ParseWith({setting}, {"--d=250ms"}).config->GetDuration("d"), absl::Milliseconds(250));
}

TEST(ConfigTest, ChecksBoolsChoicesAddressesUrlsAndFiles) {
  const Setting flag{.flag = "b", .env = "B", .type = Type::kBool, .fallback = "false", .help = "B."};
  EXPECT_FALSE(ParseWith({flag}, {}).config->GetBool("b"));
  EXPECT_TRUE(ParseWith({flag}, {"--b"}).config->GetBool("b"));
  EXPECT_TRUE(ParseWith({flag}, {}, {{"B", "1"}}).config->GetBool("b"));
  EXPECT_FALSE(ParseWith({flag}, {"--b=false"}, {{"B", "1"}}).config->GetBool("b"));
  EXPECT_NE(FaultsOf(flag, "yes"), "");

  const Setting choice{.flag = "e", .env = "E", .help = "E.", .choices = {"test", "live"}};
  EXPECT_EQ(FaultsOf(choice, "live"), "");
  EXPECT_THAT(FaultsOf(choice, "prod"), HasSubstr("\"prod\" is not one of test, live"));

  for (const char* good : {"h:1", "0.0.0.0:0", "[::1]:65535", "a-b.c_d:80"})
    EXPECT_EQ(FaultsOf(kListen, good), "") << good;
  for (const char* bad :
       {"h", ":1", "h:", "h:65536", "h:1:2", "h:+1", "[::1]", "[::1]x:1", "[]:1", "a b:1", "http://h:1"}) {
    EXPECT_NE(FaultsOf(kListen, bad), "") << bad;
  }

  const Setting url{.flag = "u", .env = "U", .type = Type::kUrl, .help = "U."};
  for (const char* good : {"http://h", "https://h:1/p?q=1#f", "http://[::1]:8/"})
    EXPECT_EQ(FaultsOf(url, good), "") << good;
  for (const char* bad :
       {"h", "https://", "ftp://h", "https://u:p@h", "http://h h", "http://h:x", "http:///p", "http://h:"}) {
    EXPECT_NE(FaultsOf(url, bad), "") << bad;
  }

  const TempFile file("x");
  const Setting path{.flag = "f", .env = "F", .type = Type::kFile, .fallback = "", .help = "F."};
  EXPECT_EQ(FaultsOf(path, file.path()), "");
  EXPECT_EQ(FaultsOf(path, ""), "");  // optional
  EXPECT_EQ(ParseWith({path}, {}).config->Get("f"), "");
  EXPECT_NE(FaultsOf(path, "/"), "");
  EXPECT_NE(FaultsOf(path, "/nonexistent"), "");
}

TEST(ConfigTest, ListsAreSplitAndTrimmed) {
  EXPECT_THAT(ParseWith({kKey}, {"--stripe-secret-key= a, b ,,c,"}).config->GetList("stripe-secret-key"),
              ElementsAre("a", "b", "c"));
}

TEST(ConfigTest, ChecksThatReadAFaultySettingAreNotHeard) {
  const std::vector<CrossCheck> checks = {
      [](const Config& c) { return c.Get("listen") == "a:1" ? std::string() : std::string("unheard"); },
      [](const Config& c) { return c.Get("stripe-secret-key") == "k" ? std::string("heard") : std::string(); }};
  EXPECT_EQ(ParseWith({kListen, kKey}, {"--listen=x", "--stripe-secret-key=k"}, {}, checks).message,
            "billmesh-test: --listen: \"x\" is not host:port; heard");
  EXPECT_EQ(ParseWith({kListen, kKey}, {"--listen=a:1", "--stripe-secret-key=l"}, {}, checks).message, "");
}

TEST(ConfigTest, HelpListsEverySettingAndEndsWithZero) {
  const Setting lease{.flag = "lease",
                      .env = "LEASE",
                      .type = Type::kDuration,
                      .fallback = "30s",
                      .help = "How long a lease is held.",
                      .min = 1000,
                      .max = 60'000};
  const Parsed parsed = ParseWith({kListen, kKey, lease}, {"--listen=broken", "--help"});
  EXPECT_FALSE(parsed.config.has_value());
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_THAT(parsed.message, HasSubstr("billmesh-test: tests things\n"));
  EXPECT_THAT(parsed.message,
              HasSubstr("  --listen=<host:port>\n      env LISTEN_ADDR; default: 127.0.0.1:1\n      Where.\n"));
  EXPECT_THAT(parsed.message,
              HasSubstr("  --stripe-secret-key=<secret>\n      env STRIPE_SECRET_KEY (or STRIPE_API_KEY), or "
                        "STRIPE_SECRET_KEY_FILE for a file that holds it; required\n      Key.\n"));
  EXPECT_THAT(parsed.message, HasSubstr("  --lease=<duration, 1s to 1m>\n      env LEASE; default: 30s\n"));
  EXPECT_THAT(parsed.message, HasSubstr("--check-config"));
}

TEST(ConfigTest, CheckConfigIsReported) {
  EXPECT_TRUE(ParseWith({kListen}, {"--check-config"}).config->check_only());
  EXPECT_FALSE(ParseWith({kListen}, {}).config->check_only());
  EXPECT_EQ(ParseWith({kKey}, {"--check-config"}).exit_code, 2);
}

TEST(ConfigDeathTest, ReadingAnUndeclaredSettingAborts) {
  const Parsed parsed = ParseWith({kListen}, {});
  EXPECT_DEATH(parsed.config->Get("other"), "--other is read but not declared");
  EXPECT_DEATH(parsed.config->SecretFile("other"), "--other is read but not declared");
}

}  // namespace
}  // namespace billmesh::config
