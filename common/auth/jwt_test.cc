#include "common/auth/jwt.h"

#include <atomic>
#include <map>
#include <thread>

#include "common/auth/file_key_source.h"
#include "common/auth/test_tokens.h"
#include "common/auth/url_key_source.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::auth {
namespace {

using nlohmann::json;

constexpr char kIssuer[] = "https://login.example";
constexpr char kAudience[] = "billmesh";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr int64_t kNowSeconds = 1'800'000'000;

const TestKey& RsaKey() {
  static const auto* const key = new TestKey(TestKey::Rsa("rsa"));
  return *key;
}
const TestKey& EcKey() {
  static const auto* const key = new TestKey(TestKey::P256("ec"));
  return *key;
}
const TestKey& EdKey() {
  static const auto* const key = new TestKey(TestKey::Ed25519("ed"));
  return *key;
}

json GoodClaims() {
  return {{"iss", kIssuer},           {"aud", kAudience},        {"sub", "user-1"},
          {"exp", kNowSeconds + 600}, {"nbf", kNowSeconds - 10}, {"permissions", {"billing.operator"}}};
}
json With(json object, const char* name, json value) {
  object[name] = std::move(value);
  return object;
}
json Without(json object, const char* name) {
  object.erase(name);
  return object;
}

class JwtTest : public testing::Test {
 protected:
  JwtTest() : file_(TestJwks({RsaKey().Jwk(), EcKey().Jwk(), EdKey().Jwk()})) {
    auto source = FileKeySource::Create(file_.path(), clock_);
    EXPECT_TRUE(source.ok()) << source.status();
    auto made = JwtVerifier::Create({kIssuer, kAudience}, *std::move(source), clock_);
    EXPECT_TRUE(made.ok()) << made.status();
    verifier_ = *std::move(made);
  }
  void ExpectRefused(const std::string& token, std::string_view why) {
    const auto user = verifier_->Verify(token);
    EXPECT_FALSE(user.ok()) << why;
    EXPECT_EQ(ReasonOf(user.status()), Reason::FAILURE_REASON_UNAUTHENTICATED) << why << ": " << user.status();
    const auto tried = verifier_->TryVerify(token);
    EXPECT_TRUE(!tried.has_value() || !tried->ok()) << why;
  }

