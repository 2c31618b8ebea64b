#include "common/auth/user_assertion.h"

#include "common/auth/jws.h"
#include "common/auth/test_tokens.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::auth {
namespace {

using nlohmann::json;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr int64_t kNowSeconds = 1'800'000'000;

class UserAssertionTest : public testing::Test {
 protected:
  UserAssertionTest()
      : key_(TestKey::P256("by thumbprint")),
        key_file_(key_.PrivatePem()),
        jwks_file_(AssertionJwks(key_file_.path(), clock_).value()),
        signer_(AssertionSigner::Create(key_file_.path(), clock_).value()),
        verifier_(AssertionVerifier::Create(jwks_file_.path(), clock_).value()),
        kid_(SigningKey::FromPem(key_.PrivatePem()).value()->kid()) {}

  json Header() const { return {{"alg", "ES256"}, {"kid", kid_}, {"typ", "billmesh-user+jwt"}}; }
  static json Claims() {
    return {{"iss", "billmesh-edge"},       {"aud", "billmesh-daemons"}, {"sub", "user-1"},
            {"permissions", json::array()}, {"iat", kNowSeconds},        {"exp", kNowSeconds + 60}};
  }
  bool Accepts(const json& header, const json& claims) {
    const auto user = verifier_->Verify(key_.Sign(header, claims.dump()));
    if (!user.ok()) {
      EXPECT_EQ(ReasonOf(user.status()), Reason::FAILURE_REASON_UNAUTHENTICATED) << user.status();
    }
    return user.ok();
  }
  static json With(json object, const char* name, json value) {
    object[name] = std::move(value);
    return object;
  }

  FakeClock clock_{kNow};
  TestKey key_;
  TestFile key_file_;
  TestFile jwks_file_;
  std::unique_ptr<AssertionSigner> signer_;
  std::unique_ptr<AssertionVerifier> verifier_;
  std::string kid_;
};

TEST_F(UserAssertionTest, CarriesTheUserToTheDaemons) {
  const auto token = signer_->Sign({"user-1", {"billing.operator"}});
  ASSERT_TRUE(token.ok()) << token.status();
  const auto user = verifier_->Verify(*token);
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->subject, "user-1");
  EXPECT_EQ(user->permissions, std::vector<std::string>{"billing.operator"});
}

TEST_F(UserAssertionTest, EndsAfterSixtySeconds) {
  const std::string token = signer_->Sign({"user-1", {}}).value();
  clock_.Advance(absl::Seconds(59));
  EXPECT_TRUE(verifier_->Verify(token).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(verifier_->Verify(token).ok());
}

TEST_F(UserAssertionTest, RefusesAnAssertionOfMoreThanSixtySeconds) {
  EXPECT_TRUE(Accepts(Header(), Claims()));
  EXPECT_FALSE(Accepts(Header(), With(Claims(), "exp", kNowSeconds + 61)));
  json undated = Claims();
  undated.erase("iat");
  EXPECT_FALSE(Accepts(Header(), undated)) << "its lifetime can't be told";
  // A later start doesn't stretch it either.
  EXPECT_FALSE(Accepts(Header(), With(With(Claims(), "iat", kNowSeconds + 600), "exp", kNowSeconds + 660)));
  EXPECT_TRUE(Accepts(Header(), With(With(Claims(), "iat", kNowSeconds + 5), "exp", kNowSeconds + 65)))
      << "the edge's clock may be a little ahead";
}

TEST_F(UserAssertionTest, RefusesOtherTokens) {
  EXPECT_FALSE(Accepts(With(Header(), "typ", "JWT"), Claims()));
  json untyped = Header();
  untyped.erase("typ");
  EXPECT_FALSE(Accepts(untyped, Claims()));
  EXPECT_FALSE(Accepts(With(Header(), "kid", "other"), Claims()));
  EXPECT_FALSE(Accepts(With(Header(), "alg", "none"), Claims()));
  EXPECT_FALSE(Accepts(Header(), With(Claims(), "iss", "https://login.example")));
  EXPECT_FALSE(Accepts(Header(), With(Claims(), "aud", "billmesh")));
  EXPECT_FALSE(Accepts(Header(), With(Claims(), "sub", "")));
  EXPECT_FALSE(verifier_->Verify("").ok());
  EXPECT_FALSE(verifier_->Verify(TestKey::P256("x").Sign(Header(), Claims().dump())).ok());
}

TEST_F(UserAssertionTest, RefusesAKeyOfAnotherTypeEvenIfItIsInTheSet) {
  const TestKey rsa = TestKey::Rsa("rsa");
  jwks_file_.Replace(TestJwks({rsa.Jwk()}));
  json header = rsa.Header();
  header["typ"] = "billmesh-user+jwt";
  EXPECT_FALSE(verifier_->Verify(rsa.Sign(header, Claims().dump())).ok());
}

TEST_F(UserAssertionTest, KeysRotateWithoutARestart) {
  const TestKey next = TestKey::P256("next");
  const TestFile next_file(next.PrivatePem());
  // First the verifiers know both, then the signer changes over.
  json both = json::parse(AssertionJwks(key_file_.path(), clock_).value());
  both["keys"].push_back(json::parse(AssertionJwks(next_file.path(), clock_).value())["keys"][0]);
  jwks_file_.Replace(both.dump());
  const std::string before = signer_->Sign({"user-1", {}}).value();
  key_file_.Replace(next.PrivatePem());
  clock_.Advance(absl::Seconds(2));
  const std::string after = signer_->Sign({"user-1", {}}).value();
  EXPECT_NE(ParseJws(before).value().kid, ParseJws(after).value().kid);
  EXPECT_TRUE(verifier_->Verify(before).ok());
  EXPECT_TRUE(verifier_->Verify(after).ok());
  key_file_.Replace("half a key");
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(ParseJws(signer_->Sign({"user-1", {}}).value()).value().kid, ParseJws(after).value().kid);
}

TEST_F(UserAssertionTest, TheKidIsTheThumbprintOfTheKey) {
  const json jwk = json::parse(AssertionJwks(key_file_.path(), clock_).value())["keys"][0];
  const json required = {{"crv", jwk["crv"]}, {"kty", jwk["kty"]}, {"x", jwk["x"]}, {"y", jwk["y"]}};
  EXPECT_EQ(jwk["kid"], crypto::Base64UrlEncode(crypto::Sha256(required.dump())));
  EXPECT_FALSE(jwk.contains("d"));
}

TEST_F(UserAssertionTest, RefusesKeysThatAreNotP256AndFilesThatAreNotThere) {
  for (const std::string& pem : {TestKey::Rsa("r").PrivatePem(), TestKey::Ed25519("e").PrivatePem(), key_.PublicPem(),
                                 std::string("-----BEGIN PRIVATE KEY-----\n")}) {
    const TestFile file(pem);
    const auto made = AssertionSigner::Create(file.path(), clock_);
    EXPECT_FALSE(made.ok());
    EXPECT_NE(std::string(made.status().message()).find(file.path()), std::string::npos);
  }
  EXPECT_FALSE(AssertionSigner::Create("/nonexistent/key.pem", clock_).ok());
  EXPECT_FALSE(AssertionVerifier::Create("/nonexistent/jwks.json", clock_).ok());
  EXPECT_FALSE(AssertionVerifier::Create(key_file_.path(), clock_).ok());
}

}  // namespace
}  // namespace billmesh::auth
