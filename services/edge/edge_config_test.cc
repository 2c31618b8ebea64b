#include "services/edge/edge_config.h"

#include <map>

#include "common/auth/test_tokens.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

class EdgeConfigTest : public testing::Test {
 protected:
  config::Parsed Parse(const std::map<std::string, std::string>& changes) {
    std::map<std::string, std::string> environment = {
        {"BILLING_ENV", "test"},          {"TLS_CA_FILE", file_.path()},      {"TLS_CERT_FILE", file_.path()},
        {"TLS_KEY_FILE", file_.path()},   {"CHECKOUT_ADDR", "127.0.0.1:1"},   {"WEBHOOK_ADDR", "127.0.0.1:2"},
        {"ENTITLEMENTS_ADDR", "[::1]:3"}, {"RECONCILER_ADDR", "127.0.0.1:4"}, {"USER_ASSERTION_KEY_FILE", file_.path()},
        {"JWT_ISSUER", "https://issuer"}, {"JWT_AUDIENCE", "billmesh"},       {"JWT_JWKS", file_.path()},
    };
    for (const auto& [name, value] : changes) environment[name] = value;
    const char* argv[] = {"billmesh-edge"};
    return config::Parse("billmesh-edge", "", EdgeSettings(), EdgeChecks(), 1, argv,
                         [&](const char* name) -> const char* {
                           const auto it = environment.find(name);
                           return it == environment.end() || it->second.empty() ? nullptr : it->second.c_str();
                         });
  }
  auth::TestFile file_{"content"};
};

TEST_F(EdgeConfigTest, ReadsItsSettings) {
  const auto parsed = Parse({{"RATE_LIMIT_BURST", "7"}, {"WEBHOOK_TIMEOUT", "3s"}, {"HTTP_LISTEN_ADDR", "0.0.0.0:80"}});
  ASSERT_TRUE(parsed.config.has_value()) << parsed.message;
  const EdgeConfig config = ReadEdgeConfig(*parsed.config);
  EXPECT_EQ(config.http.listen, "0.0.0.0:80");
  EXPECT_EQ(config.http.max_body_bytes, 256u << 10);
  EXPECT_EQ(config.peers.size(), 4u);
  EXPECT_EQ(config.peers.at("entitlements"), "[::1]:3");
  EXPECT_EQ(config.limits.burst, 7);
  EXPECT_EQ(config.timeouts.webhook, absl::Seconds(3));
  EXPECT_EQ(config.jwt.issuer, "https://issuer");
  EXPECT_EQ(config.jwt.leeway, absl::Seconds(30));
  EXPECT_TRUE(Parse({{"JWT_JWKS", "https://issuer/keys"}}).config.has_value());
}

TEST_F(EdgeConfigTest, NamesEveryFaultInOneLine) {
  const auto parsed = Parse({{"CHECKOUT_ADDR", ""},
                             {"JWT_LEEWAY", "61s"},
                             {"JWT_JWKS", "/nonexistent/keys"},
                             {"HTTP_TLS_CERT_FILE", file_.path()},
                             {"JWT_AUDIENCE", ""}});
  EXPECT_FALSE(parsed.config.has_value());
  EXPECT_NE(parsed.exit_code, 0);
  for (const char* fault : {"CHECKOUT_ADDR", "JWT_LEEWAY", "--jwt-jwks", "--http-tls-key", "JWT_AUDIENCE"}) {
    EXPECT_THAT(parsed.message, testing::HasSubstr(fault));
  }
  EXPECT_THAT(parsed.message, testing::Not(testing::HasSubstr("\n")));
}

}  // namespace
}  // namespace billmesh::edge