  FakeClock clock_{kNow};
  TestFile file_;
  std::unique_ptr<JwtVerifier> verifier_;
};

TEST_F(JwtTest, AcceptsEachAlgorithmAndReadsTheUser) {
  for (const TestKey* key : {&RsaKey(), &EcKey(), &EdKey()}) {
    const auto user = verifier_->Verify(key->Sign(GoodClaims()));
    ASSERT_TRUE(user.ok()) << user.status();
    EXPECT_EQ(user->subject, "user-1");
    EXPECT_TRUE(user->Has("billing.operator"));
    EXPECT_FALSE(user->Has("billing"));
    const auto tried = verifier_->TryVerify(key->Sign(GoodClaims()));
    ASSERT_TRUE(tried.has_value());
    EXPECT_TRUE(tried->ok());
  }
}

TEST_F(JwtTest, AcceptsWhatTheStandardAllows) {
  const std::map<std::string, json> accepted = {
      {"audience in an array", With(GoodClaims(), "aud", {"other", kAudience})},
      {"no nbf", Without(GoodClaims(), "nbf")},
      {"no permissions", Without(GoodClaims(), "permissions")},
      {"fractional dates", With(GoodClaims(), "exp", kNowSeconds + 0.5)},
      {"expired within the leeway", With(GoodClaims(), "exp", kNowSeconds - 29)},
      {"not yet valid within the leeway", With(GoodClaims(), "nbf", kNowSeconds + 29)},
      {"unknown claims", With(GoodClaims(), "org", {{"id", 3}})},
  };
  for (const auto& [name, claims] : accepted) {
    const auto user = verifier_->Verify(EcKey().Sign(claims));
    EXPECT_TRUE(user.ok()) << name << ": " << user.status();
  }
}

TEST_F(JwtTest, RefusesBrokenClaims) {
  const std::map<std::string, json> refused = {
      {"wrong issuer", With(GoodClaims(), "iss", "https://login.example.evil")},
      {"no issuer", Without(GoodClaims(), "iss")},
      {"issuer of another type", With(GoodClaims(), "iss", {kIssuer})},
      {"wrong audience", With(GoodClaims(), "aud", "billmesh-daemons")},
      {"no audience", Without(GoodClaims(), "aud")},
      {"empty audience list", With(GoodClaims(), "aud", json::array())},
      {"audience as an object", With(GoodClaims(), "aud", {{kAudience, true}})},
      {"expired", With(GoodClaims(), "exp", kNowSeconds - 31)},
      {"expired at the leeway's end", With(GoodClaims(), "exp", kNowSeconds - 30)},
      {"no expiry", Without(GoodClaims(), "exp")},
      {"expiry as text", With(GoodClaims(), "exp", std::to_string(kNowSeconds + 600))},
      {"expiry beyond all dates", With(GoodClaims(), "exp", 1e30)},
      {"negative expiry", With(GoodClaims(), "exp", -1)},
      {"not yet valid", With(GoodClaims(), "nbf", kNowSeconds + 31)},
      {"nbf as text", With(GoodClaims(), "nbf", "now")},
      {"no subject", Without(GoodClaims(), "sub")},
      {"empty subject", With(GoodClaims(), "sub", "")},
      {"numeric subject", With(GoodClaims(), "sub", 7)},
      {"subject with a line break", With(GoodClaims(), "sub", "a\nb")},
      {"long subject", With(GoodClaims(), "sub", std::string(256, 'a'))},
      {"permissions as text", With(GoodClaims(), "permissions", "billing.operator")},
      {"a permission that is no text", With(GoodClaims(), "permissions", {1})},
      {"a list", json::array({1})},
  };
  for (const auto& [name, claims] : refused) ExpectRefused(EcKey().Sign(claims), name);
  ExpectRefused(EcKey().Sign(EcKey().Header(), "not json"), "payload that isn't JSON");
  std::string twice = GoodClaims().dump();
  twice.insert(1, R"("sub":"user-2",)");
  ExpectRefused(EcKey().Sign(EcKey().Header(), twice), "duplicate claims");
}

TEST_F(JwtTest, RefusesForgedHeadersAndSignatures) {
  const std::string claims = GoodClaims().dump();
  const json ec = EcKey().Header();
  ExpectRefused(EcKey().Sign(With(ec, "alg", "none"), claims), "alg none");
  ExpectRefused(EcKey().Sign(With(ec, "alg", "None"), claims), "alg None");
  ExpectRefused(EcKey().Sign(Without(ec, "alg"), claims), "no alg");
  ExpectRefused(EcKey().Sign(With(ec, "alg", "HS256"), claims), "HMAC");
  ExpectRefused(EcKey().Sign(With(ec, "alg", "ES384"), claims), "another curve");
  ExpectRefused(EcKey().Sign(With(ec, "alg", "RS256"), claims), "alg of another key type");
  ExpectRefused(EcKey().Sign(With(ec, "kid", "rsa"), claims), "kid of another key type");
  ExpectRefused(EcKey().Sign(With(ec, "kid", "unknown"), claims), "unknown kid");
  ExpectRefused(EcKey().Sign(Without(ec, "kid"), claims), "no kid");
  ExpectRefused(EcKey().Sign(With(ec, "kid", 7), claims), "numeric kid");
  ExpectRefused(EcKey().Sign(With(ec, "crit", {"exp"}), claims), "crit");
  ExpectRefused(EcKey().Sign(With(ec, "crit", json::array()), claims), "empty crit");
  ExpectRefused(EcKey().Sign(With(ec, "typ", "billmesh-user+jwt"), claims), "another kind of token");
  // Its own key in the header must not be believed.
  const TestKey other = TestKey::P256("ec");
  ExpectRefused(other.Sign(With(ec, "jwk", other.Jwk()), claims), "key in the header");
  ExpectRefused(other.Sign(ec, claims), "another key under a known kid");
}

TEST_F(JwtTest, RefusesAnHmacKeyedWithThePublicKey) {
  for (const std::string& secret : {RsaKey().PublicPem(), RsaKey().Jwk().dump()}) {
    const std::string input = crypto::Base64UrlEncode(R"({"alg":"HS256","kid":"rsa","typ":"JWT"})") + "." +
                              crypto::Base64UrlEncode(GoodClaims().dump());
    ExpectRefused(input + "." + crypto::Base64UrlEncode(crypto::HmacSha256(secret, input)), "HMAC with a public key");
    const std::string lying = crypto::Base64UrlEncode(R"({"alg":"RS256","kid":"rsa","typ":"JWT"})") + "." +
                              crypto::Base64UrlEncode(GoodClaims().dump());
    ExpectRefused(lying + "." + crypto::Base64UrlEncode(crypto::HmacSha256(secret, lying)), "HMAC that claims RS256");
  }
}

TEST_F(JwtTest, RefusesTamperedAndMalformedTokens) {
  for (const TestKey* key : {&RsaKey(), &EcKey(), &EdKey()}) {
    const std::string good = key->Sign(GoodClaims());
    const size_t first = good.find('.');
    const size_t second = good.find('.', first + 1);
    // The claims of somebody else under the same signature.
    ExpectRefused(good.substr(0, first + 1) + crypto::Base64UrlEncode(With(GoodClaims(), "sub", "user-2").dump()) +
                      good.substr(second),
                  "other claims");
    for (const size_t at : {size_t{3}, first + 3, second + 5}) {
      std::string flipped = good;
      flipped[at] = flipped[at] == 'A' ? 'B' : 'A';
      ExpectRefused(flipped, "flipped character");
    }
    ExpectRefused(good.substr(0, second + 1), "no signature");
    ExpectRefused(good.substr(0, second), "two parts");
    ExpectRefused(good + ".x", "four parts");
    ExpectRefused(good + "=", "padding");
    ExpectRefused(" " + good, "white space");
    ExpectRefused(good.substr(0, good.size() - 4), "short signature");
  }
  ExpectRefused("", "nothing");
  ExpectRefused("..", "three empty parts");
  ExpectRefused(EcKey().Sign(json::array({1}), GoodClaims().dump()), "header that is a list");
  // An ES256 signature of zeros: accepted by verifiers that don't check the range.
  const std::string good = EcKey().Sign(GoodClaims());
  ExpectRefused(good.substr(0, good.rfind('.') + 1) + crypto::Base64UrlEncode(std::string(64, '\0')), "zero signature");
}

TEST_F(JwtTest, RefusesOversizedTokens) {
  const std::string fits = EcKey().Sign(With(GoodClaims(), "pad", std::string(5000, 'a')));
  ASSERT_LE(fits.size(), kMaxTokenBytes);
  EXPECT_TRUE(verifier_->Verify(fits).ok());
  const std::string over = EcKey().Sign(With(GoodClaims(), "pad", std::string(7000, 'a')));
  ASSERT_GT(over.size(), kMaxTokenBytes);
  ExpectRefused(over, "oversized");
}

TEST_F(JwtTest, RefusesOptionsOutOfBounds) {
  const auto make = [&](JwtOptions options) {
    return JwtVerifier::Create(options, *FileKeySource::Create(file_.path(), clock_), clock_).ok();
  };
  EXPECT_TRUE(make({kIssuer, kAudience, absl::Seconds(60)}));
  EXPECT_FALSE(make({kIssuer, kAudience, absl::Seconds(61)}));
  EXPECT_FALSE(make({kIssuer, kAudience, absl::Seconds(-1)}));
  EXPECT_FALSE(make({"", kAudience}));
  EXPECT_FALSE(make({kIssuer, ""}));
}

TEST_F(JwtTest, FollowsAFileOfKeysThatIsReplaced) {
  const TestKey next = TestKey::P256("next");
  const std::string token = next.Sign(GoodClaims());
  ExpectRefused(token, "not yet in the file");
  file_.Replace(TestJwks({next.Jwk()}));
  EXPECT_TRUE(verifier_->Verify(token).ok());
  // The old key is gone with the next look.
  ExpectRefused(EcKey().Sign(GoodClaims()), "withdrawn key");
  file_.Replace("{broken");
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(verifier_->Verify(token).ok()) << "the last good set is kept";
}

TEST(KeySetTest, TakesUsableKeysAndLeavesOthersOut) {
  const json ed = EdKey().Jwk();
  const auto set = KeySet::Parse(TestJwks({
      {{"kty", "oct"}, {"kid", "hmac"}, {"k", "c2VjcmV0"}},
      {{"kty", "EC"}, {"crv", "P-384"}, {"kid", "p384"}},
      With(EcKey().Jwk(), "use", "enc"),
      With(RsaKey().Jwk(), "alg", "RS512"),
      Without(RsaKey().Jwk(), "kid"),
      With(With(EcKey().Jwk(), "kid", "wrap"), "key_ops", {"wrapKey"}),
      Without(Without(ed, "alg"), "use"),
  }));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->size(), 1u);
  ASSERT_NE((*set)->Find("ed"), nullptr);
  EXPECT_EQ((*set)->Find("ed")->algorithm(), JwsAlgorithm::kEdDsa);
  EXPECT_EQ((*set)->Find("hmac"), nullptr);
}

