#include "services/edge/edge_config.h"

#include <map>

#include "common/auth/test_tokens.h"
#include "common/daemon/test_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

class EdgeConfigTest : public testing::Test {
 protected:
  config::Parsed Parse(const std::map<std::string, std::string>& changes) {
    std::map<std::string, std::string> environment = {
        {"BILLING_ENV", "test"},
        {"CHECKOUT_ADDR", "127.0.0.1:1"},
        {"WEBHOOK_ADDR", "127.0.0.1:2"},
        {"ENTITLEMENTS_ADDR", "[::1]:3"},
        {"RECONCILER_ADDR", "127.0.0.1:4"},
        {"USER_ASSERTION_KEY_FILE", files_.key.path()},  // P-256, too
        {"JWT_ISSUER", "https://issuer"},
        {"JWT_AUDIENCE", "billmesh"},
        {"JWT_JWKS", files_.jwks.path()},
    };
    environment.merge(files_.Environment());
    for (const auto& [name, value] : changes) environment[name] = value;
    const char* argv[] = {"billmesh-edge"};
    return config::Parse("billmesh-edge", "", EdgeSettings(), EdgeChecks(), 1, argv,
                         [&](const char* name) -> const char* {
                           const auto it = environment.find(name);
                           return it == environment.end() || it->second.empty() ? nullptr : it->second.c_str();
                         });
  }
  const daemon::TestFiles files_;
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
                             {"HTTP_TLS_CERT_FILE", files_.certificate.path()},
                             {"JWT_AUDIENCE", ""}});
  EXPECT_FALSE(parsed.config.has_value());
  EXPECT_NE(parsed.exit_code, 0);
  for (const char* fault : {"CHECKOUT_ADDR", "JWT_LEEWAY", "--jwt-jwks", "--http-tls-key", "JWT_AUDIENCE"}) {
    EXPECT_THAT(parsed.message, testing::HasSubstr(fault));
  }
  EXPECT_THAT(parsed.message, testing::Not(testing::HasSubstr("\n")));
}

TEST_F(EdgeConfigTest, KeysAndCertificatesThatBootCouldNotUseAreFaults) {
  const std::string garbage = files_.garbage.path();
  for (const char* variable : {"TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "USER_ASSERTION_KEY_FILE", "JWT_JWKS_CA_FILE"}) {
    EXPECT_THAT(Parse({{variable, garbage}}).message, testing::HasSubstr(variable));
  }
  EXPECT_THAT(Parse({{"JWT_JWKS", garbage}}).message, testing::HasSubstr("--jwt-jwks"));
  const auth::TestFile rsa(auth::TestKey::Rsa("key").PrivatePem());
  EXPECT_THAT(Parse({{"USER_ASSERTION_KEY_FILE", rsa.path()}}).message, testing::HasSubstr("P-256"));
  EXPECT_THAT(Parse({{"HTTP_TLS_CERT_FILE", garbage}, {"HTTP_TLS_KEY_FILE", garbage}}).message,
              testing::AllOf(testing::HasSubstr("HTTP_TLS_CERT_FILE"), testing::HasSubstr("HTTP_TLS_KEY_FILE")));
  EXPECT_THAT(
      Parse({{"HTTP_TLS_CERT_FILE", files_.certificate.path()}, {"HTTP_TLS_KEY_FILE", rsa.path()}}).message,
      testing::HasSubstr("is not the private key of the certificate"));
  EXPECT_EQ(Parse({{"HTTP_TLS_CERT_FILE", files_.certificate.path()}, {"HTTP_TLS_KEY_FILE", files_.key.path()}}).message,
            "");
}

}  // namespace
}  // namespace billmesh::edge
