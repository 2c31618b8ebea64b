#include <algorithm>
#include <map>

#include "common/daemon/daemon.h"
#include "common/daemon/test_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CommonSettingsTest : public ::testing::Test {
 protected:
  // The faults with these variables changed; empty: none.
  std::string FaultsWith(const std::map<std::string, std::string>& changes, bool with_database = true) {
    std::map<std::string, std::string> environment = files_.Environment();
    environment.insert({{"BILLING_ENV", "test"}, {"DATABASE_URL", "postgresql://billmesh_x@127.0.0.1/x"}});
    for (const auto& [name, value] : changes) environment[name] = value;
    const char* argv[] = {"x"};
    return config::Parse("x", "", CommonSettings(with_database), CommonChecks(with_database), 1, argv,
                         [&](const char* name) -> const char* {
                           const auto it = environment.find(name);
                           return it == environment.end() ? nullptr : it->second.c_str();
                         })
        .message;
  }
  const TestFiles files_;
};

TEST_F(CommonSettingsTest, TakesFilesThatBootCanUse) {
  EXPECT_EQ(FaultsWith({}), "");
  EXPECT_EQ(FaultsWith({}, /*with_database=*/false), "");
}

TEST_F(CommonSettingsTest, NamesEveryBrokenFileInOneLine) {
  const std::string faults = FaultsWith({{"TLS_CA_FILE", files_.garbage.path()},
                                         {"TLS_CERT_FILE", files_.garbage.path()},
                                         {"TLS_KEY_FILE", files_.garbage.path()},
                                         {"USER_ASSERTION_JWKS_FILE", files_.garbage.path()},
                                         {"DATABASE_URL", "mysql://u:hunter2@h/d"}});
  for (const char* name : {"TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE", "USER_ASSERTION_JWKS_FILE", "DATABASE_URL"}) {
    EXPECT_THAT(faults, HasSubstr(name));
  }
  EXPECT_THAT(faults, Not(HasSubstr("\n")));
  EXPECT_THAT(faults, Not(HasSubstr("hunter2")));
}

TEST_F(CommonSettingsTest, ABrokenKeyIsNamedAlsoWithoutACertificate) {
  const std::string faults = FaultsWith({{"TLS_CERT_FILE", "/nonexistent"}, {"TLS_KEY_FILE", files_.garbage.path()}});
  EXPECT_THAT(faults, HasSubstr("TLS_CERT_FILE"));
  EXPECT_THAT(faults, HasSubstr("TLS_KEY_FILE"));
}

TEST_F(CommonSettingsTest, AKeyOfAnotherCertificateIsRefused) {
  const auth::TestFile other(crypto::MakeTestCertificate(/*ca=*/false).key);
  EXPECT_THAT(FaultsWith({{"TLS_KEY_FILE", other.path()}}),
              AllOf(HasSubstr("TLS_KEY_FILE"), HasSubstr("is not the private key of the certificate")));
}

TEST_F(CommonSettingsTest, OnlyDaemonsWithADatabaseServeGrpc) {
  const auto has_listen = [](bool with_database) {
    const auto settings = CommonSettings(with_database);
    return std::any_of(settings.begin(), settings.end(), [](const config::Setting& s) { return s.env == "LISTEN_ADDR"; });
  };
  EXPECT_TRUE(has_listen(true));
  EXPECT_FALSE(has_listen(false));
}

}  // namespace
}  // namespace billmesh::daemon