TEST(KeySetTest, RefusesMalformedSets) {
  const std::string zeros = crypto::Base64UrlEncode(std::string(32, '\0'));
  std::string even = crypto::Base64UrlDecode(RsaKey().Jwk()["n"].get<std::string>()).value();
  even.back() = static_cast<char>(even.back() & 0xfe);
  const std::map<std::string, std::string> refused = {
      {"not JSON", "keys"},
      {"no keys member", "{}"},
      {"keys is no list", R"({"keys":{}})"},
      {"empty", R"({"keys":[]})"},
      {"only an HMAC key", TestJwks({{{"kty", "oct"}, {"kid", "hmac"}, {"k", "c2VjcmV0"}}})},
      {"two keys with one kid", TestJwks({EcKey().Jwk(), With(EdKey().Jwk(), "kid", "ec")})},
      {"a point off the curve", TestJwks({With(With(EcKey().Jwk(), "x", zeros), "y", zeros)})},
      {"a short coordinate", TestJwks({With(EcKey().Jwk(), "x", "AAAA")})},
      {"a short Ed25519 key", TestJwks({With(EdKey().Jwk(), "x", "AAAA")})},
      {"a weak RSA key", TestJwks({TestKey::Rsa("weak", 1024).Jwk()})},
      {"an even RSA modulus", TestJwks({With(RsaKey().Jwk(), "n", crypto::Base64UrlEncode(even))})},
      {"an RSA exponent of 1", TestJwks({With(RsaKey().Jwk(), "e", "AQ")})},
      {"a key that is no object", R"({"keys":[1]})"},
      {"an empty kid", TestJwks({With(EcKey().Jwk(), "kid", "")})},
  };
  for (const auto& [name, text] : refused) EXPECT_FALSE(KeySet::Parse(text).ok()) << name;
  EXPECT_FALSE(KeySet::Parse(TestJwks(std::vector<json>(kMaxJwksKeys + 1, EcKey().Jwk()))).ok());
}

