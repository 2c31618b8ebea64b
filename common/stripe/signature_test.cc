#include "common/stripe/signature.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

constexpr char kSecret[] = "whsec_first";
constexpr char kOther[] = "whsec_second";
constexpr char kBody[] = R"({"id":"evt_1","object":"event"})";
constexpr int64_t kSignedAt = 1'700'000'000;

std::string Signature(const std::string& secret, int64_t t, const std::string& body = kBody) {
  return crypto::HmacSha256Hex(secret, absl::StrCat(t, ".", body));
}

std::string Header(const std::string& secret, int64_t t) { return absl::StrCat("t=", t, ",v1=", Signature(secret, t)); }

std::unique_ptr<SignatureVerifier> Verifier(std::vector<std::string> secrets = {kSecret}) {
  auto made = SignatureVerifier::Create(std::move(secrets));
  EXPECT_TRUE(made.ok()) << made.status();
  return std::move(*made);
}

// "ok", or the cause of the refusal.
std::string Verdict(const std::string& header, int64_t now = kSignedAt, const std::string& body = kBody,
                    std::vector<std::string> secrets = {kSecret}) {
  const auto result = Verifier(std::move(secrets))->Verify(body, header, absl::FromUnixSeconds(now));
  if (result.ok()) return "ok";
  EXPECT_EQ(ReasonOf(result.status()), Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID);
  return MetadataOf(result.status())["cause"];
}