class UrlKeySourceTest : public testing::Test {
 protected:
  std::unique_ptr<JwtVerifier> MakeVerifier() {
    auto source = std::make_unique<UrlKeySource>(
        [this]() -> absl::StatusOr<std::string> {
          ++fetches_;
          if (document_.empty()) return absl::UnavailableError("away");
          return document_;
        },
        UrlKeySourceOptions{}, clock_);
    return *JwtVerifier::Create({kIssuer, kAudience}, std::move(source), clock_);
  }
  FakeClock clock_{kNow};
  std::string document_;
  std::atomic<int> fetches_ = 0;
};

TEST_F(UrlKeySourceTest, FetchesOnceAndServesFromMemory) {
  document_ = TestJwks({EcKey().Jwk()});
  const auto verifier = MakeVerifier();
  const std::string token = EcKey().Sign(GoodClaims());
  EXPECT_FALSE(verifier->HasKeys());
  EXPECT_FALSE(verifier->TryVerify(token).has_value()) << "the I/O thread must not fetch";
  EXPECT_EQ(fetches_, 0);
  EXPECT_TRUE(verifier->Verify(token).ok());
  EXPECT_TRUE(verifier->HasKeys());
  for (int i = 0; i < 10; ++i) {
    const auto tried = verifier->TryVerify(token);
    ASSERT_TRUE(tried.has_value());
    EXPECT_TRUE(tried->ok());
  }
  EXPECT_EQ(fetches_, 1);
}

TEST_F(UrlKeySourceTest, UnknownKidsFetchAtALimitedRate) {
  document_ = TestJwks({EcKey().Jwk()});
  const auto verifier = MakeVerifier();
  verifier->RefreshIfDue();
  ASSERT_EQ(fetches_, 1);
  const std::string unknown = TestKey::P256("next").Sign(GoodClaims());
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(verifier->Verify(unknown).ok());
  EXPECT_EQ(fetches_, 1) << "a fetch was just made";
  EXPECT_TRUE(verifier->TryVerify(unknown).has_value());
  clock_.Advance(absl::Seconds(30));
  EXPECT_FALSE(verifier->TryVerify(unknown).has_value());
  const TestKey next = TestKey::P256("next");
  document_ = TestJwks({EcKey().Jwk(), next.Jwk()});
  EXPECT_TRUE(verifier->Verify(next.Sign(GoodClaims())).ok());
  EXPECT_EQ(fetches_, 2);
}

TEST_F(UrlKeySourceTest, KeepsTheLastGoodSet) {
  document_ = TestJwks({EcKey().Jwk()});
  const auto verifier = MakeVerifier();
  verifier->RefreshIfDue();
  for (const char* bad : {"", "<html>", R"({"keys":[]})"}) {
    document_ = bad;
    clock_.Advance(absl::Minutes(11));
    verifier->RefreshIfDue();
    const json claims = With(With(GoodClaims(), "exp", kNowSeconds + 86400), "nbf", kNowSeconds);
    EXPECT_TRUE(verifier->Verify(EcKey().Sign(claims)).ok()) << bad;
  }
  EXPECT_EQ(fetches_, 4);
}

TEST_F(UrlKeySourceTest, FetchesAgainByAge) {
  document_ = TestJwks({EcKey().Jwk()});
  const auto verifier = MakeVerifier();
  verifier->RefreshIfDue();
  clock_.Advance(absl::Minutes(9));
  verifier->RefreshIfDue();
  EXPECT_EQ(fetches_, 1);
  clock_.Advance(absl::Minutes(1));
  verifier->RefreshIfDue();
  EXPECT_EQ(fetches_, 2);
}

TEST_F(UrlKeySourceTest, WithoutAnyKeysTheFaultIsOursNotTheCallers) {
  const auto verifier = MakeVerifier();
  const auto user = verifier->Verify(EcKey().Sign(GoodClaims()));
  EXPECT_EQ(ReasonOf(user.status()), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
  // The first set is tried for more often than later ones.
  document_ = TestJwks({EcKey().Jwk()});
  clock_.Advance(absl::Seconds(2));
  verifier->RefreshIfDue();
  EXPECT_TRUE(verifier->HasKeys());
}

TEST_F(UrlKeySourceTest, ConcurrentCallersShareOneFetch) {
  document_ = TestJwks({EcKey().Jwk()});
  const auto verifier = MakeVerifier();
  const std::string token = EcKey().Sign(GoodClaims());
  std::atomic<int> accepted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { accepted += verifier->Verify(token).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, 8);
  EXPECT_EQ(fetches_, 1);
}

}  // namespace
}  // namespace billmesh::auth