TEST(SignatureTest, FollowsTheOfficialClientsHeaderRules) {
  const std::string right = Signature(kSecret, kSignedAt);
  std::string upper = right;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  const std::string t = absl::StrCat("t=", kSignedAt);
  const struct {
    const char* what;
    std::string header;
    const char* verdict;
  } kCases[] = {
      {"plain", t + ",v1=" + right, "ok"},
      {"v1 before t", "v1=" + right + "," + t, "ok"},
      {"any of several v1", t + ",v1=00,v1=" + right + ",v1=11", "ok"},
      {"unknown schemes beside it", t + ",v0=abc,v1=" + right + ",v2=def", "ok"},
      {"of two times the later counts", "t=5," + t + ",v1=" + right, "ok"},
      {"of two times the later counts, and is wrong", t + ",t=5,v1=" + right, "mismatch"},
      {"what follows the digits is dropped", t + "xyz,v1=" + right, "ok"},
      {"leading zeros and blanks of the number", absl::StrCat("t= 0", kSignedAt, ",v1=", right), "ok"},
      {"what follows a second equals sign is dropped", t + "=9,v1=" + right + "=junk", "ok"},
      {"v0 only", t + ",v0=" + right, "signature_missing"},
      {"upper-case hex", t + ",v1=" + upper, "mismatch"},
      {"a blank after the comma", t + ", v1=" + right, "signature_missing"},
      {"a blank before t", " " + t + ",v1=" + right, "timestamp_missing"},
      {"upper-case names", absl::StrCat("T=", kSignedAt, ",V1=", right), "timestamp_missing"},
      {"no time", "v1=" + right, "timestamp_missing"},
      {"a time that is no number", "t=now,v1=" + right, "timestamp_missing"},
      {"a time of -1", "t=-1,v1=" + right, "timestamp_missing"},
      {"a time beyond all bounds", "t=9999999999999999,v1=" + right, "timestamp_missing"},
      {"an empty time", "t=,v1=" + right, "timestamp_missing"},
      {"no signature", t, "signature_missing"},
      {"an empty signature", t + ",v1=", "mismatch"},
      {"a signature cut short", t + ",v1=" + right.substr(0, 63), "mismatch"},
      {"a signature with a tail", t + ",v1=" + right + "0", "mismatch"},
      {"quoted", "\"" + t + ",v1=" + right + "\"", "timestamp_missing"},
      {"nothing", "", "header_missing"},
      {"commas only", ",,,,", "timestamp_missing"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Verdict(c.header), c.verdict) << c.what;
}

TEST(SignatureTest, ToleratesThePastForFiveMinutesAndAnyFuture) {
  const std::string header = Header(kSecret, kSignedAt);
  EXPECT_EQ(Verdict(header, kSignedAt + 300), "ok");
  EXPECT_EQ(Verdict(header, kSignedAt + 301), "too_old");
  EXPECT_EQ(Verdict(header, kSignedAt - 86'400), "ok");
  const auto verifier = Verifier();
  EXPECT_TRUE(verifier->Verify(kBody, header, absl::FromUnixSeconds(kSignedAt + 300) + absl::Milliseconds(900)).ok());
}

TEST(SignatureTest, ReturnsTheSignedTimeSoThatSkewCanBeMeasured) {
  const auto at = Verifier()->Verify(kBody, Header(kSecret, kSignedAt), absl::FromUnixSeconds(kSignedAt + 2));
  ASSERT_TRUE(at.ok());
  EXPECT_EQ(*at, absl::FromUnixSeconds(kSignedAt));
}

TEST(SignatureTest, SignsTheExactBytes) {
  const std::string header = Header(kSecret, kSignedAt);
  std::string flipped = kBody;
  flipped[5] ^= 1;
  EXPECT_EQ(Verdict(header, kSignedAt, flipped), "mismatch");
  EXPECT_EQ(Verdict(header, kSignedAt, std::string(kBody) + "\n"), "mismatch");
  EXPECT_EQ(Verdict(absl::StrCat("t=", kSignedAt + 1, ",v1=", Signature(kSecret, kSignedAt))), "mismatch");
}

TEST(SignatureTest, AcceptsAnySecretWhileOneIsRolled) {
  EXPECT_EQ(Verdict(Header(kOther, kSignedAt), kSignedAt, kBody, {kSecret, kOther}), "ok");
  EXPECT_EQ(Verdict(Header(kSecret, kSignedAt), kSignedAt, kBody, {kSecret, kOther}), "ok");
  EXPECT_EQ(Verdict(Header("whsec_third", kSignedAt), kSignedAt, kBody, {kSecret, kOther}), "mismatch");
}

TEST(SignatureTest, RefusesBlankSecretsWhereverTheyStand) {
  EXPECT_FALSE(SignatureVerifier::Create({}).ok());
  EXPECT_FALSE(SignatureVerifier::Create({""}).ok());
  EXPECT_FALSE(SignatureVerifier::Create({kSecret, " \t\n"}).ok());
  EXPECT_FALSE(SignatureVerifier::Create(std::vector<std::string>(kMaxSecrets + 1, kSecret)).ok());
  const auto verifier = Verifier();
  EXPECT_FALSE(verifier->ReplaceSecrets({kOther, " "}).ok());
  EXPECT_TRUE(verifier->Verify(kBody, Header(kSecret, kSignedAt), absl::FromUnixSeconds(kSignedAt)).ok())
      << "a refused replacement leaves the old secrets";
}

TEST(SignatureTest, SecretsAreReplacedWhileDeliveriesAreChecked) {
  const auto verifier = Verifier();
  const std::string first = Header(kSecret, kSignedAt), second = Header(kOther, kSignedAt);
  const absl::Time now = absl::FromUnixSeconds(kSignedAt);
  std::atomic<bool> stop{false};
  std::atomic<int> neither{0};
  std::thread reader([&] {
    // One of the two always matches, because both are there before the first goes.
    while (!stop) {
      if (!verifier->Verify(kBody, first, now).ok() && !verifier->Verify(kBody, second, now).ok()) ++neither;
    }
  });
  ASSERT_TRUE(verifier->ReplaceSecrets({kSecret, kOther}).ok());
  ASSERT_TRUE(verifier->ReplaceSecrets({kOther}).ok());
  stop = true;
  reader.join();
  EXPECT_EQ(neither, 0);
  EXPECT_FALSE(verifier->Verify(kBody, first, now).ok());
  EXPECT_TRUE(verifier->Verify(kBody, second, now).ok());
}

TEST(SignatureTest, BoundsTheHeader) {
  std::string many = absl::StrCat("t=", kSignedAt);
  for (size_t i = 0; i < kMaxSignatures; ++i) many += ",v1=0";
  EXPECT_EQ(Verdict(many), "mismatch");
  EXPECT_EQ(Verdict(many + ",v1=" + Signature(kSecret, kSignedAt)), "too_many_signatures");
  std::string huge = absl::StrCat("t=", kSignedAt);
  for (int i = 0; i < 10'000; ++i) huge += ",v1=" + std::string(64, '0');
  EXPECT_EQ(Verdict(huge), "header_too_large");
}

}  // namespace
}  // namespace billmesh::stripe
